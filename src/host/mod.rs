//! The command's process tree, read from /proc.

mod process;
mod sampler;
mod tree;

pub use process::NamedProcess;
pub use sampler::HostSampler;
pub use tree::Tree;
