//! effllm runs a training or inference command unmodified, samples its GPUs, reads its progress from
//! its log lines, and ends with a report of the EfficientLLM metrics.
//!
//! Each module imports only from those below it. From the top down: cli; run, monitor, parse; session; sink,
//! terminal; config; output; gate, compare; recorder; log, gpu, host (which do not import each other);
//! process; report, event; metrics (no I/O and no clock); text, fs, thread, error. CONTRIBUTING.md tells what
//! each holds.

// These macros panic when the write fails.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
mod compare;
pub mod config;
mod error;
pub mod event;
mod fs;
pub mod gate;
mod gpu;
mod host;
pub mod log;
pub mod metrics;
mod monitor;
pub mod output;
mod parse;
mod process;
pub mod recorder;
pub mod report;
mod run;
mod session;
mod sink;
mod terminal;
mod text;
mod thread;
