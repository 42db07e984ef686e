//! Iterations: how many each record speaks of, and what they made.

use std::borrow::Cow;

use crate::event::{Progress, Stated};
use crate::metrics::higher;
use crate::report::{IterationSeries, PhaseKind};

use super::amount_counter::Span;
use super::amounts::{Amounts, batch_size};
use super::divergence::Divergence;
use super::downsample::{Downsampled, Merge};
use super::first_record::{Baseline, FirstRecord, Known, LARGEST_JUMP};
use super::sizes::{SizeInUse, Sizes};
use super::timeline::Work;
use super::timing::{Time, Timing};

/// All that the records said, in running sums.
#[derive(Debug, Clone, Default)]
pub struct Iterations {
    warmup: u64,
    pub timing: Timing,
    pub amounts: Amounts,
    /// What took the time before the records, until it is taken.
    pub work: Vec<Work>,
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
    history: Downsampled<Point>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Point {
    iteration: Option<u64>,
    at: Option<f64>,
    latency: Option<f64>,
    loss: Option<f64>,
}

impl Merge for Point {
    fn merge(&mut self, later: Self) {
        let latency = higher(self.latency, later.latency);
        *self = Self { latency, loss: later.loss.or(self.loss), ..later };
    }
}

impl Iterations {
    pub fn new(warmup: u64, history_size: usize) -> Self {
        let (amounts, history) = (Amounts::new(), Downsampled::new(history_size));
        Self { warmup, amounts, history, ..Self::default() }
    }

    /// Takes in a record.
    pub fn record(&mut self, record: &Progress, sizes: &Sizes) {
        self.loss = record.loss.or(self.loss).filter(|_| !record.diverged);
        self.divergence.record(record);
        self.counts_batches |= record.counts_batches;
        self.counts_from_zero |= record.iteration == Some(0) && !record.baseline;
        self.total_iterations = record.total_iterations.or(self.total_iterations);
        self.global_batch_size = batch_size(record).or(self.global_batch_size);
        if let Some(engine) = &record.engine {
            let another = self.amounts.is_another_engine(engine);
            self.work.extend(self.amounts.serve(record));
            if another || record.iteration.is_none() {
                return;
            }
        }
        if record.baseline {
            self.settle();
            self.last = record.iteration.max(sizes.resume_iteration);
            self.baseline = Some(Baseline { iteration: self.last, at: record.at });
            if self.last == record.iteration {
                self.timing.begin(record);
            } else {
                // What was trained before the job resumed is skipped in the time until the next record.
                self.timing.begin_unknown();
            }
            self.amounts.begin(record);
            self.work.extend(record.at.map(|end| Work::new(PhaseKind::Train, end, None)));
        } else if record.iteration.is_none() && record.step_time.is_none() {
            self.read_rates(record, sizes);
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
            self.next(record, sizes);
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
            None => {
                let is_forgotten = self.timing.interrupt(at);
                self.forget_group_time(is_forgotten)
            }
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

    /// The next record continues from an earlier iteration.
    pub fn restart(&mut self, at: Option<f64>) {
        self.settle();
        self.timing.begin_unknown();
        (self.last, self.stride, self.baseline) = (None, None, None);
        (self.restarted, self.counted_before) = (true, self.timing.count());
        self.amounts.restart();
        self.work.extend(at.map(|end| Work::new(PhaseKind::Train, end, None)));
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
    pub fn settled(&self) -> Cow<'_, Self> {
        if self.opening.is_none() {
            return Cow::Borrowed(self);
        }
        let mut settled = self.clone();
        if let Some(opening) = settled.opening.take() {
            // No more than what is sure, whatever the second record tells: counts never fall.
            settled.count_first(&opening, Known::AT_LEAST, None);
        }
        Cow::Owned(settled)
    }

    /// No record will follow the first one, if there was no other.
    pub fn settle(&mut self) {
        if let Some(mut opening) = self.opening.take() {
            match opening.second.take() {
                Some((second, sizes)) => self.begin(&opening, &second, &sizes),
                None => self.open(&opening, None),
            }
        }
    }

    /// The log has ended. True if the newest work's time turned out to be unknown.
    pub fn finish(&mut self) -> bool {
        let is_forgotten = self.timing.finish();
        self.forget_group_time(is_forgotten)
    }

    fn forget_group_time(&mut self, is_forgotten: bool) -> bool {
        if is_forgotten {
            self.amounts.forget_group_time();
        }
        is_forgotten
    }

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

    fn next(&mut self, record: &Progress, sizes: &Sizes) {
        let Some(mut opening) = self.opening.take() else { return self.follow(record, sizes, 0) };
        if opening.needs_third(record) {
            self.opening = Some(FirstRecord { second: Some((record.clone(), *sizes)), ..opening });
        } else if let Some((second, second_sizes)) = opening.second.take() {
            opening.sizes.log_interval =
                record.iteration.zip(second.iteration).and_then(|(now, before)| now.checked_sub(before));
            self.begin(&opening, &second, &second_sizes);
            self.follow(record, sizes, 0);
        } else {
            self.begin(&opening, record, sizes);
        }
    }

    /// Counts the first record and the second one.
    fn begin(&mut self, first: &FirstRecord, second: &Progress, sizes: &Sizes) {
        let mut recounted = 0;
        if second.overlaps_first && first.is_extra(Some(second)) {
            recounted = 1;
            self.last = first.record.iteration;
            self.timing.lose_mark();
        } else {
            self.open(first, Some(second));
        }
        if first.is_interrupted {
            self.timing.interrupt(None);
        }
        self.follow(second, sizes, recounted);
    }

    /// Counts a record that follows another one, and iterations that its mean counts again.
    fn follow(&mut self, record: &Progress, sizes: &Sizes, recounted: u64) {
        self.restarted = false;
        let iterations = self.step(record, sizes) + recounted;
        self.count(record, sizes, iterations);
    }

    /// Counts the first record; the second one, if there is one, tells how many iterations it speaks of.
    fn open(&mut self, first: &FirstRecord, second: Option<&Progress>) {
        self.count_first(first, first.known(second), second);
    }

    fn count_first(&mut self, first: &FirstRecord, known: Known, second: Option<&Progress>) {
        if !known.is_since_baseline {
            self.timing.begin_unknown();
        }
        self.guessed = self.guessed.or(first.record.iteration.filter(|_| known.is_guess));
        let step = second.and_then(|second| second.iteration?.checked_sub(first.record.iteration?));
        // Where not every iteration has a line, the time that one states is none, or only that of its launch.
        let is_partial = first.record.of_one_iteration && step != Some(1);
        let step_time = first.record.step_time.filter(|_| !is_partial);
        self.count(&Progress { step_time, ..first.record.clone() }, &first.sizes, known.iterations);
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

    fn count(&mut self, record: &Progress, sizes: &Sizes, iterations: u64) {
        let is_forgotten = self.timing.begin_with(record);
        self.forget_group_time(is_forgotten);
        let before = self.timing.count() - self.counted_before;
        let is_warmup = before < self.warmup;
        let time = self.timing.record(record, iterations, is_warmup, sizes.elapsed);
        let seconds = match time {
            Time::Known { seconds, .. } => Some(seconds),
            Time::Shared => Some(0.0),
            Time::Unknown => None,
        };
        if time != Time::Shared {
            self.amounts.begin_group();
            let kind = if is_warmup { PhaseKind::Warmup } else { PhaseKind::Train };
            self.work.extend(record.at.map(|end| Work::new(kind, end, seconds)));
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
        self.amounts.count(record, sizes, iterations, Span { seconds, is_warmup }, from_zero);
        let latency = seconds.filter(|_| iterations > 0).map(|seconds| seconds / iterations as f64);
        let latency = latency.filter(|_| time != Time::Shared);
        self.history.push(Point { iteration: record.iteration, at: record.at, latency, loss: record.loss });
    }

    /// A record that belongs to no iteration: rates, counters, a loss.
    fn read_rates(&mut self, record: &Progress, sizes: &Sizes) {
        if self.timing.count() == 0 {
            return self.work.extend(self.amounts.serve(record));
        }
        let count = self.timing.count() - self.counted_before;
        let no_time = Span { seconds: Some(0.0), is_warmup: count <= self.warmup };
        let from_zero = self.last_iteration() == Some(count);
        let sizes = Sizes { global_batch_size: None, tokens_per_iteration: None, ..*sizes };
        self.amounts.count(record, &sizes, 0, no_time, from_zero);
    }
}
