//! How the command ended, and how effllm ends in the same way.

use std::mem::MaybeUninit;
use std::ptr;

use nix::libc;
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::Signal;

use crate::model::report::{Exit, Status};

/// The command's exit status, or the signal that it died by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Exited(i32),
    /// By its number: a realtime signal has no [`Signal`].
    Killed(i32),
    /// It ended, but who waited for it was not effllm.
    Unknown,
}

impl Ending {
    /// What a wait status says, if it says that the process is gone.
    pub fn of(status: i32) -> Option<Self> {
        if libc::WIFEXITED(status) {
            Some(Self::Exited(libc::WEXITSTATUS(status)))
        } else if libc::WIFSIGNALED(status) {
            Some(Self::Killed(libc::WTERMSIG(status)))
        } else {
            None
        }
    }

    /// As the report tells it.
    pub fn exit(self) -> Option<Exit> {
        match self {
            Self::Exited(code) => Some(Exit::Code(code)),
            Self::Killed(signal) => Some(Exit::Signal(name(signal))),
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
                128 + signal
            }
            Self::Unknown => i32::from(crate::error::FAILED),
        };
        // SAFETY: _exit only ends the process. It runs no exit handlers on purpose: a driver's
        // could wait for ever for a thread of ours that its own library holds.
        unsafe { libc::_exit(code) }
    }
}

/// `SIGTERM`, `SIGRTMIN+1`.
fn name(signal: i32) -> String {
    match Signal::try_from(signal) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("SIGRTMIN+{}", signal - libc::SIGRTMIN()),
    }
}

/// Raises a signal with its default disposition, unblocked, and without a core file of our own.
fn die_by(signal: i32) {
    let _ = set_dumpable(false);
    let mut only_it = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set that the others read, and the default disposition runs
    // no code of ours. nix knows no realtime signals, hence by hand.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::sigemptyset(only_it.as_mut_ptr());
        libc::sigaddset(only_it.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, only_it.as_ptr(), ptr::null_mut());
        libc::raise(signal);
    }
}
