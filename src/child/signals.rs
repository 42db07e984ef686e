//! What signals sent to effllm mean for the command, and the descriptor by which they come.

use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;
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
    /// The kernel, mostly for a key of the terminal: the whole foreground process group has got it.
    Terminal,
    /// The kernel, for a terminal that hung up: only the leader of its session has got it.
    HangUp,
    /// No signal yet, but a key that was typed for a command with a terminal of its own.
    Key,
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
    /// Stop the command, whose own terminal cannot: nobody in its session could let it go on.
    Stop,
    /// Tell the command's own terminal of its new size.
    Resize,
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
#[derive(Debug, Clone)]
pub struct Policy {
    /// Signals that the user keeps from the command.
    not_forwarded: Vec<TakenSignal>,
    /// Whether the command has a session and a terminal of its own, where those of the user's
    /// terminal do not reach it.
    apart: bool,
    /// When the terminal's last interrupts came.
    interrupts: Vec<Instant>,
}

impl Policy {
    pub fn new(not_forwarded: Vec<TakenSignal>, apart: bool) -> Self {
        Self { not_forwarded, apart, interrupts: Vec::new() }
    }

    /// What to do about a signal that has come now.
    pub fn decide(&mut self, signal: Signal, origin: Origin, now: Instant) -> Action {
        if signal == Signal::SIGINT && matches!(origin, Origin::Terminal | Origin::Key) {
            self.interrupts.retain(|before| now.saturating_duration_since(*before) <= IMPATIENCE);
            self.interrupts.push(now);
        }
        let kept = self.not_forwarded.contains(&TakenSignal(signal));
        action(signal, origin, self.interrupts.len(), kept, self.apart)
    }
}

/// What a signal means, by who sent it, how many interrupts came lately, whether the user keeps it
/// from the command, and whether the command has a terminal of its own.
fn action(signal: Signal, origin: Origin, interrupts: usize, kept: bool, apart: bool) -> Action {
    match (signal, origin) {
        (Signal::SIGCHLD, _) => Action::Look,
        (Signal::SIGINT, Origin::Terminal | Origin::Key) if interrupts >= INTERRUPTS => Action::KillTree,
        (Signal::SIGTSTP, Origin::Key) => Action::Stop,
        (_, Origin::Key) => Action::Leave,
        // Of a timer that was set before effllm was executed in the place of its command.
        (Signal::SIGALRM, Origin::Terminal) if !kept => Action::Forward,
        (_, Origin::Terminal) if !apart => Action::Leave,
        (Signal::SIGWINCH, _) if apart => Action::Resize,
        _ if kept => Action::Leave,
        (Signal::SIGTSTP, _) if apart => Action::Stop,
        _ => Action::Forward,
    }
}

/// A signal that effllm takes in the command's stead, by its name with or without `SIG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct TakenSignal(Signal);

impl FromStr for TakenSignal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let taken = || TAKEN.into_iter().filter(|signal| *signal != Signal::SIGCHLD);
        let bare = |signal: Signal| signal.as_str().trim_start_matches("SIG");
        taken().find(|signal| bare(*signal) == name).map(Self).ok_or_else(|| {
            format!(
                "is no signal that is forwarded: those are {}",
                taken().map(bare).collect::<Vec<_>>().join(", ")
            )
        })
    }
}

impl TryFrom<String> for TakenSignal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|why| format!("'{text}' {why}"))
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
        use Action::{Forward, KillTree, Leave, Look, Resize, Stop};
        use Origin::{HangUp, Key, Process, Terminal};
        #[rustfmt::skip]
        let table = [
            // signal,          origin,   interrupts, in our session, in its own
            (Signal::SIGCHLD,  Process,  0, Look,     Look),
            (Signal::SIGINT,   Process,  0, Forward,  Forward),
            (Signal::SIGINT,   Process,  9, Forward,  Forward),
            (Signal::SIGINT,   Terminal, 1, Leave,    Forward),
            (Signal::SIGINT,   Terminal, 2, Leave,    Forward),
            (Signal::SIGINT,   Terminal, 3, KillTree, KillTree),
            (Signal::SIGINT,   Key,      2, Leave,    Leave),
            (Signal::SIGINT,   Key,      3, KillTree, KillTree),
            (Signal::SIGQUIT,  Terminal, 3, Leave,    Forward),
            (Signal::SIGQUIT,  Process,  0, Forward,  Forward),
            (Signal::SIGTSTP,  Terminal, 0, Leave,    Stop),
            (Signal::SIGTSTP,  Key,      0, Stop,     Stop),
            (Signal::SIGTSTP,  Process,  0, Forward,  Stop),
            (Signal::SIGCONT,  Process,  0, Forward,  Forward),
            (Signal::SIGHUP,   Terminal, 0, Leave,    Forward),
            (Signal::SIGHUP,   HangUp,   0, Forward,  Forward),
            (Signal::SIGHUP,   Process,  0, Forward,  Forward),
            (Signal::SIGTERM,  Process,  0, Forward,  Forward),
            (Signal::SIGALRM,  Process,  0, Forward,  Forward),
            (Signal::SIGALRM,  Terminal, 0, Forward,  Forward),
            (Signal::SIGUSR1,  Process,  0, Forward,  Forward),
            (Signal::SIGUSR2,  Process,  0, Forward,  Forward),
            (Signal::SIGWINCH, Terminal, 0, Leave,    Resize),
            (Signal::SIGWINCH, Process,  0, Forward,  Resize),
        ];
        for (signal, origin, interrupts, together, apart) in table {
            for (is_apart, expected) in [(false, together), (true, apart)] {
                let what = format!("{signal} from {origin:?}, apart: {is_apart}");
                assert_eq!(action(signal, origin, interrupts, false, is_apart), expected, "{what}");
                // What is kept from the command is kept, and the rest is as it was.
                let kept = match (expected, origin) {
                    (Forward, _) | (Stop, Process | Terminal) => Leave,
                    (other, _) => other,
                };
                assert_eq!(action(signal, origin, interrupts, true, is_apart), kept, "{what}, kept");
            }
        }
    }

    #[test]
    fn signals_go_by_their_names() {
        for name in ["USR1", "SIGUSR1", "usr1", "SigUsr1"] {
            assert_eq!(name.parse(), Ok(TakenSignal(Signal::SIGUSR1)));
        }
        for name in ["", "SIG", "KILL", "SIGSTOP", "CHLD", "10", "USR3"] {
            let why = name.parse::<TakenSignal>().unwrap_err();
            assert!(why.ends_with("INT, TERM, HUP, QUIT, USR1, USR2, ALRM, TSTP, CONT, WINCH"), "{why}");
        }
    }

    #[test]
    fn three_interrupts_in_a_hurry_are_not_three_in_an_hour() {
        let mut policy = Policy::new(Vec::new(), false);
        let start = Instant::now();
        let mut press =
            |ms| policy.decide(Signal::SIGINT, Origin::Terminal, start + Duration::from_millis(ms));
        assert_eq!([press(0), press(1500), press(3000)], [Action::Leave; 3]);
        assert_eq!([press(3100), press(3200)], [Action::KillTree; 2]);
    }
}
