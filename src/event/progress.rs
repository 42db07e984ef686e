//! What a log line states about progress.

use super::field::fields;
use super::{LogTime, Scope};

fields! {
    /// One progress record: those of its fields that the log stated, in SI units.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Progress, RECORD_FIELDS;

    /// epoch; in a later one the iterations begin anew
    epoch: Option<f64> = Ordinal;
    /// the iteration (optimizer step) that the line reports
    iteration: Option<u64> = Ordinal {
        /// the iteration, counted from zero
        iteration_before: Ordinal, Plus 1.0;
    };
    /// the last iteration that the job will make
    total_iterations: Option<u64> = Ordinal;
    /// time of an iteration, a mean over those since the record before
    step_time: Option<f64> = Duration {
        /// the step time, stated as iterations per second
        iterations_per_s: Count, Inverse;
    };
    /// training loss
    loss: Option<f64> = Number;
    /// learning rate
    learning_rate: Option<f64> = Number;
    /// gradient norm
    grad_norm: Option<f64> = Number;
    /// samples an iteration, over the whole job
    global_batch_size: Option<f64> = Size;
    /// samples since the job's first iteration
    consumed_samples: Option<f64> = Count;
    /// tokens since the job's first iteration
    consumed_tokens: Option<f64> = Count;
    /// samples since the record before
    samples: Option<f64> = Count;
    /// tokens since the record before
    tokens: Option<f64> = Count;
    /// samples per second
    samples_per_s: Option<(f64, Scope)> = Rate;
    /// tokens per second
    tokens_per_s: Option<(f64, Scope)> = Rate;
    /// TFLOP/s of one GPU
    tflops_per_gpu: Option<f64> = Number {
        /// FLOP/s of one GPU
        flops_per_gpu: Count, Times 1e-12;
        /// GFLOP/s of one GPU
        gflops_per_gpu: Count, Times 1e-3;
    };
    /// model FLOPs utilization, 0 to 1
    mfu: Option<f64> = Ratio;
    /// prompt tokens since the record before
    prompt_tokens: Option<f64> = Count;
    /// generated tokens since the record before
    generated_tokens: Option<f64> = Count;
    /// prompt tokens per second
    prompt_tokens_per_s: Option<f64> = Count;
    /// generated tokens per second
    generation_tokens_per_s: Option<f64> = Count {
        /// the rate of generated tokens, stated as the time for each
        time_per_token: Duration, Inverse;
    };
    /// time in which the generated tokens were made
    generation_time: Option<f64> = Duration;
    /// requests that are being served
    requests_running: Option<f64> = Count;
    /// the optimizer step, where iterations are micro-batches: a batch is what a step takes
    optimizer_step: Option<u64> = Ordinal;
    /// the line's own date and time
    clock: Option<LogTime> = Timestamp as timestamp {
        /// time since the job or its progress bar began
        elapsed: Elapsed;
    };
    /// this record's mean counts the first record's iterations again
    overlaps_first: bool = Flag as recounts_first;
    /// consumed samples and tokens are those before this iteration
    counted_before: bool = Flag;
    /// the step time includes the time of a pause
    spans_pause: bool = Flag;
    /// the step time is that of the line's iteration alone, not a mean since the record before
    of_one_iteration: bool = Flag;
    /// tokens per second are a mean since training began, of all tokens that were ever consumed
    since_start: bool = Flag;
    /// iterations are batches, of which an optimizer step may take several
    counts_batches: bool = Flag;

    besides {
        /// When the first byte of the record's line arrived; `None` for a log that lies in a file. Where a
        /// program's buffer was full within a line, that line had it written.
        pub at: Option<f64>,
        /// A progress bar at `0/N`: the moment at which counting begins, and no progress yet.
        pub baseline: bool,
        /// `step_time` is a progress bar's smoothed rate: shown, never counted as measured.
        pub smoothed: bool,
        /// The server that wrote the record, where several write one log: their tokens add up.
        pub engine: Option<String>,
        /// Tells ranks apart, where a launcher marks their lines.
        pub rank: Option<u64>,
        /// The loss is stated, and is NaN or infinite: the training has diverged.
        pub diverged: bool,
    }
}

impl Progress {
    /// Whether the record states a number.
    pub fn states_something(&self) -> bool {
        RECORD_FIELDS.iter().any(|field| field.number(self).is_some())
    }

    /// Whether the record states nothing that another one states otherwise. The smoothed rate of a bar
    /// may differ from a time that was measured.
    pub fn agrees(&self, other: &Self) -> bool {
        RECORD_FIELDS.iter().all(|field| match (field.number(self), field.number(other)) {
            (Some(one), Some(another)) if one != another => {
                field.name == "step_time" && self.smoothed != other.smoothed
            }
            _ => true,
        })
    }

    /// Forgets the tokens and samples that it states.
    pub fn forget_amounts(&mut self) {
        (self.consumed_samples, self.consumed_tokens, self.samples, self.tokens) = (None, None, None, None);
        (self.samples_per_s, self.tokens_per_s) = (None, None);
    }

    /// Adds what the record does not state itself.
    pub fn fill(&mut self, other: &Self) {
        if other.step_time.is_some() && (self.step_time.is_none() || self.smoothed && !other.smoothed) {
            // A bar's smoothed rate gives way to a time that was measured.
            self.step_time = other.step_time;
            self.smoothed = other.smoothed;
        }
        RECORD_FIELDS.iter().for_each(|field| field.fill(self, other));
        self.diverged |= other.diverged;
    }
}
