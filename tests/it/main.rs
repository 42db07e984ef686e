//! The tests of the whole: the real binary on real processes, signals, pipes, terminals and a fake NVML.
//!
//! They are one binary, which is linked once. Each test reads like a session in a shell, which [`harness::TestEnv`]
//! prepares.

mod docs;
mod fuzz;
mod gate;
mod harness;
mod library;
mod log;
mod messages;
mod monitor;
mod report;
mod run;
mod settings;
mod trainings;
mod usage_errors;
