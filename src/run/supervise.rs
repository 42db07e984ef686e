//! The loop between the command's start and its end: signals in, signals on.

use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::child::signals::Action;
use crate::child::{Change, Ending, Policy, Signals, changes, stop_like};
use crate::host::descendants;

/// What others are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The command has been told to end: what is known must be saved now.
    Ending,
    /// The command has been stopped, and effllm is about to stop too.
    Suspending,
    /// Both go on.
    Resumed,
}

/// Waits for the command to end; meanwhile sends it the signals that only effllm was sent, and
/// stops when it is stopped. `kill_after` a forwarded SIGTERM the whole tree is killed.
pub fn supervise(
    signals: &Signals,
    pid: Pid,
    mut policy: Policy,
    kill_after: Option<Duration>,
    tell: impl Fn(Moment),
) -> Ending {
    let mut kill_at: Option<Instant> = None;
    loop {
        // The first look at the command comes before the first wait: it may have ended already.
        if let Some(ending) = look(pid, &tell) {
            return ending;
        }
        wait(signals, kill_at);
        if kill_at.is_some_and(|at| Instant::now() >= at) {
            kill_tree();
            kill_at = None;
        }
        while let Some((signal, origin)) = signals.next() {
            match policy.decide(signal, origin, Instant::now()) {
                Action::Forward => {
                    // Fails only if the command has just ended, which the next look shows.
                    let _ = kill(pid, signal);
                    if signal == Signal::SIGTERM {
                        kill_at = kill_at.or(kill_after.map(|patience| Instant::now() + patience));
                    }
                }
                Action::KillTree => kill_tree(),
                Action::Look | Action::Leave => {}
            }
            if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
                tell(Moment::Ending);
            }
        }
    }
}

/// Once the command has ended: whether effllm was sent a signal that would have ended it.
pub fn interrupted(signals: &Signals) -> bool {
    let ends = |signal| matches!(signal, Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP | Signal::SIGQUIT);
    std::iter::from_fn(|| signals.next()).any(|(signal, _)| ends(signal))
}

/// How the command ended, if it has. Orphans of its tree are reaped on the way.
fn look(pid: Pid, tell: &impl Fn(Moment)) -> Option<Ending> {
    for change in changes() {
        match change {
            Change::Ended(who, ending) if who == pid => return Some(ending),
            Change::Stopped(who, signal) if who == pid => {
                tell(Moment::Suspending);
                stop_like(signal);
                tell(Moment::Resumed);
            }
            Change::NoChildren => return Some(Ending::Unknown),
            Change::Ended(..) | Change::Stopped(..) => {}
        }
    }
    None
}

/// Waits for a signal, or for the time to kill. An interruption is no error: whatever happened, the
/// command is looked at.
fn wait(signals: &Signals, until: Option<Instant>) {
    let timeout = until.map_or(PollTimeout::NONE, |until| {
        // Rounded up, so as not to wake before the time.
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    let _ = poll(&mut [PollFd::new(signals.fd(), PollFlags::POLLIN)], timeout);
}

/// Kills everything that the command started, in whatever session it is. What is born meanwhile is
/// found by a second look.
fn kill_tree() {
    for _ in 0..3 {
        for process in descendants(std::process::id()) {
            let _ = kill(Pid::from_raw(process.pid.cast_signed()), Signal::SIGKILL);
        }
    }
}
