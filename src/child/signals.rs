//! What signals sent to effllm mean for the command.

use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::{getpid, getsid};

use crate::error::Error;

/// Who sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A process, by kill(2) or the like: only effllm has got it.
    Process,
    /// The kernel, for a terminal that hung up: only the leader of its session has got it.
    HangUp,
    /// The kernel, for a key of the terminal: the whole foreground process group has got it.
    Terminal,
}

/// What is to be done about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send it on to the command.
    Forward,
    /// See whether the command has ended.
    Reap,
    /// Nothing: the command has it already.
    Leave,
}

/// The signals that effllm takes in the command's stead.
const TAKEN: [Signal; 7] = [
    Signal::SIGCHLD,
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// What a signal means, by who sent it.
pub fn action(signal: Signal, origin: Origin) -> Action {
    match (signal, origin) {
        (Signal::SIGCHLD, _) => Action::Reap,
        (_, Origin::Terminal) => Action::Leave,
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
    fn a_signal_reaches_the_command_once_whoever_sent_it() {
        for signal in TAKEN.into_iter().filter(|signal| *signal != Signal::SIGCHLD) {
            assert_eq!(action(signal, Origin::Process), Action::Forward, "{signal}");
            assert_eq!(action(signal, Origin::HangUp), Action::Forward, "{signal}");
            assert_eq!(action(signal, Origin::Terminal), Action::Leave, "{signal}");
        }
        assert_eq!(action(Signal::SIGCHLD, Origin::Process), Action::Reap);
    }
}
