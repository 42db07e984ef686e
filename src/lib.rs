//! effllm runs a training or inference command unmodified, samples its GPUs, reads its progress from
//! its log lines, and ends with a report of the EfficientLLM metrics.
//!
//! The floors, from the top down. Each module imports only from those below it:
//!
//! - [`cli`]: one file a subcommand.
//! - [`run`], [`monitor`], [`parse`]: a new command, a running process, an existing log.
//! - [`session`]: a measured run, for [`run`] and [`monitor`].
//! - [`sink`]: outputs that are written while the command runs. [`terminal`]: the live table and the log
//!   summaries.
//! - [`config`]: defaults, files, environment and flags become one `Settings`.
//! - [`output`]: a report as a table, JSON, HTML, Markdown, CSV or JUnit.
//! - [`gate`]: requirements on a report. [`compare`]: the differences between reports.
//! - [`recorder`]: folds events into the sums of a run.
//! - [`log`], [`gpu`], [`host`]: the sources of events. They do not import each other.
//! - [`process`]: starting, signalling and watching the command.
//! - [`report`]: the report's types, and its file. [`event`]: the events' types.
//! - [`metrics`]: sums, integrals and the registry of metrics. No I/O and no clock.
//! - [`text`], [`fs`], [`thread`], [`error`].

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
