//! effllm starts a training or inference command, leaves it exactly as it would run alone, samples
//! its GPUs through NVML, reads its progress from its log lines, and ends with a report of the
//! EfficientLLM metrics.
//!
//! The floors, from the top down. Each module imports only from those below it:
//!
//! - [`cli`]: one file a subcommand.
//! - [`run`], [`monitor`], [`parse`]: a command, a process that runs already, a log that exists.
//! - [`session`]: the stages that [`run`] and [`monitor`] share.
//! - [`config`]: defaults, files, environment and flags become one `Settings`.
//! - [`sink`]: outputs that are written while the command runs. [`terminal`]: the live table and console lines.
//! - [`output`]: a report as a table, JSON, HTML, Markdown, CSV or JUnit.
//! - [`gate`]: requirements on a report. [`compare`]: the differences between reports.
//! - [`recorder`]: folds events into the sums of a run.
//! - [`log`], [`gpu`], [`host`]: the sources of events. They do not know each other.
//! - [`process`]: starting, signalling and watching the command.
//! - [`report`]: the report's types. [`event`]: the events' types.
//! - [`metrics`]: sums, integrals and the registry of metrics. No I/O and no clock.
//! - [`text`], [`fs`], [`thread`], [`error`].

// Those panic where nothing can be written.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
pub mod compare;
pub mod config;
pub mod error;
pub mod event;
pub mod fs;
pub mod gate;
pub mod gpu;
pub mod host;
pub mod log;
pub mod metrics;
pub mod monitor;
pub mod output;
pub mod parse;
pub mod process;
pub mod recorder;
pub mod report;
pub mod run;
pub mod session;
pub mod sink;
pub mod terminal;
pub mod text;
pub mod thread;
