//! What signals sent to effllm mean for the command, and the descriptor by which they come.
//!
//! Signals are numbers here: nix's `Signal` knows no real-time ones.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::libc::{self, c_int};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::{Pid, getpid, getsid};

use super::default_handler::{DefaultSignalHandler, TERMINATION_SIGNALS};
use super::inherited::is_ignored;
use crate::error::Error;

/// Who sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A process, by kill(2) or the like: effllm has got it, and the command perhaps not.
    Process,
    /// The kernel, mostly for a key of the terminal: the whole foreground process group has got it.
    Terminal,
    /// effllm itself, by writing where that is no longer possible.
    Own,
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
    /// Send it to the others of effllm's group, as the terminal would have done that a key was typed on.
    Share,
    /// Stop the command, whose own terminal cannot: nobody in its session could let it go on.
    Stop,
    /// Tell the command's own terminal of its new size, which tells the command.
    Resize,
    /// The same, and forward it if the size is no new one.
    ResizeOrForward,
}

/// The signals that effllm takes in the command's stead, besides the real-time ones: all that can be
/// taken, but for those that a fault of effllm's own would raise and those that stop who uses the
/// terminal in the background.
const TAKEN: [Signal; 21] = [
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
    Signal::SIGABRT,
    Signal::SIGPIPE,
    Signal::SIGURG,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGPROF,
    Signal::SIGVTALRM,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
    Signal::SIGSTKFLT,
];

fn taken() -> impl Iterator<Item = c_int> {
    TAKEN.into_iter().map(|signal| signal as c_int).chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

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
    pub fn decide(&mut self, signal: c_int, origin: Origin, now: Instant) -> Action {
        if signal == libc::SIGINT && matches!(origin, Origin::Terminal | Origin::Key) {
            self.interrupts.retain(|before| now.saturating_duration_since(*before) <= IMPATIENCE);
            self.interrupts.push(now);
        }
        let kept = self.not_forwarded.contains(&TakenSignal(signal));
        action(signal, origin, self.interrupts.len(), kept, self.apart)
    }
}

/// What a signal means, by who sent it, how many interrupts came lately, whether the user keeps it
/// from the command, and whether the command has a terminal of its own.
fn action(signal: c_int, origin: Origin, interrupts: usize, kept: bool, apart: bool) -> Action {
    match (signal, origin) {
        (libc::SIGCHLD, _) => Action::Look,
        (_, Origin::Own) => Action::Leave,
        (libc::SIGINT, Origin::Terminal | Origin::Key) if interrupts >= INTERRUPTS => Action::KillTree,
        (libc::SIGTSTP, Origin::Key) => Action::Stop,
        (_, Origin::Key) => Action::Share,
        // effllm has used the time that it may; the command's is counted by itself.
        (libc::SIGXCPU, Origin::Terminal) => Action::Leave,
        // Of a timer or a descriptor that was set before effllm was executed in the place of its command.
        (libc::SIGALRM | libc::SIGVTALRM | libc::SIGPROF | libc::SIGIO, Origin::Terminal) if !kept => {
            Action::Forward
        }
        (_, Origin::Terminal) if !apart => Action::Leave,
        (libc::SIGWINCH, Origin::Process) if apart && !kept => Action::ResizeOrForward,
        (libc::SIGWINCH, _) if apart => Action::Resize,
        _ if kept => Action::Leave,
        (libc::SIGTSTP, _) if apart => Action::Stop,
        _ => Action::Forward,
    }
}

/// Whether effllm stops too when a signal has stopped the command, so that a shell sees its job stop.
/// Who has stopped the command alone lets it alone go on, and nobody effllm.
///
/// `asked`: effllm has been told to stop as well. `apart`: the command has a terminal of its own, where
/// effllm itself stops it. `shell_waits`: effllm is the foreground job of a shell that will let it go on.
pub fn stops_too(signal: c_int, asked: bool, apart: bool, shell_waits: bool) -> bool {
    match signal {
        libc::SIGSTOP => asked && apart,
        _ => asked || shell_waits,
    }
}

/// Whether a taken signal has come and was not read yet.
pub fn is_pending(signal: c_int) -> bool {
    // SAFETY: an all-zero set may be overwritten; it is only read if it has been.
    unsafe {
        let mut pending: libc::sigset_t = mem::zeroed();
        libc::sigpending(&raw mut pending) == 0 && libc::sigismember(&raw const pending, signal) == 1
    }
}

/// A signal that effllm takes in the command's stead, by its name with or without `SIG`; a real-time
/// one as `RTMIN+1` or `RTMAX-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct TakenSignal(c_int);

impl TakenSignal {
    /// The names that it is read from, without the real-time signals'.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let forwarded = TAKEN.into_iter().filter(|signal| *signal != Signal::SIGCHLD);
        forwarded.map(|signal| signal.as_str().trim_start_matches("SIG"))
    }
}

impl FromStr for TakenSignal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let known = || Self::names().any(|known| known == name);
        let number = || Signal::from_str(&format!("SIG{name}")).ok().map(|signal| signal as c_int);
        let named = || known().then(number).flatten();
        real_time(name).or_else(named).map(Self).ok_or_else(|| {
            format!(
                "is no signal that is forwarded: those are {} and RTMIN to RTMAX",
                Self::names().collect::<Vec<_>>().join(", ")
            )
        })
    }
}

/// The number of a real-time signal that is counted from the first or from the last one.
fn real_time(name: &str) -> Option<c_int> {
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    let counted = |rest: &str, sign| match rest {
        "" => Some(0),
        _ => rest.strip_prefix(sign)?.parse::<u8>().ok().map(c_int::from),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => first + counted(rest, '+')?,
        (_, Some(rest)) => last - counted(rest, '-')?,
        _ => return None,
    };
    (first..=last).contains(&number).then_some(number)
}

impl TryFrom<String> for TakenSignal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|why| format!("'{text}' {why}"))
    }
}

/// A signal that has come.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub signal: c_int,
    pub origin: Origin,
    /// What came with it by sigqueue(3).
    value: Option<u64>,
}

impl Arrival {
    /// A signal that a key stands for.
    pub fn by_key(signal: c_int) -> Self {
        Self { signal, origin: Origin::Key, value: None }
    }

    /// As it is for a command that was not there yet when it came: whoever sent it, only effllm has
    /// got it.
    pub fn before_the_command(self) -> Self {
        match self.origin {
            Origin::Own => self,
            _ => Self { origin: Origin::Process, ..self },
        }
    }

    /// Sends it on as it came.
    pub fn send_on(&self, pid: Pid) {
        // SAFETY: takes numbers; the value is not looked at. Fails only if the process has just
        // ended, which is seen elsewhere.
        unsafe {
            match self.value {
                Some(value) => {
                    let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value as usize) };
                    libc::sigqueue(pid.as_raw(), self.signal, value);
                }
                None => {
                    libc::kill(pid.as_raw(), self.signal);
                }
            }
        }
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
        let taken = set(taken());
        if is_ignored(libc::SIGCHLD) {
            // The kernel would reap the command itself, and tell nobody.
            // SAFETY: the default disposition runs no code.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        }
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&taken), Some(&mut original_mask)).map_err(failed)?;
        let fd =
            SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        Ok(Self { fd, original_mask })
    }

    /// Gives all of them back: there will be no command.
    pub fn give_back(&self) {
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.original_mask), None);
    }

    /// Before there is a command: until the answer says that one comes, what a user ends or stops a
    /// program with does that to effllm, whatever it waits for.
    pub fn install_default_handler(&self) -> DefaultSignalHandler {
        DefaultSignalHandler::start(self.users())
    }

    /// Those by which a user ends or stops effllm, unless the caller has ignored or blocked them.
    fn users(&self) -> SigSet {
        // SAFETY: the set is a whole one, and is only read.
        let is_blocked = |signal| unsafe { libc::sigismember(self.original_mask.as_ref(), signal) } == 1;
        set(TERMINATION_SIGNALS.into_iter().filter(|signal| !is_ignored(*signal) && !is_blocked(*signal)))
    }

    /// The mask that effllm was started with, which is the command's.
    pub fn original_mask(&self) -> SigSet {
        self.original_mask
    }

    /// The next signal, if one has come.
    pub fn next(&self) -> Option<Arrival> {
        let info: siginfo = self.fd.read_signal().ok().flatten()?;
        let signal = c_int::try_from(info.ssi_signo).ok()?;
        let origin = match info.ssi_code {
            libc::SI_KERNEL if signal == libc::SIGHUP && leads_session() => Origin::HangUp,
            libc::SI_KERNEL => Origin::Terminal,
            _ if info.ssi_pid == std::process::id() => Origin::Own,
            _ => Origin::Process,
        };
        let value = (info.ssi_code == libc::SI_QUEUE).then_some(info.ssi_ptr);
        Some(Arrival { signal, origin, value })
    }

    /// Those that have come by now.
    pub fn all(&self) -> impl Iterator<Item = Arrival> {
        std::iter::from_fn(|| self.next())
    }

    /// Readable when a signal has come.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn set(signals: impl Iterator<Item = c_int>) -> SigSet {
    // SAFETY: the set is initialised by the first call; the others only add to it.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        SigSet::from_sigset_t_unchecked(set)
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
        use Action::{Forward, KillTree, Leave, Look, Resize, ResizeOrForward, Share, Stop};
        use Origin::{HangUp, Key, Own, Process, Terminal};
        #[rustfmt::skip]
        let table = [
            // signal,          origin,   interrupts, in our session, in its own
            (libc::SIGCHLD,  Process,  0, Look,     Look),
            (libc::SIGINT,   Process,  0, Forward,  Forward),
            (libc::SIGINT,   Process,  9, Forward,  Forward),
            (libc::SIGINT,   Terminal, 1, Leave,    Forward),
            (libc::SIGINT,   Terminal, 2, Leave,    Forward),
            (libc::SIGINT,   Terminal, 3, KillTree, KillTree),
            (libc::SIGINT,   Key,      2, Share,    Share),
            (libc::SIGINT,   Key,      3, KillTree, KillTree),
            (libc::SIGQUIT,  Terminal, 3, Leave,    Forward),
            (libc::SIGQUIT,  Key,      3, Share,    Share),
            (libc::SIGQUIT,  Process,  0, Forward,  Forward),
            (libc::SIGTSTP,  Terminal, 0, Leave,    Stop),
            (libc::SIGTSTP,  Key,      0, Stop,     Stop),
            (libc::SIGTSTP,  Process,  0, Forward,  Stop),
            (libc::SIGCONT,  Process,  0, Forward,  Forward),
            (libc::SIGHUP,   Terminal, 0, Leave,    Forward),
            (libc::SIGHUP,   HangUp,   0, Forward,  Forward),
            (libc::SIGHUP,   Process,  0, Forward,  Forward),
            (libc::SIGTERM,  Process,  0, Forward,  Forward),
            (libc::SIGALRM,  Process,  0, Forward,  Forward),
            (libc::SIGALRM,  Terminal, 0, Forward,  Forward),
            (libc::SIGUSR1,  Process,  0, Forward,  Forward),
            (libc::SIGUSR2,  Process,  0, Forward,  Forward),
            (libc::SIGWINCH, Terminal, 0, Leave,    Resize),
            (libc::SIGWINCH, Process,  0, Forward,  ResizeOrForward),
            (libc::SIGABRT,  Process,  0, Forward,  Forward),
            (libc::SIGIO,    Process,  0, Forward,  Forward),
            (libc::SIGIO,    Terminal, 0, Forward,  Forward),
            (libc::SIGPIPE,  Process,  0, Forward,  Forward),
            (libc::SIGPIPE,  Own,      0, Leave,    Leave),
            (libc::SIGPROF,  Process,  0, Forward,  Forward),
            (libc::SIGPROF,  Terminal, 0, Forward,  Forward),
            (libc::SIGVTALRM, Terminal, 0, Forward, Forward),
            (libc::SIGXCPU,  Process,  0, Forward,  Forward),
            (libc::SIGXCPU,  Terminal, 0, Leave,    Leave),
            (libc::SIGXFSZ,  Own,      0, Leave,    Leave),
            (libc::SIGRTMIN(), Process, 0, Forward, Forward),
            (libc::SIGRTMAX(), Process, 0, Forward, Forward),
        ];
        for (signal, origin, interrupts, together, apart) in table {
            for (is_apart, expected) in [(false, together), (true, apart)] {
                let what = format!("{signal} from {origin:?}, apart: {is_apart}");
                assert_eq!(action(signal, origin, interrupts, false, is_apart), expected, "{what}");
                // What is kept from the command is kept, and the rest is as it was.
                let kept = match (expected, origin) {
                    (Forward, _) | (Stop, Process | Terminal) => Leave,
                    (ResizeOrForward, _) => Resize,
                    (other, _) => other,
                };
                assert_eq!(action(signal, origin, interrupts, true, is_apart), kept, "{what}, kept");
            }
        }
    }

    #[test]
    fn effllm_stops_with_its_command_where_somebody_will_let_both_go_on() {
        #[rustfmt::skip]
        let table = [
            // signal,        asked, apart, a shell waits
            (libc::SIGTSTP,   true,  false, true,  true),  // Ctrl-Z, and what forwards it
            (libc::SIGTSTP,   true,  false, false, true),  // to the group of a script
            (libc::SIGTSTP,   false, false, true,  true),  // an editor that stops itself
            (libc::SIGTSTP,   false, false, false, false), // sent to the command alone
            (libc::SIGTTOU,   false, false, true,  true),
            (libc::SIGTTIN,   false, false, false, false),
            (libc::SIGSTOP,   false, false, true,  false), // sent to the command alone
            (libc::SIGSTOP,   true,  false, true,  false), // long after a SIGTSTP that it ignored
            (libc::SIGSTOP,   true,  true,  false, true),  // effllm's own, for Ctrl-Z
            (libc::SIGSTOP,   false, true,  true,  false), // sent to the command alone
        ];
        for (signal, asked, apart, shell_waits, expected) in table {
            let what = format!("{signal}, asked: {asked}, apart: {apart}, a shell waits: {shell_waits}");
            assert_eq!(stops_too(signal, asked, apart, shell_waits), expected, "{what}");
        }
    }

    #[test]
    fn signals_go_by_their_names() {
        for name in ["USR1", "SIGUSR1", "usr1", "SigUsr1"] {
            assert_eq!(name.parse(), Ok(TakenSignal(libc::SIGUSR1)));
        }
        let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
        for (name, number) in
            [("RTMIN", first), ("rtmin+3", first + 3), ("SIGRTMAX-2", last - 2), ("RTMAX", last)]
        {
            assert_eq!(name.parse(), Ok(TakenSignal(number)));
        }
        for name in [
            "", "SIG", "KILL", "SIGSTOP", "CHLD", "SEGV", "10", "USR3", "RTMIN-1", "RTMIN+99", "RTMIN+",
            "RTMAX-",
        ] {
            let why = name.parse::<TakenSignal>().unwrap_err();
            assert!(
                why.contains("INT, TERM, HUP, QUIT, USR1") && why.ends_with("STKFLT and RTMIN to RTMAX"),
                "{why}"
            );
        }
    }

    #[test]
    fn three_interrupts_in_a_hurry_are_not_three_in_an_hour() {
        let mut policy = Policy::new(Vec::new(), false);
        let start = Instant::now();
        let mut press = |ms| policy.decide(libc::SIGINT, Origin::Terminal, start + Duration::from_millis(ms));
        assert_eq!([press(0), press(1500), press(3000)], [Action::Leave; 3]);
        assert_eq!([press(3100), press(3200)], [Action::KillTree; 2]);
    }
}
