//! What every other module speaks: events in, one report out, and the units of both. Data only.

pub mod clock;
pub mod event;
pub mod facts;
pub mod gate;
pub mod metric;
pub mod report;
pub mod units;

pub use clock::{Clock, Started};
pub use event::{Event, GpuIdentity, GpuSample, HostSample, Progress, Scope};
pub use facts::{Facts, Stated};
pub use report::Report;
