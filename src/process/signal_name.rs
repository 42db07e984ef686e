//! The signals that effllm takes in the command's place, and their names.

use std::str::FromStr;

use nix::libc::{self, c_int};
use nix::sys::signal::Signal;

use crate::thread::is_never_blocked;

/// The signals that effllm takes in the command's place, besides the real-time ones: all that are blocked.
fn standard() -> impl Iterator<Item = Signal> {
    let is_taken =
        |signal: &Signal| !is_never_blocked(*signal) && !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP);
    Signal::iterator().filter(is_taken)
}

/// The numbers of all of them.
pub fn taken() -> impl Iterator<Item = c_int> {
    standard().map(|signal| signal as c_int).chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

/// A signal that effllm takes in the command's place, read from its name with or without `SIG`; a
/// real-time signal is `RTMIN+1` or `RTMAX-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct TakenSignal(pub(super) c_int);

impl TakenSignal {
    /// The names that it is read from, without those of the real-time signals.
    pub fn names() -> impl Iterator<Item = &'static str> {
        forwarded().map(|(name, _)| name)
    }
}

/// The names and numbers of all but the real-time signals.
fn forwarded() -> impl Iterator<Item = (&'static str, c_int)> {
    let forwarded = standard().filter(|signal| *signal != Signal::SIGCHLD);
    forwarded.map(|signal| (signal.as_str().trim_start_matches("SIG"), signal as c_int))
}

impl FromStr for TakenSignal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let named = || forwarded().find(|(known, _)| *known == name).map(|(_, number)| number);
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
                why.contains("HUP, INT, QUIT, ABRT, USR1") && why.ends_with("PWR and RTMIN to RTMAX"),
                "{why}"
            );
        }
    }
}
