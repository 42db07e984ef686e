//! The names of effllm's library that the tests use.

pub use effllm::event::{Event, Progress, RECORD_FIELDS, Stream};
pub use effllm::log::{LogReader, Rules, profiles};
pub use effllm::metrics::METRICS;
pub use effllm::report::Report;
