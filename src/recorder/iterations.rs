//! Iterations: how many each record speaks of, and what they made.

use std::borrow::Cow;

use crate::event::{Progress, Scope, Stated};
use crate::metrics::Amount;
use crate::report::{IterationSeries, PhaseKind};

use super::amount_counter::{AmountCounter, Span, Split, Statement};
use super::divergence::Divergence;
use super::downsample::{Downsampled, Merge};
use super::first_record::{Baseline, FirstRecord, LARGEST_JUMP};
use super::serving::Serving;
use super::sizes::{SizeInUse, Sizes};
use super::timeline::Work;
use super::timing::{Time, Timing};

/// All that the records said, in running sums.
#[derive(Debug, Clone)]
pub struct Iterations {
    warmup: u64,
    pub timing: Timing,
    pub samples: AmountCounter,
    pub tokens: AmountCounter,
    /// Generated within iterations, and by servers.
    pub generated: Split<Amount>,
    pub served: Amount,
    /// The first counted iteration's number.
    pub first: Option<u64>,
    pub total_iterations: Option<u64>,
    /// The last one that the log states, if it is a number.
    pub loss: Option<f64>,
    pub divergence: Divergence,
    pub global_batch_size: Option<f64>,
    pub parameters: SizeInUse,
    pub sequence_length: SizeInUse,
    /// The last record's iteration.
    last: Option<u64>,
    /// Where counting began, until a record follows.
    baseline: Option<Baseline>,
    /// When the training began, if a bar or a line told so.
    began_at: Option<f64>,
    /// The first record, as long as no second one tells how many iterations it speaks of.
    opening: Option<FirstRecord>,
    /// A training of which the log shows one record alone: how many iterations it speaks of is a guess.
    pub guessed: Option<u64>,
    /// Iterations are batches, of which an optimizer step may take several.
    pub counts_batches: bool,
    counts_from_zero: bool,
    /// Training has begun again in the same log; the next record is the first of that.
    restarted: bool,
    /// The iterations of the trainings before this one.
    counted_before: u64,
    stride: Option<u64>,
    /// The last record's optimizer step, where iterations are micro-batches.
    optimizer_step: Option<u64>,
    serving: Serving,
    history: Downsampled<Point>,
    /// The amounts before the newest records that came together.
    before_group: Option<Box<(AmountCounter, AmountCounter)>>,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    iteration: Option<u64>,
    at: Option<f64>,
    latency: Option<f64>,
    loss: Option<f64>,
}

impl Merge for Point {
    fn merge(&mut self, later: Self) {
        let latency = [self.latency, later.latency].into_iter().flatten().reduce(f64::max);
        *self = Self { latency, loss: later.loss.or(self.loss), ..later };
    }
}

/// Sources of amounts that are estimates: a rate is a mean over some other span of time.
pub const TOKENS_BY_RATE: &str = "tokens per second × time";
pub const SAMPLES_BY_RATE: &str = "samples per second × time";

impl Iterations {
    pub fn new(warmup: u64, history_size: usize) -> Self {
        Self {
            warmup,
            timing: Timing::default(),
            samples: AmountCounter::new("consumed samples"),
            tokens: AmountCounter::new("consumed tokens"),
            generated: Split::default(),
            served: Amount::default(),
            first: None,
            total_iterations: None,
            loss: None,
            divergence: Divergence::default(),
            global_batch_size: None,
            parameters: SizeInUse::default(),
            sequence_length: SizeInUse::default(),
            last: None,
            baseline: None,
            began_at: None,
            opening: None,
            guessed: None,
            counts_batches: false,
            counts_from_zero: false,
            restarted: false,
            counted_before: 0,
            stride: None,
            optimizer_step: None,
            serving: Serving::default(),
            history: Downsampled::new(history_size),
            before_group: None,
        }
    }

    /// Takes in a record. `work` is given what took the time before it.
    pub fn record(&mut self, record: &Progress, sizes: &Sizes, work: &mut Vec<Work>) {
        self.loss = record.loss.or(self.loss).filter(|_| !record.diverged);
        self.divergence.record(record);
        self.counts_batches |= record.counts_batches;
        self.counts_from_zero |= record.iteration == Some(0) && !record.baseline;
        self.total_iterations = record.total_iterations.or(self.total_iterations);
        self.global_batch_size = batch_of(record).or(self.global_batch_size);
        if let Some(engine) = &record.engine {
            let another = self.serving.is_another(engine);
            self.serve(record, work);
            if another || record.iteration.is_none() {
                return;
            }
        }
        if record.baseline {
            self.settle(work);
            self.last = record.iteration.max(sizes.resume_iteration);
            self.baseline = Some(Baseline { iteration: self.last, at: record.at });
            self.began_at = record.at;
            if self.last == record.iteration {
                self.timing.begin(record);
            } else {
                // What was trained before the job resumed is skipped in the time until the next record.
                self.timing.begin_unknown();
            }
            self.samples.begin(record.consumed_samples);
            self.tokens.begin(record.consumed_tokens);
            work.extend(record.at.map(|end| Work::new(PhaseKind::Train, end, None)));
        } else if record.iteration.is_none() && record.step_time.is_none() {
            self.read_rates(record, sizes, work);
        } else if self.is_first(record) {
            self.opening = Some(FirstRecord {
                record: record.clone(),
                sizes: *sizes,
                baseline: self.baseline,
                counts_from_zero: self.counts_from_zero,
                restarted: self.restarted,
                is_interrupted: false,
                second: None,
            });
        } else {
            self.next(record, sizes, work);
        }
    }

    /// The time between the last record and the next is no iteration's; `at` is when a line told so. True
    /// if the newest work's time turned out to be unknown.
    pub fn interrupt(&mut self, at: Option<f64>) -> bool {
        match &mut self.opening {
            Some(opening) => {
                opening.is_interrupted = true;
                false
            }
            None => self.timing.interrupt(at) && self.forget_newest_time(),
        }
    }

    /// The command was stopped since the last record.
    pub fn suspend(&mut self) {
        self.opening.iter_mut().for_each(|opening| opening.is_interrupted = true);
        self.timing.suspend();
    }

    /// Whether the first record waits for the second one.
    pub fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    fn forget_newest_time(&mut self) -> bool {
        if let Some(before) = self.before_group.take() {
            self.samples.forget_time_since(&before.0);
            self.tokens.forget_time_since(&before.1);
        }
        true
    }

    /// The next record continues from an earlier iteration.
    pub fn restart(&mut self, at: Option<f64>, work: &mut Vec<Work>) {
        self.settle(work);
        self.timing.begin_unknown();
        (self.last, self.stride, self.optimizer_step) = (None, None, None);
        (self.baseline, self.began_at) = (None, None);
        (self.restarted, self.counted_before) = (true, self.timing.count());
        self.samples.restart();
        self.tokens.restart();
        work.extend(at.map(|end| Work::new(PhaseKind::Train, end, None)));
    }

    /// Whether only the next record can tell how many iterations this one speaks of.
    fn is_first(&self, record: &Progress) -> bool {
        let Some(now) = record.iteration.filter(|_| self.opening.is_none()) else { return false };
        match self.last {
            Some(last) => self.baseline.is_some() && now > last + 1,
            None => true,
        }
    }

    /// The sums with the first record in them, even if no other one followed it.
    pub fn settled(&self, work: &mut Vec<Work>) -> Cow<'_, Self> {
        if self.opening.is_none() {
            return Cow::Borrowed(self);
        }
        let mut settled = self.clone();
        settled.settle(work);
        Cow::Owned(settled)
    }

    fn settle(&mut self, work: &mut Vec<Work>) {
        if let Some(mut opening) = self.opening.take() {
            match opening.second.take() {
                Some((second, sizes)) => self.begin(&opening, &second, &sizes, work),
                None => self.open(&opening, None, work),
            }
        }
    }

    /// No record will follow the first one, if there was no other.
    pub fn end(&mut self, work: &mut Vec<Work>) {
        self.settle(work);
    }

    /// The log has ended. True if the newest work's time turned out to be unknown.
    pub fn finish(&mut self) -> bool {
        self.timing.finish() && self.forget_newest_time()
    }

    /// The last record's iteration.
    pub fn last_iteration(&self) -> Option<u64> {
        let opening = self.opening.as_ref().and_then(|opening| opening.record.iteration);
        opening.or(self.last)
    }

    /// The kept records, in seconds since `origin`.
    pub fn series(&self, origin: f64) -> IterationSeries {
        let points = || self.history.points();
        IterationSeries {
            records_per_point: self.history.stride(),
            iteration: points().map(|point| point.iteration.map(|iteration| iteration as f64)).collect(),
            seconds: points().map(|point| point.at.map(|at| at - origin)).collect(),
            latency_seconds: points().map(|point| point.latency).collect(),
            loss: points().map(|point| point.loss).collect(),
        }
    }

    fn next(&mut self, record: &Progress, sizes: &Sizes, work: &mut Vec<Work>) {
        let Some(mut opening) = self.opening.take() else { return self.follow(record, sizes, 0, work) };
        if opening.needs_third(record) {
            self.opening = Some(FirstRecord { second: Some((record.clone(), *sizes)), ..opening });
        } else if let Some((second, second_sizes)) = opening.second.take() {
            opening.sizes.log_interval =
                record.iteration.zip(second.iteration).and_then(|(now, before)| now.checked_sub(before));
            self.begin(&opening, &second, &second_sizes, work);
            self.follow(record, sizes, 0, work);
        } else {
            self.begin(&opening, record, sizes, work);
        }
    }

    /// Counts the first record and the second one.
    fn begin(&mut self, first: &FirstRecord, second: &Progress, sizes: &Sizes, work: &mut Vec<Work>) {
        let mut recounted = 0;
        if second.overlaps_first && first.is_extra(Some(second)) {
            recounted = 1;
            self.last = first.record.iteration;
            self.timing.lose_mark();
        } else {
            self.open(first, Some(second), work);
        }
        if first.is_interrupted {
            self.timing.interrupt(None);
        }
        self.follow(second, sizes, recounted, work);
    }

    /// Counts a record that follows another one, and iterations that its mean counts again.
    fn follow(&mut self, record: &Progress, sizes: &Sizes, recounted: u64, work: &mut Vec<Work>) {
        self.restarted = false;
        let iterations = self.step(record, sizes) + recounted;
        self.count(record, sizes, iterations, work);
    }

    /// Counts the first record; the second one, if there is one, tells how many iterations it speaks of.
    fn open(&mut self, first: &FirstRecord, second: Option<&Progress>, work: &mut Vec<Work>) {
        let known = first.known(second);
        if !known.is_since_baseline {
            self.timing.begin_unknown();
        }
        self.guessed = self.guessed.or(first.record.iteration.filter(|_| known.is_guess));
        let step = second.and_then(|second| second.iteration?.checked_sub(first.record.iteration?));
        // Where not every iteration has a line, the time that one states is none, or only that of its launch.
        let is_partial = first.record.of_one_iteration && step != Some(1);
        let step_time = first.record.step_time.filter(|_| !is_partial);
        self.count(&Progress { step_time, ..first.record.clone() }, &first.sizes, known.iterations, work);
    }

    /// How many iterations a record speaks of.
    fn step(&mut self, record: &Progress, sizes: &Sizes) -> u64 {
        let Some(now) = record.iteration else { return 1 };
        let usual = self.stride.or(sizes.log_interval).unwrap_or(1);
        let largest = LARGEST_JUMP.max(usual.saturating_mul(100));
        match self.last.and_then(|before| now.checked_sub(before)) {
            Some(step) if (1..=largest).contains(&step) => {
                self.stride = Some(step);
                step
            }
            _ => usual,
        }
    }

    fn count(&mut self, record: &Progress, sizes: &Sizes, iterations: u64, work: &mut Vec<Work>) {
        if self.timing.begin_with(record) {
            self.forget_newest_time();
        }
        let before = self.timing.count() - self.counted_before;
        let is_warmup = before < self.warmup;
        let time = self.timing.record(record, iterations, is_warmup, sizes.elapsed);
        let seconds = match time {
            Time::Known { seconds, .. } => Some(seconds),
            Time::Shared => Some(0.0),
            Time::Unknown => None,
        };
        if time != Time::Shared {
            self.before_group = Some(Box::new((self.samples.clone(), self.tokens.clone())));
            let kind = if is_warmup { PhaseKind::Warmup } else { PhaseKind::Train };
            work.extend(record.at.map(|end| Work::new(kind, end, seconds)));
        }
        if !is_warmup {
            self.first = self.first.or(record.iteration.map(|now| (now + 1).saturating_sub(iterations)));
        }
        (self.last, self.baseline) = (record.iteration.or(self.last), None);
        self.parameters.note(sizes.parameters);
        self.sequence_length.note(sizes.sequence_length.map(|value| Stated { value, half_unit: 0.0 }));
        let counted = before + iterations;
        let first = |now| now == counted || now + 1 == counted;
        let from_zero = record.iteration.is_some_and(first) && !record.counted_before;
        self.count_amounts(record, sizes, iterations, Span { seconds, is_warmup }, from_zero);
        let latency = seconds.filter(|_| iterations > 0).map(|seconds| seconds / iterations as f64);
        let latency = latency.filter(|_| time != Time::Shared);
        self.history.push(Point { iteration: record.iteration, at: record.at, latency, loss: record.loss });
    }

    fn count_amounts(
        &mut self,
        record: &Progress,
        sizes: &Sizes,
        iterations: u64,
        span: Span,
        from_zero: bool,
    ) {
        let batches = self.batches(record, iterations);
        let iterations = iterations as f64;
        let of_job = |rate: Option<(f64, Scope)>, source: &'static str| {
            let (rate, scope) = rate?;
            let ranks = if scope == Scope::Global { 1.0 } else { sizes.world_size? };
            Some((rate * ranks, source))
        };
        let batch = batch_of(record).or(sizes.global_batch_size);
        let samples = Statement {
            counter: record.consumed_samples,
            own: record
                .samples
                .map(|samples| (samples, "samples in the log"))
                .or(batch.map(|batch| (batch * batches, batches_of(record)))),
            rate: of_job(record.samples_per_s, SAMPLES_BY_RATE),
            tokens_each: sizes.sequence_length,
        };
        let of_iterations = |tokens| (tokens * iterations, "tokens per iteration × iterations");
        let rate = of_job(record.tokens_per_s, TOKENS_BY_RATE);
        let since_start = record.at.zip(self.began_at).map(|(now, began)| now - began);
        let by_mean = rate.zip(since_start).map(|((rate, _), seconds)| rate * seconds);
        let tokens = Statement {
            counter: record.consumed_tokens.or(by_mean.filter(|_| record.since_start)),
            own: record
                .tokens
                .map(|tokens| (tokens, "tokens in the log"))
                .or(sizes.tokens_per_iteration.map(of_iterations)),
            rate: rate.filter(|_| !record.since_start),
            tokens_each: None,
        };
        self.samples.read(span, samples, from_zero);
        self.tokens.read(span, tokens, from_zero);
        self.generate(record, span);
    }

    /// How many whole batches a record's iterations took: one each, or where they are micro-batches as
    /// many as optimizer steps were made. Of a first record only the ratio of the two is known.
    fn batches(&mut self, record: &Progress, iterations: u64) -> f64 {
        let whole = iterations as f64;
        let Some((step, iteration)) = record.optimizer_step.zip(record.iteration) else { return whole };
        let steps = match self.optimizer_step.replace(step).and_then(|before| step.checked_sub(before)) {
            Some(steps) => steps as f64,
            None => (whole * step as f64 / iteration.max(1) as f64).round(),
        };
        steps.min(whole)
    }

    /// A record that belongs to no iteration: rates, counters, a loss.
    fn read_rates(&mut self, record: &Progress, sizes: &Sizes, work: &mut Vec<Work>) {
        if self.timing.count() == 0 {
            return self.serve(record, work);
        }
        let count = self.timing.count() - self.counted_before;
        let no_time = Span { seconds: Some(0.0), is_warmup: count <= self.warmup };
        let from_zero = self.last_iteration() == Some(count);
        let sizes = Sizes { global_batch_size: None, tokens_per_iteration: None, ..*sizes };
        self.count_amounts(record, &sizes, 0, no_time, from_zero);
    }

    /// A server's record: tokens that it generated.
    fn serve(&mut self, record: &Progress, work: &mut Vec<Work>) {
        if let Some(served) = self.serving.record(record) {
            let seconds = Some(served.seconds);
            // The tokens of a numbered iteration are generated in that iteration's time.
            let is_iteration = record.iteration.is_some();
            let generated = if is_iteration { &mut self.generated.train } else { &mut self.served };
            generated.record(served.amount, seconds);
            let end = record.at.filter(|_| !is_iteration);
            work.extend(end.map(|end| Work::new(PhaseKind::Generate, end, seconds)));
        }
        if self.serving.is_untimed() {
            for generated in [&mut self.generated.train, &mut self.served] {
                (generated.timed, generated.seconds) = (0.0, 0.0);
            }
        }
    }

    fn generate(&mut self, record: &Progress, span: Span) {
        if record.engine.is_some() {
            return; // served already
        }
        let by_rate =
            |tokens: f64| record.generation_tokens_per_s.filter(|rate| *rate > 0.0).map(|rate| tokens / rate);
        let (amount, seconds) = match (record.generated_tokens, record.generation_tokens_per_s, span.seconds)
        {
            (Some(tokens), _, seconds) => {
                (Some(tokens), record.generation_time.or(by_rate(tokens)).or(seconds))
            }
            (None, Some(rate), Some(seconds)) => (Some(rate * seconds), Some(seconds)),
            _ => (None, None),
        };
        if let (Some(amount), Some(seconds)) = (amount, seconds) {
            self.generated.of(span.is_warmup).record(amount, Some(seconds));
        }
    }
}

/// What is multiplied with the batch size.
fn batches_of(record: &Progress) -> &'static str {
    match record.optimizer_step {
        Some(_) => "global batch size × optimizer steps",
        None => "global batch size × iterations",
    }
}

/// The batch size that a record states; none is of nothing.
fn batch_of(record: &Progress) -> Option<f64> {
    record.global_batch_size.filter(|batch| *batch > 0.0)
}
