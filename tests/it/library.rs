//! The names of effllm's library that the tests use.

pub use effllm::log::{LogReader, Rules, Source, profiles};
pub use effllm::model::metric::METRICS;
pub use effllm::model::{Event, Progress, Report};
