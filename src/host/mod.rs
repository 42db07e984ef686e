//! The sampler of the command's process tree: memory and CPU time from /proc.

mod sampler;

pub use sampler::HostSampler;
