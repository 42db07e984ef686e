//! What each record states of tokens and samples, and of generated tokens.

use crate::event::{Progress, Scope};
use crate::metrics::Amount;
use crate::report::PhaseKind;

use super::amount_counter::{AmountCounter, Span, Split, Statement};
use super::serving::Serving;
use super::sizes::Sizes;
use super::timeline::Work;

/// The amounts of all records.
#[derive(Debug, Clone, Default)]
pub struct Amounts {
    pub samples: AmountCounter,
    pub tokens: AmountCounter,
    /// Generated within iterations, and by servers.
    pub generated: Split<Amount>,
    pub served: Amount,
    serving: Serving,
    /// When the training began, if a bar or a line told so.
    began_at: Option<f64>,
    /// The last record's optimizer step, where iterations are micro-batches.
    optimizer_step: Option<u64>,
    /// The amounts before the newest records that came together.
    before_group: Option<Box<(AmountCounter, AmountCounter)>>,
}

/// Sources of amounts that are estimates: a rate is a mean over some other span of time.
pub const TOKENS_BY_RATE: &str = "tokens per second × time";
pub const SAMPLES_BY_RATE: &str = "samples per second × time";

impl Amounts {
    pub fn new() -> Self {
        Self {
            samples: AmountCounter::new("consumed samples"),
            tokens: AmountCounter::new("consumed tokens"),
            ..Self::default()
        }
    }

    /// Counting begins with this record.
    pub fn begin(&mut self, record: &Progress) {
        self.began_at = record.at;
        self.samples.begin(record.consumed_samples);
        self.tokens.begin(record.consumed_tokens);
    }

    /// Training begins again.
    pub fn restart(&mut self) {
        (self.began_at, self.optimizer_step) = (None, None);
        self.samples.restart();
        self.tokens.restart();
    }

    /// The next records' lines come together: their time may turn out to be unknown.
    pub fn begin_group(&mut self) {
        self.before_group = Some(Box::new((self.samples.clone(), self.tokens.clone())));
    }

    /// The time of the newest records that came together is unknown.
    pub fn forget_group_time(&mut self) {
        if let Some(before) = self.before_group.take() {
            self.samples.forget_time_since(&before.0);
            self.tokens.forget_time_since(&before.1);
        }
    }

    /// Counts what a record states of so many iterations. `from_zero` says that the log is counted from the
    /// job's first iteration.
    pub fn count(&mut self, record: &Progress, sizes: &Sizes, iterations: u64, span: Span, from_zero: bool) {
        let batches = self.batches(record, iterations);
        let of_job = |rate: Option<(f64, Scope)>, source: &'static str| {
            let (rate, scope) = rate?;
            let ranks = if scope == Scope::Global { 1.0 } else { sizes.world_size? };
            Some((rate * ranks, source))
        };
        // What is multiplied with the batch size.
        let by_batches = match record.optimizer_step {
            Some(_) => "global batch size × optimizer steps",
            None => "global batch size × iterations",
        };
        let batch = batch_size(record).or(sizes.global_batch_size);
        let samples = Statement {
            counter: record.consumed_samples,
            own: record
                .samples
                .map(|samples| (samples, "samples in the log"))
                .or(batch.map(|batch| (batch * batches, by_batches))),
            rate: of_job(record.samples_per_s, SAMPLES_BY_RATE),
            tokens_each: sizes.sequence_length,
        };
        let of_iterations = |tokens| (tokens * iterations as f64, "tokens per iteration × iterations");
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
        if record.engine.is_none() {
            self.generate(record, span); // an engine's are served already
        }
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

    /// Whether an inference engine is another one than the first.
    pub fn is_another_engine(&self, engine: &str) -> bool {
        self.serving.is_another(engine)
    }

    /// Counts the tokens that a server generated. Returns what took the time before the record.
    pub fn serve(&mut self, record: &Progress) -> Option<Work> {
        let mut work = None;
        if let Some(served) = self.serving.record(record) {
            let seconds = Some(served.seconds);
            // The tokens of a numbered iteration are generated in that iteration's time.
            let is_iteration = record.iteration.is_some();
            let generated = if is_iteration { &mut self.generated.train } else { &mut self.served };
            generated.record(served.amount, seconds);
            let end = record.at.filter(|_| !is_iteration);
            work = end.map(|end| Work::new(PhaseKind::Generate, end, seconds));
        }
        if self.serving.is_untimed {
            for generated in [&mut self.generated.train, &mut self.served] {
                (generated.timed, generated.seconds) = (0.0, 0.0);
            }
        }
        work
    }

    fn generate(&mut self, record: &Progress, span: Span) {
        let rate = record.generation_tokens_per_s;
        let by_rate = |tokens: f64| rate.filter(|rate| *rate > 0.0).map(|rate| tokens / rate);
        let generated = match (record.generated_tokens, rate) {
            (Some(tokens), _) => {
                record.generation_time.or(by_rate(tokens)).or(span.seconds).map(|seconds| (tokens, seconds))
            }
            (None, Some(rate)) => span.seconds.map(|seconds| (rate * seconds, seconds)),
            (None, None) => None,
        };
        if let Some((amount, seconds)) = generated {
            self.generated.of(span.is_warmup).record(amount, Some(seconds));
        }
    }
}

/// The batch size that a record states; none is of nothing.
pub fn batch_size(record: &Progress) -> Option<f64> {
    record.global_batch_size.filter(|batch| *batch > 0.0)
}
