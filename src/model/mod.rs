//! What every other module speaks: events in, one report out, and the units of both. Data only.

pub mod clock;
pub mod event;
pub mod metric;
pub mod report;
pub mod units;

pub use clock::Clock;
pub use event::{Event, Facts, GpuIdentity, GpuSample, HostSample, Progress, Scope, Stated};
pub use report::Report;
