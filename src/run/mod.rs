//! `effllm run`: launches the command, and supervises it.

mod launch;
mod pump;
mod supervise;

use std::ffi::OsString;

use nix::sys::signal::SigSet;

use crate::config::{ReportTarget, Settings};
use crate::error::Error;
use crate::process::{self, Ending, Signals};
use crate::text::sanitize::plain;
use crate::text::say;
use supervise::Running;

/// Runs the command, writes the report, and returns how effllm is to end.
///
/// # Errors
/// Only before the command has started; a later failure costs measurements and is a warning.
pub fn run(settings: Settings, argv: &[OsString]) -> Result<Ending, Error> {
    // A user who waits for a verdict or a report on stdout is not to take its absence for one.
    let is_unjudged = settings.options.gate.require.is_empty() && settings.options.gate.warn.is_empty();
    let can_replace = is_unjudged && settings.options.report.report != ReportTarget::Stdout;
    match process::check_memory(argv).and_then(|()| process::check_descriptors(argv)) {
        Err(error) if can_replace => return Err(replace(&error, argv, None)),
        checked => checked?,
    }
    let signals = Signals::take_all()?;
    let run = || Ok(Running::launch(&signals, settings, argv, can_replace)?.supervise());
    run().inspect_err(|_| signals.release())
}

/// Where effllm has too little memory to read its arguments, replaces it by the command in them. Returns only if
/// that is not so, or fails.
pub fn replace_if_unreadable() -> Result<(), Error> {
    let Some((argv, can_replace)) = process::unreadable_command() else { return Ok(()) };
    let error = Error::failed("the limits leave too little memory or stack ('ulimit -a' shows them)");
    Err(if can_replace { replace(&error, &argv, None) } else { error })
}

/// Replaces effllm by the command, with this signal mask if it is not the present one, because of an error
/// that says what there is too little of for both; returns only if that fails.
fn replace(error: &Error, argv: &[OsString], mask: Option<SigSet>) -> Error {
    const NO_ROOM: &str =
        "the command replaces effllm and nothing is measured, since there is no room for both";
    say(&format!("effllm: {NO_ROOM}: {}\n", plain(&error.message)));
    process::exec(argv, mask)
}
