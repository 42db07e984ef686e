//! effllm starts a training or inference command, leaves it exactly as it would run alone, samples
//! its GPUs through NVML, reads its progress from its log lines, and ends with a report of the
//! EfficientLLM metrics.
//!
//! The house, from the ground up. Each module imports only from those above it in this list:
//!
//! - [`model`]: what everything speaks: events, the report, units. Data only.
//! - [`metrics`]: the arithmetic: integrals over time, latencies, rates. No I/O and no clock.
//! - [`threads`]: those that a library which hangs cannot hold up; [`periodic`]: those that measure at a
//!   steady rate and are never waited for too long.
//! - [`log`], [`gpu`], [`host`], [`child`]: the sources. They do not know each other.
//! - [`recorder`]: folds the sources' events into a report.
//! - [`gate`]: what is required of a report, and how reports differ.
//! - [`render`]: a report as text. [`view`]: the terminal while a command runs. [`sink`]: what else
//!   is written then. [`replace`]: files that are whole at every moment.
//! - [`apart`]: files that are named twice, where one would be lost.
//! - [`ci`]: tells a gate's outcome wherever a CI looks for it.
//! - [`settings`]: defaults, files, environment and flags become one `Settings`.
//! - [`run`]: the main job. [`parse`]: its log half, on a log that exists. [`cli`]: one file a subcommand.

// Those panic where nothing can be written.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod apart;
pub mod child;
pub mod ci;
pub mod cli;
pub mod error;
pub mod gate;
pub mod gpu;
pub mod host;
pub mod log;
pub mod metrics;
pub mod model;
pub mod parse;
pub mod periodic;
pub mod recorder;
pub mod render;
pub mod replace;
pub mod run;
pub mod settings;
pub mod sink;
pub mod threads;
pub mod view;
