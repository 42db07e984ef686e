//! The signals that effllm takes in the command's place, and their names.

use std::str::FromStr;

use nix::libc::{self, c_int};
use nix::sys::signal::Signal;

/// The signals that effllm takes in the command's place, besides the real-time ones: all that can be
/// blocked, but for those that a fault of effllm's own would raise and those that stop a background
/// process that uses the terminal.
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

/// The numbers of all of them.
pub fn taken() -> impl Iterator<Item = c_int> {
    TAKEN.into_iter().map(|signal| signal as c_int).chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

/// A signal that effllm takes in the command's place, read from its name with or without `SIG`; a
/// real-time signal is `RTMIN+1` or `RTMAX-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct TakenSignal(pub(super) c_int);

impl TakenSignal {
    /// The names that it is read from, without those of the real-time signals.
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
                "is not a signal that is forwarded: {} and RTMIN to RTMAX",
                Self::names().collect::<Vec<_>>().join(", ")
            )
        })
    }
}

/// The number of a real-time signal that is counted from the first or from the last one.
fn real_time(name: &str) -> Option<c_int> {
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    let offset = |rest: &str, sign| match rest {
        "" => Some(0),
        _ => rest.strip_prefix(sign)?.parse::<u8>().ok().map(c_int::from),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => first + offset(rest, '+')?,
        (_, Some(rest)) => last - offset(rest, '-')?,
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
