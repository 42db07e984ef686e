//! Iterations: how many each record speaks of, and how long they took.

use std::borrow::Cow;

use crate::event::{Progress, Scope};
use crate::metrics::{Latencies, OutlierFilter, Rate};
use crate::report::IterationSeries;

use super::amount_counter::{AmountCounter, Span};
use super::downsample::{Downsampled, Merge};
use super::serving::Serving;

/// What must be known besides the records to read them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    pub global_batch_size: Option<f64>,
    pub tokens_per_iteration: Option<f64>,
    pub world_size: Option<f64>,
    pub log_interval: Option<u64>,
    pub resume_iteration: Option<u64>,
    /// Seconds from the run's start to the record's arrival.
    pub elapsed: Option<f64>,
}

/// How the time of iterations is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    Stated,
    Arrival,
    LogClock,
}

/// Records whose loss is NaN or infinite.
#[derive(Debug, Clone, Default)]
pub struct Divergence {
    records: u64,
    /// The first of those that go on to the end, and its iteration.
    since: Option<Option<u64>>,
}

impl Divergence {
    fn record(&mut self, record: &Progress) {
        if record.diverged {
            self.records += 1;
            self.since.get_or_insert(record.iteration);
        } else if record.loss.is_some() {
            self.since = None;
        }
    }

    /// Why the last loss is not known, if this is why.
    pub fn on_resume(&self) -> Option<String> {
        let iteration =
            self.since?.map_or(String::new(), |iteration| format!(" from iteration {iteration} on"));
        Some(format!("the log states a loss that is no number (nan or infinite){iteration}"))
    }

    /// What the reader of the report must know of it.
    pub fn warning(&self) -> Option<String> {
        let diverged = self.on_resume().map(|what| format!("{what}: the training has diverged"));
        let times = match self.records {
            0 => return None,
            1 => "once".to_owned(),
            records => format!("{records} times"),
        };
        let at_times = || {
            format!(
                "the log states a loss that is no number (nan or infinite) {times}, and numbers after that"
            )
        };
        diverged.or_else(|| Some(at_times()))
    }
}

/// The sums over one window.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// Iterations, timed or not.
    pub iterations: u64,
    pub latencies: Latencies,
    pub generated: Rate,
}

/// All that the records said, in running sums.
#[derive(Debug, Clone)]
pub struct Progression {
    warmup: u64,
    pub run: Sums,
    pub train: Sums,
    pub samples: AmountCounter,
    pub tokens: AmountCounter,
    pub timing: Option<Timing>,
    /// The first counted iteration's number.
    pub first: Option<u64>,
    pub total_iterations: Option<u64>,
    /// The last one that the log states, if it is a number.
    pub loss: Option<f64>,
    pub divergence: Divergence,
    pub global_batch_size: Option<f64>,
    /// Arrival times between which the counted iterations lie.
    window: Option<(f64, f64)>,
    /// Where the last record left off.
    mark: Option<Mark>,
    /// The first record, as long as no second one tells how many iterations it speaks of.
    opening: Option<(Progress, Sizes)>,
    /// Training has begun again in the same log; the next record is the first of that.
    restarted: bool,
    /// Iteration times that were left out: they are far beyond the others, or longer than the run.
    pub rejected_times: u64,
    usual_time: OutlierFilter,
    /// Something other than training happened since the last record.
    interrupted: bool,
    stride: Option<u64>,
    /// The last record's optimizer step, where iterations are micro-batches.
    optimizer_step: Option<u64>,
    serving: Serving,
    history: Downsampled<Point>,
}

/// Whether a first record is of the very first iteration alone, printed out of turn and without a
/// reset of the timer, so that the second record's mean is over that iteration too. `step` is the
/// distance to the second one.
fn is_extra(first: &Progress, sizes: &Sizes, restarted: bool, step: Option<u64>) -> bool {
    let Some(iteration) = first.iteration.filter(|_| first.overlaps_first) else { return false };
    let is_of_the_start = restarted || sizes.elapsed.is_some();
    let interval = sizes.log_interval.or(step);
    let out_of_turn = interval.is_some_and(|interval| !iteration.is_multiple_of(interval));
    is_of_the_start
        || out_of_turn
        || interval == Some(1)
        || iteration == sizes.resume_iteration.unwrap_or(0) + 1
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    iteration: Option<u64>,
    at: Option<f64>,
    clock: Option<f64>,
    /// Iterations that were counted since `at` and `clock`, which did not move meanwhile.
    untimed: u64,
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

/// A step longer than this, and than a hundred of those before, is a line that lies.
const LARGEST_JUMP: u64 = 1000;

impl Progression {
    pub fn new(warmup: u64, history_size: usize) -> Self {
        Self {
            warmup,
            run: Sums::default(),
            train: Sums::default(),
            samples: AmountCounter::new("consumed samples"),
            tokens: AmountCounter::new("consumed tokens"),
            timing: None,
            first: None,
            total_iterations: None,
            loss: None,
            divergence: Divergence::default(),
            global_batch_size: None,
            window: None,
            mark: None,
            opening: None,
            restarted: false,
            rejected_times: 0,
            usual_time: OutlierFilter::default(),
            interrupted: false,
            stride: None,
            optimizer_step: None,
            serving: Serving::default(),
            history: Downsampled::new(history_size),
        }
    }

    /// Takes in a record.
    pub fn record(&mut self, record: &Progress, sizes: &Sizes) {
        self.loss = record.loss.or(self.loss).filter(|_| !record.diverged);
        self.divergence.record(record);
        self.total_iterations = record.total_iterations.or(self.total_iterations);
        self.global_batch_size = batch_of(record).or(self.global_batch_size);
        if let Some(engine) = &record.engine {
            let another = self.serving.is_another(engine);
            self.serve(record);
            if another || record.iteration.is_none() {
                return;
            }
        }
        if record.baseline {
            if self.opening.is_some() {
                *self = self.settled().into_owned();
            }
            let iteration = record.iteration.max(sizes.resume_iteration);
            self.mark = Some(Mark {
                iteration,
                at: record.at,
                clock: record.clock.map(|clock| clock.seconds),
                untimed: 0,
            });
            self.interrupted = false;
            self.samples.begin(record.consumed_samples);
            self.tokens.begin(record.consumed_tokens);
        } else if record.iteration.is_none() && record.step_time.is_none() {
            self.read_rates(record, sizes);
        } else if self.is_first(record) {
            self.opening = Some((record.clone(), *sizes));
        } else {
            self.next(record, sizes);
        }
    }

    /// What lies between the last record and the next is no iteration's time.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// The next record continues from an earlier iteration.
    pub fn restart(&mut self, at: Option<f64>) {
        *self = self.settled().into_owned();
        self.mark = Some(Mark { iteration: None, at, ..Mark::default() });
        (self.restarted, self.optimizer_step) = (true, None);
        self.samples.restart();
        self.tokens.restart();
    }

    /// Whether only the next record can tell how many iterations this one speaks of.
    fn is_first(&self, record: &Progress) -> bool {
        let is_first = self.mark.is_none() || self.restarted && record.overlaps_first;
        is_first && self.opening.is_none() && record.iteration.is_some()
    }

    /// The sums with the first record in them, even if nothing followed it.
    pub fn settled(&self) -> Cow<'_, Self> {
        let Some((opening, sizes)) = &self.opening else { return Cow::Borrowed(self) };
        let mut settled = Self { opening: None, ..self.clone() };
        settled.open(opening, sizes, None);
        Cow::Owned(settled)
    }

    /// The last record's iteration.
    pub fn last_iteration(&self) -> Option<u64> {
        let opening = self.opening.as_ref().and_then(|(record, _)| record.iteration);
        opening.or(self.mark.and_then(|mark| mark.iteration))
    }

    /// Arrival times between which the counted iterations lie.
    pub fn window(&self) -> Option<(f64, f64)> {
        self.window
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
        let mut recounted = 0;
        if let Some((opening, opening_sizes)) = self.opening.take() {
            let step =
                record.iteration.zip(opening.iteration).and_then(|(now, first)| now.checked_sub(first));
            if record.overlaps_first && is_extra(&opening, &opening_sizes, self.restarted, step) {
                recounted = 1;
                self.mark = Some(Mark { iteration: opening.iteration, ..Mark::default() });
            } else {
                self.open(&opening, &opening_sizes, step);
            }
        }
        self.restarted = false;
        let iterations = self.step(record, sizes) + recounted;
        self.count(record, sizes, iterations);
    }

    /// Counts the first record; `step` is the distance to the second one.
    fn open(&mut self, record: &Progress, sizes: &Sizes, step: Option<u64>) {
        let iteration = record.iteration.unwrap_or(1);
        let since_resume = sizes.resume_iteration.and_then(|resumed| iteration.checked_sub(resumed));
        let extra = is_extra(record, sizes, self.restarted, step).then_some(1);
        let iterations = extra
            .or(since_resume.filter(|since| (1..=LARGEST_JUMP).contains(since)))
            .or(sizes.log_interval)
            .or(step.filter(|step| *step <= LARGEST_JUMP))
            .unwrap_or(1)
            .clamp(1, iteration.max(1));
        self.count(record, sizes, iterations);
    }

    /// How many iterations a record speaks of.
    fn step(&mut self, record: &Progress, sizes: &Sizes) -> u64 {
        let Some(now) = record.iteration else { return 1 };
        let usual = self.stride.or(sizes.log_interval).unwrap_or(1);
        let largest = LARGEST_JUMP.max(usual.saturating_mul(100));
        match (self.mark.and_then(|mark| mark.iteration), sizes.resume_iteration) {
            (Some(before), _) => match now.checked_sub(before) {
                Some(step) if (1..=largest).contains(&step) => {
                    self.stride = Some(step);
                    step
                }
                _ => usual,
            },
            (None, Some(resumed)) => {
                now.checked_sub(resumed).filter(|step| *step > 0).map_or(usual, |step| step.min(usual))
            }
            (None, None) => usual,
        }
    }

    fn count(&mut self, record: &Progress, sizes: &Sizes, iterations: u64) {
        let seconds = self.time(record, sizes, iterations);
        let counted = self.run.iterations >= self.warmup;
        self.run.iterations += iterations;
        if counted {
            self.train.iterations += iterations;
            self.first = self.first.or(record.iteration.map(|now| (now + 1).saturating_sub(iterations)));
            if let Some(at) = record.at {
                let start = self.window.map_or(at - seconds.unwrap_or(0.0), |window| window.0);
                self.window = Some((start, at));
            }
        }
        let first = |now| now == self.run.iterations || now + 1 == self.run.iterations;
        let from_zero = record.iteration.is_some_and(first) && !record.counted_before;
        self.meter(record, sizes, iterations, Span { seconds, counted }, from_zero);
        let latency = seconds.filter(|_| iterations > 0).map(|seconds| seconds / iterations as f64);
        self.history.push(Point { iteration: record.iteration, at: record.at, latency, loss: record.loss });
        self.interrupted = false;
    }

    /// The time of a record's iterations in seconds, added to the sums; `None` if it is not known.
    fn time(&mut self, record: &Progress, sizes: &Sizes, iterations: u64) -> Option<f64> {
        let mark = self.mark.unwrap_or_default();
        let clock = record.clock.map(|clock| clock.seconds);
        let mut new = Mark { iteration: record.iteration, at: record.at, clock, untimed: 0 };
        let between = |now: Option<f64>, before: Option<f64>| Some(now? - before?);
        let untold = record.smoothed || record.spans_pause && self.interrupted;
        let stated = record.step_time.filter(|_| !untold).map(|step| step * iterations as f64);
        let (seconds, timed, timing) = if let Some(seconds) = stated {
            let lies = self.is_unbelievable(seconds, iterations, sizes);
            self.rejected_times += u64::from(lies);
            if lies { (None, 0, Timing::Stated) } else { (Some(seconds), iterations, Timing::Stated) }
        } else {
            let timing = if record.at.is_some() { Timing::Arrival } else { Timing::LogClock };
            let elapsed = match timing {
                Timing::Arrival => between(record.at, mark.at),
                _ => between(clock, mark.clock),
            };
            // Where times are stated, a line without one has none: its neighbours do not share theirs.
            let is_known = !self.interrupted && self.timing != Some(Timing::Stated);
            match elapsed.filter(|_| is_known) {
                // Two records that the clock cannot tell apart are timed together with the next.
                Some(elapsed) if elapsed <= 0.0 => {
                    new = Mark { at: mark.at, clock: mark.clock, untimed: mark.untimed + iterations, ..new };
                    (Some(0.0), 0, timing)
                }
                Some(elapsed) => (Some(elapsed), iterations + mark.untimed, timing),
                None => (None, 0, timing),
            }
        };
        self.mark = Some(new);
        if timed > 0
            && let Some(seconds) = seconds
        {
            self.timing = Some(timing);
            let mean = seconds / timed as f64;
            self.usual_time.note(mean);
            let counted = self.run.iterations >= self.warmup;
            self.run.latencies.add(timed, mean);
            if counted {
                self.train.latencies.add(timed, mean);
            }
        }
        seconds
    }

    /// Whether a stated time is far beyond all others, or longer than the run has lasted, where the
    /// times before are not: an old log that is printed again may say what it likes.
    fn is_unbelievable(&self, seconds: f64, iterations: u64, sizes: &Sizes) -> bool {
        let before = &self.run.latencies;
        let outlasts = |elapsed| before.count > 0 && before.seconds <= elapsed && seconds > elapsed + 1.0;
        self.usual_time.is_outlier(seconds / iterations.max(1) as f64) || sizes.elapsed.is_some_and(outlasts)
    }

    fn meter(&mut self, record: &Progress, sizes: &Sizes, iterations: u64, span: Span, from_zero: bool) {
        let batches = self.batches(record, iterations);
        let iterations = iterations as f64;
        let world = |scope| if scope == Scope::Global { Some(1.0) } else { sizes.world_size };
        let over_time = |rate: Option<(f64, Scope)>| {
            let (rate, scope) = rate?;
            Some(rate * world(scope)? * span.seconds.filter(|seconds| *seconds > 0.0)?)
        };
        let batch = batch_of(record).or(sizes.global_batch_size);
        let samples = record.samples.map(|samples| (samples, "samples in the log"));
        let samples = samples
            .or(batch.map(|batch| (batch * batches, batches_of(record))))
            .or(over_time(record.samples_per_s).map(|samples| (samples, SAMPLES_BY_RATE)));
        self.samples.read(span, record.consumed_samples, samples, from_zero);
        let tokens = record.tokens.map(|tokens| (tokens, "tokens in the log"));
        let tokens = tokens
            .or(sizes
                .tokens_per_iteration
                .map(|tokens| (tokens * iterations, "tokens per iteration × iterations")))
            .or(over_time(record.tokens_per_s).map(|tokens| (tokens, TOKENS_BY_RATE)));
        self.tokens.read(span, record.consumed_tokens, tokens, from_zero);
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
    fn read_rates(&mut self, record: &Progress, sizes: &Sizes) {
        let nothing = Span { seconds: Some(0.0), counted: self.run.iterations > self.warmup };
        let from_zero = self.last_iteration() == Some(self.run.iterations);
        if self.run.iterations > 0 {
            self.meter(
                record,
                &Sizes { global_batch_size: None, tokens_per_iteration: None, ..*sizes },
                0,
                nothing,
                from_zero,
            );
        } else {
            self.serve(record);
        }
    }

    /// A server's record: tokens that it generated.
    fn serve(&mut self, record: &Progress) {
        if let Some(served) = self.serving.record(record) {
            self.run.generated.add(served.amount, served.seconds);
            self.train.generated.add(served.amount, served.seconds);
        }
        if self.serving.is_untimed() {
            (self.run.generated.seconds, self.train.generated.seconds) = (0.0, 0.0);
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
            self.run.generated.add(amount, seconds);
            if span.counted {
                self.train.generated.add(amount, seconds);
            }
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
