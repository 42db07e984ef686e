//! The loop between the command's start and its end: signals in, signals on.

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::child::signals::{Action, action};
use crate::child::{Ending, Signals};

/// Waits for the command to end; meanwhile sends it the signals that only effllm was sent.
pub fn supervise(signals: &Signals, pid: Pid) -> Ending {
    loop {
        // The first look at the command comes before the first wait: it may have ended already.
        if let Some(ending) = reap(pid) {
            return ending;
        }
        let mut fds = [PollFd::new(signals.fd(), PollFlags::POLLIN)];
        // An error is an interruption: whatever happened, the signals and the command are looked at.
        let _ = poll(&mut fds, PollTimeout::NONE);
        while let Some((signal, origin)) = signals.next() {
            if action(signal, origin) == Action::Forward {
                // Fails only if the command has just ended, which the next look shows.
                let _ = kill(pid, signal);
            }
        }
    }
}

/// Once the command has ended: whether effllm was sent a signal that it would have taken.
pub fn interrupted(signals: &Signals) -> bool {
    std::iter::from_fn(|| signals.next()).any(|(signal, origin)| action(signal, origin) != Action::Reap)
}

/// How the command ended, if it has.
fn reap(pid: Pid) -> Option<Ending> {
    let mut status = 0;
    // SAFETY: waitpid writes nothing but the status. nix's takes a death by a realtime signal for an
    // error, and the status is gone by then.
    let reaped = unsafe { libc::waitpid(pid.as_raw(), &raw mut status, libc::WNOHANG) };
    match Errno::result(reaped) {
        Ok(0) | Err(Errno::EINTR) => None,
        Ok(_) => Ending::of(status),
        Err(_) => Some(Ending::Unknown),
    }
}
