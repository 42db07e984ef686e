//! What a signal sent to effllm means for the command: decisions alone, as pure functions.
//!
//! Signals are numbers here: nix's `Signal` knows no real-time ones.

use std::time::{Duration, Instant};

use nix::libc::{self, c_int};

use super::signal_name::TakenSignal;

/// Who sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A process, by kill(2) or the like: effllm has received it, and the command perhaps not.
    Process,
    /// The kernel, mostly for a key of the terminal: the whole foreground process group has received it.
    Terminal,
    /// effllm itself, by writing where that is no longer possible.
    Own,
    /// The kernel, for a terminal that hung up: only the leader of its session has received it.
    HangUp,
    /// No signal yet, but a key that was typed for a command with a terminal of its own.
    Key,
}

/// The consequence of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send it to the command.
    Forward,
    /// Read the children's state changes.
    ReadChildren,
    /// Nothing: the command has received it already, or must not receive it.
    Ignore,
    /// Kill the command and everything that it started.
    KillTree,
    /// Send it to effllm's own process group, as the terminal does when a key is typed.
    SignalOwnGroup,
    /// Stop the command, whose own terminal cannot: no process in its session could continue it.
    Stop,
    /// Give the command's own terminal its new size; the kernel then signals the command.
    Resize,
    /// The same, and forward the signal if the size has not changed.
    ResizeOrForward,
}

/// So many Ctrl-C within [`INTERRUPT_WINDOW`] kill the command's whole tree.
const KILLING_INTERRUPTS: usize = 3;
const INTERRUPT_WINDOW: Duration = Duration::from_secs(2);

/// Everything that decides on a signal besides the signal itself.
#[derive(Debug, Clone)]
pub struct SignalPolicy {
    /// Signals that the user does not want forwarded.
    not_forwarded: Vec<TakenSignal>,
    /// How long after a forwarded SIGTERM the whole tree is killed.
    pub kill_after: Option<Duration>,
    /// When the terminal's last interrupts came.
    interrupts: Vec<Instant>,
}

impl SignalPolicy {
    pub fn new(not_forwarded: Vec<TakenSignal>, kill_after: Option<Duration>) -> Self {
        Self { not_forwarded, kill_after, interrupts: Vec::new() }
    }

    /// The consequence of a signal that has come now. `own_terminal`: whether the command has a session
    /// and a terminal of its own, where signals of the user's terminal do not reach it.
    pub fn decide(&mut self, signal: c_int, origin: Origin, own_terminal: bool, now: Instant) -> Action {
        if signal == libc::SIGINT && origin == Origin::Terminal {
            self.interrupts.retain(|before| now.saturating_duration_since(*before) <= INTERRUPT_WINDOW);
            self.interrupts.push(now);
        }
        let withheld = self.not_forwarded.contains(&TakenSignal(signal));
        action(signal, origin, self.interrupts.len(), withheld, own_terminal)
    }
}

/// The consequence of a signal, by its sender, the number of recent interrupts, whether the user does
/// not want it forwarded, and whether the command has a terminal of its own.
fn action(signal: c_int, origin: Origin, interrupts: usize, withheld: bool, own_terminal: bool) -> Action {
    match (signal, origin) {
        (libc::SIGCHLD, _) => Action::ReadChildren,
        (_, Origin::Own) => Action::Ignore,
        // On a terminal of its own a program may take Ctrl-C as often as it likes, as interpreters do.
        (libc::SIGINT, Origin::Terminal) if interrupts >= KILLING_INTERRUPTS && !own_terminal => {
            Action::KillTree
        }
        (libc::SIGTSTP, Origin::Key) => Action::Stop,
        (_, Origin::Key) => Action::SignalOwnGroup,
        // effllm has used up its own CPU time; the kernel counts the command's separately.
        (libc::SIGXCPU, Origin::Terminal) => Action::Ignore,
        // From a timer or a descriptor that was set before effllm was executed in place of the command.
        (libc::SIGALRM | libc::SIGVTALRM | libc::SIGPROF | libc::SIGIO, Origin::Terminal) if !withheld => {
            Action::Forward
        }
        (_, Origin::Terminal) if !own_terminal => Action::Ignore,
        (libc::SIGWINCH, Origin::Process) if own_terminal && !withheld => Action::ResizeOrForward,
        (libc::SIGWINCH, _) if own_terminal => Action::Resize,
        _ if withheld => Action::Ignore,
        (libc::SIGTSTP | libc::SIGTTOU, _) if own_terminal => Action::Stop,
        _ => Action::Forward,
    }
}

/// Whether effllm stops too when a signal has stopped the command, so that a shell sees its job stop.
/// Whoever stops the command alone also continues it alone, and would leave effllm stopped.
///
/// `asked`: effllm has received a stop signal as well. `own_terminal`: the command has a terminal of
/// its own, where effllm itself stops it. `shell_waits`: effllm is the foreground job of a shell that
/// will continue it.
pub fn stops_too(signal: c_int, asked: bool, own_terminal: bool, shell_waits: bool) -> bool {
    match signal {
        libc::SIGSTOP => asked && own_terminal,
        _ => asked || shell_waits,
    }
}

/// Whether a signal asks the command to end, so that the report should be saved now.
pub fn announces_end(signal: c_int) -> bool {
    matches!(signal, libc::SIGTERM | libc::SIGHUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_has_one_consequence_by_origin_and_terminal() {
        use Action::{
            Forward, Ignore, KillTree, ReadChildren, Resize, ResizeOrForward, SignalOwnGroup, Stop,
        };
        use Origin::{HangUp, Key, Own, Process, Terminal};
        #[rustfmt::skip]
        let table = [
            // signal,       origin,   interrupts, in effllm's session, with a terminal of its own
            (libc::SIGCHLD,  Process,  0, ReadChildren, ReadChildren),
            (libc::SIGINT,   Process,  0, Forward,  Forward),
            (libc::SIGINT,   Process,  9, Forward,  Forward),
            (libc::SIGINT,   Terminal, 1, Ignore,   Forward),
            (libc::SIGINT,   Terminal, 2, Ignore,   Forward),
            (libc::SIGINT,   Terminal, 3, KillTree, Forward),
            (libc::SIGINT,   Key,      2, SignalOwnGroup, SignalOwnGroup),
            (libc::SIGINT,   Key,      3, SignalOwnGroup, SignalOwnGroup),
            (libc::SIGQUIT,  Terminal, 3, Ignore,   Forward),
            (libc::SIGQUIT,  Key,      3, SignalOwnGroup, SignalOwnGroup),
            (libc::SIGQUIT,  Process,  0, Forward,  Forward),
            (libc::SIGTSTP,  Terminal, 0, Ignore,   Stop),
            (libc::SIGTSTP,  Key,      0, Stop,     Stop),
            (libc::SIGTSTP,  Process,  0, Forward,  Stop),
            (libc::SIGTTOU,  Terminal, 0, Ignore,   Stop),
            (libc::SIGTTOU,  Process,  0, Forward,  Stop),
            (libc::SIGCONT,  Process,  0, Forward,  Forward),
            (libc::SIGHUP,   Terminal, 0, Ignore,   Forward),
            (libc::SIGHUP,   HangUp,   0, Forward,  Forward),
            (libc::SIGHUP,   Process,  0, Forward,  Forward),
            (libc::SIGTERM,  Process,  0, Forward,  Forward),
            (libc::SIGALRM,  Process,  0, Forward,  Forward),
            (libc::SIGALRM,  Terminal, 0, Forward,  Forward),
            (libc::SIGUSR1,  Process,  0, Forward,  Forward),
            (libc::SIGUSR2,  Process,  0, Forward,  Forward),
            (libc::SIGWINCH, Terminal, 0, Ignore,   Resize),
            (libc::SIGWINCH, Process,  0, Forward,  ResizeOrForward),
            (libc::SIGABRT,  Process,  0, Forward,  Forward),
            (libc::SIGIO,    Process,  0, Forward,  Forward),
            (libc::SIGIO,    Terminal, 0, Forward,  Forward),
            (libc::SIGPIPE,  Process,  0, Forward,  Forward),
            (libc::SIGPIPE,  Own,      0, Ignore,   Ignore),
            (libc::SIGPROF,  Process,  0, Forward,  Forward),
            (libc::SIGPROF,  Terminal, 0, Forward,  Forward),
            (libc::SIGVTALRM, Terminal, 0, Forward, Forward),
            (libc::SIGXCPU,  Process,  0, Forward,  Forward),
            (libc::SIGXCPU,  Terminal, 0, Ignore,   Ignore),
            (libc::SIGXFSZ,  Own,      0, Ignore,   Ignore),
            (libc::SIGRTMIN(), Process, 0, Forward, Forward),
            (libc::SIGRTMAX(), Process, 0, Forward, Forward),
        ];
        for (signal, origin, interrupts, shared, own) in table {
            for (own_terminal, expected) in [(false, shared), (true, own)] {
                let case = format!("{signal} from {origin:?}, own terminal: {own_terminal}");
                assert_eq!(action(signal, origin, interrupts, false, own_terminal), expected, "{case}");
                // A withheld signal is not forwarded; nothing else changes.
                let withheld = match (expected, origin) {
                    (Forward, _) | (Stop, Process | Terminal) => Ignore,
                    (ResizeOrForward, _) => Resize,
                    (other, _) => other,
                };
                assert_eq!(
                    action(signal, origin, interrupts, true, own_terminal),
                    withheld,
                    "{case}, withheld"
                );
            }
        }
    }

    #[test]
    fn effllm_stops_with_its_command_where_both_will_be_continued() {
        #[rustfmt::skip]
        let table = [
            // signal,        asked, own terminal, a shell waits
            (libc::SIGTSTP,   true,  false, true,  true),  // Ctrl-Z, and what forwards it
            (libc::SIGTSTP,   true,  false, false, true),  // to the group of a script
            (libc::SIGTSTP,   false, false, true,  true),  // an editor that stops itself
            (libc::SIGTSTP,   false, false, false, false), // sent to the command alone
            (libc::SIGTTOU,   false, false, true,  true),
            (libc::SIGTTOU,   true,  false, false, true),  // in the background, where stty tostop is set
            (libc::SIGTTIN,   false, false, false, false),
            (libc::SIGSTOP,   false, false, true,  false), // sent to the command alone
            (libc::SIGSTOP,   true,  false, true,  false), // long after a SIGTSTP that it ignored
            (libc::SIGSTOP,   true,  true,  false, true),  // effllm's own, for Ctrl-Z
            (libc::SIGSTOP,   false, true,  true,  false), // sent to the command alone
        ];
        for (signal, asked, own_terminal, shell_waits, expected) in table {
            let case = format!(
                "{signal}, asked: {asked}, own terminal: {own_terminal}, a shell waits: {shell_waits}"
            );
            assert_eq!(stops_too(signal, asked, own_terminal, shell_waits), expected, "{case}");
        }
    }

    #[test]
    fn three_interrupts_kill_the_tree_only_within_two_seconds() {
        let mut policy = SignalPolicy::new(Vec::new(), None);
        let start = Instant::now();
        let mut press =
            |ms| policy.decide(libc::SIGINT, Origin::Terminal, false, start + Duration::from_millis(ms));
        assert_eq!([press(0), press(1500), press(3000)], [Action::Ignore; 3]);
        assert_eq!([press(3100), press(3200)], [Action::KillTree; 2]);
    }
}
