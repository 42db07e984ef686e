//! State changes of effllm's children (waitpid(2)), and the resources that they used.

use std::io;

use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

use super::Ending;

/// A state change of one child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Ended(Pid, Ending),
    /// Stopped by the signal of this number.
    Stopped(Pid, i32),
    Continued(Pid),
    /// effllm has no children left.
    NoChildren,
}

/// The changes since the last call, of the command and of the orphans of its tree that effllm has
/// adopted. Children that have ended are reaped.
pub fn changes() -> impl Iterator<Item = Change> {
    std::iter::from_fn(next_change)
}

const FLAGS: libc::c_int = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;

fn next_change() -> Option<Change> {
    loop {
        let mut status = 0;
        // SAFETY: waitpid writes the status. nix's waitpid is not used because it knows no real-time
        // signals: a child that died by one would be reaped and its status lost.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, FLAGS) };
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

/// CPU seconds of the command and of the children that it waited for, and the largest resident set of
/// any one of them in bytes (getrusage(2), RUSAGE_CHILDREN).
pub fn resource_usage() -> (Option<f64>, Option<u64>) {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return (None, None) };
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let kibibytes = u64::try_from(usage.max_rss()).ok();
    (Some(microseconds as f64 / 1e6), kibibytes.map(|kibibytes| kibibytes * 1024))
}
