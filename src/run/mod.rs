//! `effllm run`: prepare, launch, supervise, finish. Each stage is a type that holds what exists in it.

mod finish;
mod launch;
mod prepare;
mod pump;
mod supervise;

use std::ffi::OsString;

use crate::config::Settings;
use crate::error::Error;
use crate::process::{Ending, Signals};
use prepare::Prepared;

/// Runs the command, writes the report, and returns how effllm is to end.
///
/// # Errors
/// Only before the command has started; a later failure costs measurements and is a warning.
pub fn run(settings: Settings, argv: &[OsString]) -> Result<Ending, Error> {
    // Before the first thread, since threads inherit the blocked signals.
    let signals = Signals::take_all()?;
    let run = || Ok(Prepared::new(&signals, settings, argv)?.launch()?.supervise().finish());
    run().inspect_err(|_| signals.release())
}
