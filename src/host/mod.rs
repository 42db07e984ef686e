//! The command's process tree, read from /proc.

mod sampler;
mod tree;

pub use sampler::HostSampler;
pub use tree::{Tree, descendants};
