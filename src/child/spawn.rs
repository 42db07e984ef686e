//! Starts the command as it would start alone: same folder, environment, stdin and signal mask.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::Pid;

use super::inherited;
use crate::error::{Error, FAILED, NOT_EXECUTABLE, NOT_FOUND};

/// A running command, and our ends of its pipes.
#[derive(Debug)]
pub struct Child {
    pub pid: Pid,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// The variable by which Python is told not to hold its output back.
pub const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// Starts the command with pipes for its output, and with `mask` for its signal mask.
///
/// # Errors
/// 127 if there is no such command, 126 if it cannot be executed, 125 if no process can be made.
pub fn spawn(argv: &[OsString], mask: SigSet, unbuffer: bool) -> Result<Child, Error> {
    let mut command = command(argv)?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if unbuffer {
        command.env(UNBUFFERED, "1");
    }
    let restore = move || {
        inherited::restore()?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: these are.
    unsafe { command.pre_exec(restore) };
    let mut child = command.spawn().map_err(|error| cannot_execute(argv, &error))?;
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    match (pid, child.stdout.take(), child.stderr.take()) {
        // Dropping the handle neither waits for the process nor ends it.
        (Ok(pid), Some(stdout), Some(stderr)) => {
            Ok(Child { pid, stdout: stdout.into(), stderr: stderr.into() })
        }
        _ => Err(Error::failed("the command was started without pipes")),
    }
}

/// Becomes the command: returns only if that cannot be done.
pub fn exec(argv: &[OsString]) -> Error {
    match command(argv) {
        Ok(mut command) => cannot_execute(argv, &command.exec()),
        Err(error) => error,
    }
}

fn command(argv: &[OsString]) -> Result<Command, Error> {
    let (program, arguments) = argv.split_first().ok_or_else(|| Error::usage("no command is given"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn cannot_execute(argv: &[OsString], error: &io::Error) -> Error {
    let program = argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let exit = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => FAILED,
        _ => NOT_EXECUTABLE,
    };
    let what = match exit {
        NOT_FOUND if program.contains('/') => {
            format!("'{program}': no such file, or its interpreter is missing")
        }
        NOT_FOUND => format!("'{program}': command not found"),
        _ => format!("'{program}' cannot be executed: {error}"),
    };
    Error::new(exit, what)
}
