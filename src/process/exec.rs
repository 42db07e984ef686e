//! Becoming the command in place of starting it, and why a command cannot be executed.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::inherited;
use crate::error::{Error, FAILED, NOT_EXECUTABLE, NOT_FOUND};

/// Replaces effllm by the command, with this signal mask if it is not the present one; returns only
/// if that fails.
pub fn exec(argv: &[OsString], mask: Option<SigSet>) -> Error {
    match command(argv) {
        Ok(mut command) => {
            let prepare = move || {
                inherited::restore()?;
                sigprocmask(SigmaskHow::SIG_SETMASK, mask.as_ref(), None).map_err(io::Error::from)
            };
            // SAFETY: all that it does is allowed here as well as between fork and exec.
            unsafe { command.pre_exec(prepare) };
            cannot_execute(argv, &command.exec())
        }
        Err(error) => error,
    }
}

pub(super) fn command(argv: &[OsString]) -> Result<Command, Error> {
    let (program, arguments) = argv.split_first().ok_or_else(|| Error::usage("no command is given"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// 127 for a command that is not found, 125 where the system is short of resources, else 126.
pub(super) fn cannot_execute(argv: &[OsString], error: &io::Error) -> Error {
    let program = argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let exit = match error.raw_os_error() {
        Some(libc::ENOENT) => NOT_FOUND,
        Some(libc::ENOMEM | libc::EAGAIN | libc::EMFILE | libc::ENFILE) => FAILED,
        _ => NOT_EXECUTABLE,
    };
    let exists = Path::new(&program).exists();
    let message = match exit {
        NOT_FOUND if program.contains('/') && exists => {
            format!("'{program}': the interpreter that it asks for is missing")
        }
        NOT_FOUND if program.contains('/') => format!("'{program}': no such file"),
        NOT_FOUND => format!("'{program}': command not found"),
        _ => format!("'{program}' cannot be executed: {error}"),
    };
    Error::new(exit, message).hint(help(&program, exit, error.kind()))
}

/// What the user can do about it.
fn help(program: &str, exit: u8, kind: io::ErrorKind) -> String {
    let exists = Path::new(program).exists();
    match (exit, kind) {
        (FAILED, _) => {
            "the system is short of processes, memory or descriptors; 'ulimit -a' shows the limits".to_owned()
        }
        (NOT_FOUND, _) if program.is_empty() => {
            "the command is an empty string; a variable that should hold it may be unset".to_owned()
        }
        (NOT_FOUND, _) if program.contains('/') && exists => {
            format!(
                "a script names its interpreter in its first line; 'file {program}' shows that of a program"
            )
        }
        (NOT_FOUND, _) if program.contains('/') => {
            "a relative path begins in the directory that effllm is started in".to_owned()
        }
        (NOT_FOUND, _) if program.contains(' ') => {
            "pass the command and its arguments as separate words, or a whole line to a shell: bash -c '…'"
                .to_owned()
        }
        (NOT_FOUND, _) if exists => format!("to run the file in this directory, use ./{program}"),
        (NOT_FOUND, _) => "it is in no directory of PATH; give its path".to_owned(),
        (_, io::ErrorKind::PermissionDenied) if Path::new(program).is_dir() => {
            "it is a directory; name a file in it".to_owned()
        }
        (_, io::ErrorKind::PermissionDenied) => {
            format!("make it executable with 'chmod +x {program}', or run a script with 'bash {program}'")
        }
        _ => format!("'file {program}' shows its type; run a script with 'bash {program}'"),
    }
}
