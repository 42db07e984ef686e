//! The names of effllm's library that the tests use.

pub use effllm::event::{Event, GpuIdentity, GpuSample, Progress, RECORD_FIELDS, Stream};
pub use effllm::log::{LogReader, Rules, profiles};
pub use effllm::metrics::METRICS;
pub use effllm::recorder::{Options, Recorder};
pub use effllm::report::{Command, Job, Report, Sourced, Status};
