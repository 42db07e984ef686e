//! Where the command's stdin, stdout and stderr lead, by `--stdio` and by what effllm's own are.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

use crate::config::ReportTarget;
use crate::error::Error;
use crate::process::{StdioMode, Wiring};

/// The command's wiring.
///
/// With a terminal of its own, the command has that where it would have had effllm's; what is
/// redirected to a file or a pipe stays so, for those who read it expect the bytes of a file.
pub fn choose(mode: StdioMode, report: &ReportTarget) -> Result<Wiring, Error> {
    let failed = |error: io::Error| Error::failed(format!("cannot use stdin, stdout and stderr: {error}"));
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let report_takes_stdout = *report == ReportTarget::Stdout;
    match mode {
        StdioMode::Pipe => Ok(Wiring::Pipes),
        StdioMode::Inherit => {
            let stdout = report_takes_stdout.then(|| stderr.as_fd().try_clone_to_owned()).transpose();
            Ok(Wiring::Inherit { stdout: stdout.map_err(failed)? })
        }
        StdioMode::Pty => {
            let stdout_is_terminal =
                if report_takes_stdout { stderr.is_terminal() } else { stdout.is_terminal() };
            let on_it = [stdin.is_terminal(), stdout_is_terminal, stderr.is_terminal()];
            let like = match on_it {
                [true, ..] => stdin.as_fd(),
                [_, _, true] => stderr.as_fd(),
                [_, true, _] => stdout.as_fd(),
                [false, false, false] => return Ok(Wiring::Pipes),
            };
            // What is typed is read from the terminal itself: a redirected stdin has none of it.
            let like = match File::options().read(true).write(true).open("/dev/tty") {
                Ok(terminal) if terminal.is_terminal() => terminal.into(),
                _ => like.try_clone_to_owned().map_err(failed)?,
            };
            Ok(Wiring::Terminal { like, on_it })
        }
    }
}

/// The user's terminal, where the command is to have one of its own.
pub fn terminal(wiring: &Wiring) -> Option<OwnedFd> {
    match wiring {
        Wiring::Terminal { like, .. } => like.try_clone().ok(),
        Wiring::Pipes | Wiring::Inherit { .. } => None,
    }
}
