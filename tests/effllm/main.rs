//! The real binary on real processes, signals, pipes and a fake NVML; each test reads like a session
//! in a [`shell`].

mod shell;

mod fuzz;
mod gpu;
mod metrics;
mod misuse;
mod properties;
mod seeds;
mod settings;
mod sink;
mod wrap;
