//! What signals sent to effllm mean for the command, and the descriptor by which they come.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::{getpid, getsid};

use crate::error::Error;

/// Who sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A process, by kill(2) or the like: effllm has got it, and the command perhaps not.
    Process,
    /// The kernel, for a key of the terminal: the whole foreground process group has got it.
    Terminal,
    /// The kernel, for a terminal that hung up: only the leader of its session has got it.
    HangUp,
}

/// What is to be done about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send it on to the command.
    Forward,
    /// See what has become of the command.
    Look,
    /// Nothing: the command has it already, or is not to have it.
    Leave,
    /// End the command and everything that it started.
    KillTree,
}

/// The signals that effllm takes in the command's stead.
const TAKEN: [Signal; 11] = [
    Signal::SIGCHLD,
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

/// So many Ctrl-C within [`IMPATIENCE`] end the command's whole tree.
const INTERRUPTS: usize = 3;
const IMPATIENCE: Duration = Duration::from_secs(2);

/// What decides on a signal besides the signal itself.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Signals that the user keeps from the command.
    pub not_forwarded: Vec<Signal>,
    /// When the terminal's last interrupts came.
    interrupts: Vec<Instant>,
}

impl Policy {
    pub fn new(not_forwarded: Vec<Signal>) -> Self {
        Self { not_forwarded, interrupts: Vec::new() }
    }

    /// What to do about a signal that has come now.
    pub fn decide(&mut self, signal: Signal, origin: Origin, now: Instant) -> Action {
        if signal == Signal::SIGINT && origin == Origin::Terminal {
            self.interrupts.retain(|before| now.saturating_duration_since(*before) <= IMPATIENCE);
            self.interrupts.push(now);
        }
        action(signal, origin, self.interrupts.len(), &self.not_forwarded)
    }
}

/// What a signal means, by who sent it, how many interrupts came lately, and what the user keeps
/// from the command.
fn action(signal: Signal, origin: Origin, interrupts: usize, not_forwarded: &[Signal]) -> Action {
    match (signal, origin) {
        (Signal::SIGCHLD, _) => Action::Look,
        (Signal::SIGINT, Origin::Terminal) if interrupts >= INTERRUPTS => Action::KillTree,
        (_, Origin::Terminal) => Action::Leave,
        (signal, _) if not_forwarded.contains(&signal) => Action::Leave,
        (_, Origin::Process | Origin::HangUp) => Action::Forward,
    }
}

/// The taken signals as a file descriptor, in the order in which they come.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    original_mask: SigSet,
}

impl Signals {
    /// Takes the signals from here on. Threads that are started later leave them alone too.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub fn take() -> Result<Self, Error> {
        let failed = |error| Error::failed(format!("cannot take signals: {error}"));
        let mut original_mask = SigSet::empty();
        let taken: SigSet = TAKEN.into_iter().collect();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&taken), Some(&mut original_mask)).map_err(failed)?;
        let fd =
            SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        Ok(Self { fd, original_mask })
    }

    /// The mask that effllm was started with, which is the command's.
    pub fn original_mask(&self) -> SigSet {
        self.original_mask
    }

    /// The next signal and who sent it, if one has come.
    pub fn next(&self) -> Option<(Signal, Origin)> {
        let info: siginfo = self.fd.read_signal().ok().flatten()?;
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok())?;
        let origin = match info.ssi_code {
            libc::SI_KERNEL if signal == Signal::SIGHUP && leads_session() => Origin::HangUp,
            libc::SI_KERNEL => Origin::Terminal,
            _ => Origin::Process,
        };
        Some((signal, origin))
    }

    /// Readable when a signal has come.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether effllm stands where the command would lead its session: under `ssh -t` or `docker run -t`.
fn leads_session() -> bool {
    getsid(None) == Ok(getpid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signal_means() {
        use Action::{Forward, KillTree, Leave, Look};
        use Origin::{HangUp, Process, Terminal};
        let kept = [Signal::SIGUSR1];
        #[rustfmt::skip]
        let table = [
            // signal,          origin,   interrupts, action
            (Signal::SIGCHLD,  Process,  0, Look),
            (Signal::SIGINT,   Process,  0, Forward),
            (Signal::SIGINT,   Process,  9, Forward),
            (Signal::SIGINT,   Terminal, 1, Leave),
            (Signal::SIGINT,   Terminal, 2, Leave),
            (Signal::SIGINT,   Terminal, 3, KillTree),
            (Signal::SIGQUIT,  Terminal, 3, Leave),
            (Signal::SIGQUIT,  Process,  0, Forward),
            (Signal::SIGTSTP,  Terminal, 0, Leave),
            (Signal::SIGTSTP,  Process,  0, Forward),
            (Signal::SIGCONT,  Process,  0, Forward),
            (Signal::SIGHUP,   Terminal, 0, Leave),
            (Signal::SIGHUP,   Process,  0, Forward),
            (Signal::SIGHUP,   HangUp,   0, Forward),
            (Signal::SIGTERM,  Process,  0, Forward),
            (Signal::SIGALRM,  Process,  0, Forward),
            (Signal::SIGUSR2,  Process,  0, Forward),
            (Signal::SIGUSR1,  Process,  0, Leave),
            (Signal::SIGWINCH, Terminal, 0, Leave),
            (Signal::SIGWINCH, Process,  0, Forward),
        ];
        for (signal, origin, interrupts, expected) in table {
            assert_eq!(action(signal, origin, interrupts, &kept), expected, "{signal} from {origin:?}");
        }
    }

    #[test]
    fn three_interrupts_in_a_hurry_are_not_three_in_an_hour() {
        let mut policy = Policy::default();
        let start = Instant::now();
        let mut press =
            |ms| policy.decide(Signal::SIGINT, Origin::Terminal, start + Duration::from_millis(ms));
        assert_eq!([press(0), press(1500), press(3000)], [Action::Leave; 3]);
        assert_eq!([press(3100), press(3200)], [Action::KillTree; 2]);
    }
}
