//! The events that the sources send to the recorder.
//!
//! Every `at` is seconds on the monotonic clock since the run's origin, the moment effllm began.

mod clock;
mod facts;
pub mod field;
mod gpu;
mod progress;

use std::sync::Arc;

pub use clock::{Clock, StartLatch};
pub use facts::{FACT_FIELDS, Facts};
pub use field::Stated;
pub use gpu::{GpuIdentity, GpuProcesses, GpuQuantity, GpuSample, ProcessCount};
pub use progress::{Progress, RECORD_FIELDS};

/// A stream of the command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// One event of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A log line, or several that belong together, stated progress.
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
    /// A process of the command was told by a variable of its own to use these GPUs, by the source's indices.
    GpusVisible {
        indices: Vec<u32>,
        because: String,
    },
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

/// The GPUs that a rate in a log line is a sum over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole job.
    Global,
    /// One GPU of the job.
    PerGpu,
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
