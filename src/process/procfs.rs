//! What /proc says of single processes (proc(5)).

use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::libc;
use nix::unistd::Pid;

/// One process, by its /proc/PID/stat (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// It has ended, and its parent has not reaped it yet.
    pub zombie: bool,
    /// A signal has stopped it.
    pub stopped: bool,
    /// When it started, in clock ticks since the machine did.
    pub start_ticks: u64,
    /// User and system time, with that of the children that it waited for, in clock ticks.
    pub cpu_ticks: u64,
    /// The kernel's quick count, which may lag by some pages for each processor.
    pub resident_pages: u64,
}

impl Process {
    /// `None` for one that has ended and was reaped.
    pub fn read(pid: u32) -> Option<Self> {
        Self::parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    pub(super) fn parse(pid: u32, stat: &[u8]) -> Option<Self> {
        // The second field, the name, is in parentheses and may hold any bytes, parentheses and invalid
        // UTF-8 included: the third field begins after the last closing parenthesis.
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let after_name = str::from_utf8(stat.get(name_end + 1..)?).ok()?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let count = |number| field(number)?.parse::<u64>().ok();
        let state = field(3)?;
        Some(Self {
            pid,
            parent: field(4)?.parse().ok()?,
            zombie: matches!(state, "Z" | "X"),
            stopped: state == "T",
            start_ticks: count(22)?,
            cpu_ticks: [14, 15, 16, 17].into_iter().map(count).sum::<Option<u64>>()?,
            resident_pages: count(24)?,
        })
    }

    /// Where each of its descriptors leads.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = String> {
        let listed = fs::read_dir(format!("/proc/{}/fd", self.pid)).into_iter().flatten().flatten();
        listed.filter_map(|descriptor| place(&descriptor.path()))
    }
}

/// Where the stdin of a process leads, such as `pipe:[123]` or `/dev/pts/0`.
pub fn stdin_of(pid: u32) -> Option<String> {
    place(Path::new(&format!("/proc/{pid}/fd/0")))
}

/// Where a descriptor of effllm's leads.
pub fn place_of(descriptor: &impl AsRawFd) -> Option<String> {
    place(Path::new(&format!("/proc/self/fd/{}", descriptor.as_raw_fd())))
}

/// The link is read and not followed: a file system that is gone would block.
fn place(link: &Path) -> Option<String> {
    Some(fs::read_link(link).ok()?.to_string_lossy().into_owned())
}

/// The environment that a process was given when it was executed (/proc/PID/environ); `None` for one that has ended
/// or is another user's.
pub fn environment(pid: u32) -> Option<Vec<(String, String)>> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let entries = text.split('\0').filter_map(|entry| entry.split_once('='));
    Some(entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Whether a process is stopped; false where /proc cannot be read.
pub fn is_stopped(pid: Pid) -> bool {
    Process::read(pid.as_raw().cast_unsigned()).is_some_and(|process| process.stopped)
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
