//! The GPUs while the command runs: a trait for sources of readings with one folder for each vendor, the
//! choice of GPUs, and the threads that sample them.
//!
//! A vendor's library may be absent, old, slow, or hang for ever in any call. So threads of the sampler make
//! every call, one thread for each GPU, nothing waits for them without a limit, and a quantity that cannot be
//! read is `None` with a reason.

mod inventory;
mod nvml;
mod processes;
mod reader;
mod sampler;
mod select;
mod source;
mod visible;

use std::path::PathBuf;

use source::UnopenedSource;

pub use inventory::{Listing, inventory};
pub use sampler::{Options, Sampler};
pub use select::GpuChoice;
pub use source::NoGpus;

/// The sources in the order in which they are tried. `library` replaces the library that the source loads.
fn sources(library: Option<PathBuf>) -> Vec<UnopenedSource> {
    vec![nvml::source(library)]
}
