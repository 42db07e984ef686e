//! Where the command's stdin, stdout and stderr lead, by `--stdio` and by what effllm's own are.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use super::keyboard::Keyboard;
use super::pty;
use super::session_leader::SessionLeader;
use crate::event::Stream;

/// The choice of `--stdio`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum StdioMode {
    #[default]
    Pipe,
    Pty,
    Inherit,
}

/// effllm's end of one of the command's streams.
#[derive(Debug)]
pub struct Output {
    /// For a terminal that carries both streams: stdout.
    pub stream: Stream,
    pub from: OwnedFd,
    /// The command's end of it, as /proc shows that.
    pub place: Option<String>,
}

/// The terminal of a command that has one of its own, modelled on the user's.
#[derive(Debug)]
pub struct CommandTerminal {
    /// The user's terminal, and effllm's end of the command's.
    pub keyboard: Keyboard,
    /// Held open until the command ends.
    pub slave: OwnedFd,
    /// Leads the command's session.
    pub leader: SessionLeader,
    /// The stream that effllm's end carries.
    pub stream: Stream,
    /// The keys that were typed last are for the command itself, and not for a job of a shell in it.
    pub keys_are_for_command: bool,
}

impl StdioMode {
    /// Gives the command its stdin, stdout and stderr. A stream that is redirected to a file or a pipe never
    /// becomes a terminal. Where the report takes stdout, the command's is effllm's stderr.
    ///
    /// # Errors
    /// The system has no terminal or no descriptor left.
    pub(super) fn apply(
        self,
        report_takes_stdout: bool,
        command: &mut Command,
    ) -> io::Result<Option<CommandTerminal>> {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let (stdin, stderr) = (stdin.as_fd(), stderr.as_fd());
        let stdout = if report_takes_stdout { stderr } else { stdout.as_fd() };
        if self == Self::Inherit {
            if report_takes_stdout {
                command.stdout(stdout.try_clone_to_owned()?);
            }
            return Ok(None);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let is_replaced = |stream: BorrowedFd| self == Self::Pty && stream.is_terminal();
        let Some(user) = [stdin, stderr, stdout].into_iter().find(|stream| is_replaced(*stream)) else {
            return Ok(None);
        };
        // Keys are read from the terminal itself: a redirected stdin has none of them.
        let user = match File::options().read(true).write(true).open("/dev/tty") {
            Ok(terminal) if terminal.is_terminal() => terminal.into(),
            _ => user.try_clone_to_owned()?,
        };
        let (master, slave) = pty::like(user.as_fd())?;
        if is_replaced(stdin) {
            command.stdin(slave.try_clone()?);
        }
        if is_replaced(stderr) {
            command.stderr(slave.try_clone()?);
        }
        let mut stream = Stream::Stderr;
        if is_replaced(stdout) {
            command.stdout(slave.try_clone()?);
            stream = Stream::Stdout;
        }
        let (keyboard, leader) = (Keyboard::new(user, master), SessionLeader::new()?);
        Ok(Some(CommandTerminal { keyboard, slave, leader, stream, keys_are_for_command: false }))
    }
}
