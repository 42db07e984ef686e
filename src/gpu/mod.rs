//! What the GPUs do while the command runs, read from NVML.
//!
//! NVML is a library of the driver: it may be absent, old, slow, or hang for ever in any call. So
//! threads of its own make every call, one for each GPU, [`Sampler::start`] and [`Sampler::finish`]
//! wait for them only for a while, and a quantity that it cannot read is `None` with a reason.

mod nvml;
mod sampler;
mod select;
mod survey;

pub use sampler::{Options, Sampler, Start};
pub use select::{GpuChoice, GpuName};
pub use survey::{Survey, Surveyed, survey};
