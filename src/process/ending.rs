//! How the command ended, and how effllm ends in the same way.

use std::io::{self, Write};

use nix::libc;
use nix::sys::signal::Signal;

use super::raise::die_by_signal;
use crate::error::FAILED;
use crate::report::{Exit, Status};

/// The command's exit status, or the number of the signal that killed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Exited(i32),
    Killed(i32),
    /// The command ended, and a process other than effllm reaped it.
    Unknown,
}

impl Ending {
    /// The report's form of it.
    pub fn exit(self) -> Option<Exit> {
        match self {
            Self::Exited(code) => Some(Exit::Code(code)),
            Self::Killed(number) => Some(Exit::Signal(match Signal::try_from(number) {
                Ok(signal) => signal.as_str().to_owned(),
                Err(_) => format!("signal {number}"),
            })),
            Self::Unknown => None,
        }
    }

    /// The run's status: interrupted if a signal killed the command.
    pub fn status(self) -> Status {
        if matches!(self, Self::Killed(_)) { Status::Interrupted } else { Status::Completed }
    }

    /// The exit status that a shell shows for it.
    pub fn shell_status(self) -> u8 {
        let code = match self {
            Self::Exited(code) => code,
            Self::Killed(number) => 128 + number,
            Self::Unknown => i32::from(FAILED),
        };
        u8::try_from(code).unwrap_or(FAILED)
    }

    /// Ends effllm as the command ended: with the same exit status, or by the same signal.
    pub fn imitate(self) -> ! {
        let _ = io::stdout().flush();
        if let Self::Killed(number) = self {
            die_by_signal(number);
        }
        // SAFETY: _exit only ends the process. It runs no exit handlers on purpose: a driver's
        // could wait for ever for a thread of ours that its own library holds.
        unsafe { libc::_exit(i32::from(self.shell_status())) }
    }
}
