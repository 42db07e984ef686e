//! How the command ended, and how effllm ends in the same way.

use std::io::{self, Write};

use nix::libc;
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::error::FAILED;
use crate::report::{Exit, Status};

/// The command's exit status, or the number of the signal that it died by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Exited(i32),
    Killed(i32),
    /// It ended, but who waited for it was not effllm.
    Unknown,
}

/// What has become of a child of effllm's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Ended(Pid, Ending),
    /// Stopped by the signal of this number.
    Stopped(Pid, i32),
    /// Let go on after that.
    Continued(Pid),
    /// There is no child left to wait for.
    NoChildren,
}

/// What has become of effllm's children since this was asked last: the command, and those orphans
/// of its tree that were given to effllm.
pub fn changes() -> impl Iterator<Item = Change> {
    std::iter::from_fn(next_change)
}

const WANTED: libc::c_int = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;

fn next_change() -> Option<Change> {
    loop {
        let mut status = 0;
        // SAFETY: waitpid writes the status. The wrapped call is not used because it knows no
        // real-time signals, and a child that died by one would be reaped and lost.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, WANTED) };
        return match pid {
            0 => None,
            -1 => match io::Error::last_os_error().kind() {
                io::ErrorKind::Interrupted => continue,
                _ => Some(Change::NoChildren),
            },
            pid => Some(change(Pid::from_raw(pid), status)),
        };
    }
}

fn change(pid: Pid, status: i32) -> Change {
    if libc::WIFSTOPPED(status) {
        Change::Stopped(pid, libc::WSTOPSIG(status))
    } else if libc::WIFCONTINUED(status) {
        Change::Continued(pid)
    } else if libc::WIFSIGNALED(status) {
        Change::Ended(pid, Ending::Killed(libc::WTERMSIG(status)))
    } else {
        Change::Ended(pid, Ending::Exited(libc::WEXITSTATUS(status)))
    }
}

impl Ending {
    /// As the report tells it.
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

    /// Whether a signal ended the command.
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

    /// Ends effllm as the command ended: by the same exit status, or by the same signal.
    pub fn imitate(self) -> ! {
        let _ = io::stdout().flush();
        if let Self::Killed(number) = self {
            die_by(number);
        }
        // SAFETY: _exit only ends the process. It runs no exit handlers on purpose: a driver's
        // could wait for ever for a thread of ours that its own library holds.
        unsafe { libc::_exit(i32::from(self.shell_status())) }
    }
}

/// Ends effllm by a signal; returns if it is one that ends nothing.
pub fn die_by(number: i32) {
    // A core file of effllm's would say nothing of the command.
    let _ = set_dumpable(false);
    raise_by_default(number);
}

/// Stops effllm as the command was stopped, so that a shell sees it; returns when it goes on.
pub fn stop_like(number: i32) {
    raise_by_default(number);
}

/// Raises a signal in this thread with its default disposition and unblocked, and puts both back if
/// it returns.
fn raise_by_default(number: i32) {
    // SAFETY: the sets and actions are initialised by the calls before they are read; the default
    // disposition runs no code of ours; an unknown number fails each call and changes nothing.
    unsafe {
        let (mut set, mut mask): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
        let (mut default, mut before): (libc::sigaction, libc::sigaction) =
            (std::mem::zeroed(), std::mem::zeroed());
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, number);
        libc::sigaction(number, &raw const default, &raw mut before);
        // Raised before it is unblocked: one that the terminal has sent meanwhile is delivered
        // together with it. Otherwise that one would stop effllm, and this one again after `fg`.
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut mask);
        libc::raise(number);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut());
        libc::sigaction(number, &raw const before, std::ptr::null_mut());
    }
}
