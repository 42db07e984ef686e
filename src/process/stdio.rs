//! Where the command's stdin, stdout and stderr lead, by `--stdio` and by what effllm's own are.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use super::pty::Pty;
use crate::error::Error;
use crate::event::Stream;

/// The choice of `--stdio`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum StdioMode {
    #[default]
    Pipe,
    Pty,
    Inherit,
}

/// Where the command's stdin, stdout and stderr lead.
#[derive(Debug)]
pub enum StdioPlan {
    /// Stdin is effllm's own, stdout and stderr are pipes.
    Pipes,
    /// A terminal of the command's own, modelled on the user's, takes the place of those of stdin,
    /// stdout and stderr that are terminals; the others are as with pipes.
    Terminal { user: OwnedFd, replaced: [bool; 3] },
    /// All are effllm's own, but for stdout where the report takes it.
    Inherit { stdout: Option<OwnedFd> },
}

/// effllm's end of one of the command's streams.
#[derive(Debug)]
pub struct Output {
    /// For a terminal that carries both streams: stdout.
    pub stream: Stream,
    pub from: OwnedFd,
}

/// The terminals of a command that has one of its own.
#[derive(Debug)]
pub struct Terminals {
    pub user: OwnedFd,
    pub command: Pty,
}

impl StdioPlan {
    /// The plan for this mode. A stream that is redirected to a file or a pipe never becomes a terminal.
    ///
    /// # Errors
    /// effllm has no descriptor left.
    pub fn choose(mode: StdioMode, report_takes_stdout: bool) -> Result<Self, Error> {
        let failed =
            |error: io::Error| Error::failed(format!("cannot use stdin, stdout and stderr: {error}"));
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        match mode {
            StdioMode::Pipe => Ok(Self::Pipes),
            StdioMode::Inherit => {
                let stdout = report_takes_stdout.then(|| stderr.as_fd().try_clone_to_owned()).transpose();
                Ok(Self::Inherit { stdout: stdout.map_err(failed)? })
            }
            StdioMode::Pty => {
                let stdout_is_terminal =
                    if report_takes_stdout { stderr.is_terminal() } else { stdout.is_terminal() };
                let replaced = [stdin.is_terminal(), stdout_is_terminal, stderr.is_terminal()];
                let user = match replaced {
                    [true, ..] => stdin.as_fd(),
                    [_, _, true] => stderr.as_fd(),
                    [_, true, _] => stdout.as_fd(),
                    [false, false, false] => return Ok(Self::Pipes),
                };
                // Keys are read from the terminal itself: a redirected stdin has none of them.
                let user = match File::options().read(true).write(true).open("/dev/tty") {
                    Ok(terminal) if terminal.is_terminal() => terminal.into(),
                    _ => user.try_clone_to_owned().map_err(failed)?,
                };
                Ok(Self::Terminal { user, replaced })
            }
        }
    }

    /// Gives the command its stdin, stdout and stderr.
    ///
    /// # Errors
    /// The system has no terminal or no descriptor left.
    pub(super) fn apply(self, command: &mut Command) -> io::Result<Option<(Terminals, Stream)>> {
        match self {
            Self::Pipes => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                Ok(None)
            }
            Self::Terminal { user, replaced: [stdin, stdout, stderr] } => {
                let pty = Pty::like(user.as_fd())?;
                let end = |is_replaced, other: fn() -> Stdio| {
                    Ok::<_, io::Error>(if is_replaced { pty.slave.try_clone()?.into() } else { other() })
                };
                command.stdin(end(stdin, Stdio::inherit)?);
                command.stdout(end(stdout, Stdio::piped)?).stderr(end(stderr, Stdio::piped)?);
                let carried = if stdout { Stream::Stdout } else { Stream::Stderr };
                Ok(Some((Terminals { user, command: pty }, carried)))
            }
            Self::Inherit { stdout } => {
                if let Some(stdout) = stdout {
                    command.stdout(stdout);
                }
                Ok(None)
            }
        }
    }
}
