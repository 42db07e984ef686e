//! `effllm monitor`: measures a running process, a growing log or GPUs from outside.

mod log_tailer;
mod measure;
mod prepare;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Settings;
use crate::error::Error;
use crate::log::tail::StartAt;
use crate::process::{Ending, Signals};
use measure::Measuring;

/// What is measured besides the GPUs, and for how long.
#[derive(Debug)]
pub struct MonitorTarget {
    pub pid: Option<u32>,
    pub log: Option<PathBuf>,
    pub start_at: StartAt,
    pub duration: Option<Duration>,
}

/// Measures until the process ends, the time is up, or a signal asks for the end, and writes the report.
/// Returns how effllm is to end: with success, or as a gate that did not pass.
///
/// # Errors
/// There is no such process, the log cannot be read, or there is nothing to measure.
pub fn monitor(settings: Settings, target: &MonitorTarget) -> Result<Ending, Error> {
    let signals = Signals::take_user_requests()?;
    let measure = || Measuring::begin(&signals, settings, target)?.measure();
    measure().inspect_err(|_| signals.release())
}
