//! What the sources tell the recorder.
//!
//! Every `at` is seconds on the monotonic clock since the run's origin, the moment effllm began.

mod clock;
mod facts;
mod gpu;

use std::sync::Arc;

pub use clock::{Clock, StartLatch};
pub use facts::{Facts, Stated};
pub use gpu::{GpuIdentity, GpuQuantity, GpuSample};

/// One thing that a source saw.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A log line, or several that belong together, told of progress.
    Progress(Box<Progress>),
    /// The log stated facts about the job: everything known so far, newest last.
    Facts(Box<Facts>),
    /// The log shows that the time since the last progress record went to something other than
    /// training (evaluation, a checkpoint), so arrival times across it measure no iteration.
    Pause {
        /// When the line arrived; `None` for a log that is read from a file.
        at: Option<f64>,
        /// The kind of work, as the rules name it: `evaluation`, `checkpoint`, else `pause`.
        name: Arc<str>,
    },
    /// Training began again from an earlier iteration (a resumed or restarted job).
    Restart {
        at: Option<f64>,
    },
    /// How much of the command's output has been read.
    LogRead {
        lines: u64,
        bytes: u64,
    },
    /// The rules in use, and why.
    Profile {
        name: String,
        because: String,
    },
    /// The GPUs that will be measured; comes before their first sample.
    GpusFound(Vec<GpuIdentity>),
    /// No GPU is measured, or none yet.
    GpusUnavailable {
        reason: String,
    },
    /// A source cannot measure as asked, and the reader of the report should know.
    Warning(String),
    Gpu(Vec<GpuSample>),
    Host(HostSample),
}

/// A moment on a log's own clock: a line's timestamp, or a progress bar's elapsed time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogTime {
    /// Seconds since an arbitrary origin, the same one for all lines of a log.
    pub seconds: f64,
    /// The step in which the clock is printed, in seconds: 1 for `19:44:19`, 0.001 for `19:44:19.250`.
    pub resolution: f64,
    /// A date or time of day, rather than a time that a program measured since its own start.
    pub is_timestamp: bool,
}

/// What a rate in a log line speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole job.
    Global,
    /// One GPU of the job.
    PerGpu,
}

/// One progress record: those of its fields that the log stated, in SI units.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// When the last byte of the record's line arrived; `None` for a log that lies in a file.
    pub at: Option<f64>,
    /// The moment on the log's own clock.
    pub clock: Option<LogTime>,
    /// A progress bar at `0/N`: the moment at which counting begins, and no progress yet.
    pub baseline: bool,
    /// `step_time` is a progress bar's smoothed rate: shown, never counted as measured.
    pub smoothed: bool,
    /// The record's mean counts the first record's iterations again (a window that was not reset).
    pub overlaps_first: bool,
    /// `consumed_samples` and `consumed_tokens` are those before the iteration, not after it.
    pub counted_before: bool,
    /// `step_time` is over what a [`Event::Pause`] told of, too.
    pub spans_pause: bool,
    /// Whose record it is, where several servers write one log: their tokens add up.
    pub engine: Option<String>,
    pub epoch: Option<f64>,
    pub iteration: Option<u64>,
    pub total_iterations: Option<u64>,
    /// The optimizer step, where the iterations are micro-batches of which a batch takes several.
    pub optimizer_step: Option<u64>,
    /// Seconds per iteration, a mean over the iterations since the record before.
    pub step_time: Option<f64>,
    pub loss: Option<f64>,
    /// The loss is stated, and is NaN or infinite: the training has diverged.
    pub diverged: bool,
    pub learning_rate: Option<f64>,
    pub grad_norm: Option<f64>,
    pub global_batch_size: Option<f64>,
    /// Samples since the job's first iteration.
    pub consumed_samples: Option<f64>,
    /// Tokens since the job's first iteration.
    pub consumed_tokens: Option<f64>,
    /// Samples since the record before.
    pub samples: Option<f64>,
    /// Tokens since the record before.
    pub tokens: Option<f64>,
    pub samples_per_s: Option<(f64, Scope)>,
    pub tokens_per_s: Option<(f64, Scope)>,
    /// TFLOP/s.
    pub tflops_per_gpu: Option<f64>,
    /// 0 to 1.
    pub mfu: Option<f64>,
    pub prompt_tokens: Option<f64>,
    /// Tokens generated since the record before.
    pub generated_tokens: Option<f64>,
    pub prompt_tokens_per_s: Option<f64>,
    pub generation_tokens_per_s: Option<f64>,
    /// Seconds in which the generated tokens came about.
    pub generation_time: Option<f64>,
    pub requests_running: Option<f64>,
}

/// One reading of the child's process tree.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HostSample {
    pub at: f64,
    /// Processes in the tree.
    pub processes: u32,
    /// Sum of the resident set sizes; shared pages count once for each process that maps them.
    pub resident_bytes: u64,
    /// User and system time of the living tree and of its reaped children.
    pub cpu_seconds: f64,
}
