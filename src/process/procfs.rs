//! What /proc says of single processes (proc(5)).

use std::fs;

use nix::libc;
use nix::unistd::Pid;

/// The fields of /proc/PID/stat by their number in proc_pid_stat(5).
pub struct StatFields<'stat>(Vec<&'stat str>);

impl<'stat> StatFields<'stat> {
    /// The second field, the name, is in parentheses and may hold any bytes, parentheses and invalid
    /// UTF-8 included: the third field begins after the last closing parenthesis.
    pub fn parse(stat: &'stat [u8]) -> Option<Self> {
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let after_name = str::from_utf8(stat.get(name_end + 1..)?).ok()?;
        Some(Self(after_name.split_ascii_whitespace().collect()))
    }

    pub fn get(&self, number: usize) -> Option<&'stat str> {
        self.0.get(number.checked_sub(3)?).copied()
    }

    pub fn count(&self, number: usize) -> Option<u64> {
        self.get(number)?.parse().ok()
    }

    /// The state: `R`, `S`, `T` (stopped), `Z` (zombie), …
    fn state(&self) -> Option<&'stat str> {
        self.get(3)
    }

    pub fn is_dead(&self) -> Option<bool> {
        Some(matches!(self.state()?, "Z" | "X"))
    }
}

/// Whether a process is stopped; false where /proc cannot be read.
pub fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    StatFields::parse(&stat).is_some_and(|fields| fields.state() == Some("T"))
}

/// Whether a process ignores SIGTSTP or has a handler for it; false where /proc cannot be read.
pub fn handles_sigtstp(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    ["SigIgn:", "SigCgt:"].into_iter().any(|name| {
        let set = status.lines().find_map(|line| line.strip_prefix(name));
        let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        set.is_some_and(|set| set & 1 << (libc::SIGTSTP - 1) != 0)
    })
}
