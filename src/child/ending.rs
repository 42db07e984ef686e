//! How the command ended, and how effllm ends in the same way.

use nix::libc;
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::sys::wait::WaitStatus;

use crate::model::report::{Exit, Status};

/// The command's exit status, or the signal that it died by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Exited(i32),
    Killed(Signal),
    /// It ended, but who waited for it was not effllm.
    Unknown,
}

impl Ending {
    /// What a wait status says, if it says that the process is gone.
    pub fn of(status: WaitStatus) -> Option<Self> {
        match status {
            WaitStatus::Exited(_, code) => Some(Self::Exited(code)),
            WaitStatus::Signaled(_, signal, _) => Some(Self::Killed(signal)),
            _ => None,
        }
    }

    /// As the report tells it.
    pub fn exit(self) -> Option<Exit> {
        match self {
            Self::Exited(code) => Some(Exit::Code(code)),
            Self::Killed(signal) => Some(Exit::Signal(signal.as_str().to_owned())),
            Self::Unknown => None,
        }
    }

    /// Whether a signal ended the command.
    pub fn status(self) -> Status {
        if matches!(self, Self::Killed(_)) { Status::Interrupted } else { Status::Completed }
    }

    /// Ends effllm as the command ended: by the same exit status, or by the same signal.
    pub fn imitate(self) -> ! {
        let code = match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => {
                die_by(signal);
                128 + signal as i32
            }
            Self::Unknown => i32::from(crate::error::FAILED),
        };
        // SAFETY: _exit only ends the process. It runs no exit handlers on purpose: a driver's
        // could wait for ever for a thread of ours that its own library holds.
        unsafe { libc::_exit(code) }
    }
}

/// Raises a signal with its default disposition, unblocked, and without a core file of our own.
fn die_by(signal: Signal) {
    let _ = set_dumpable(false);
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default disposition runs no code of ours.
    let _ = unsafe { sigaction(signal, &default) };
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
}
