//! Processes, by what /proc says of them.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{TestEnv, until};

/// Without the processes that write files for effllm.
pub fn children(pid: Pid) -> Vec<Pid> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let writes_files = |pid: &&str| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "effllm-files\n")
    };
    let children = listed.split_whitespace().filter(|pid| !writes_files(pid));
    children.filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}

/// Its state's letter, such as T for stopped; a space where there is no such process.
pub fn state(pid: Pid) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or(' ')
}

/// A figure of /proc/PID/status in KiB, such as VmHWM, the largest resident set.
#[track_caller]
pub fn kibibytes(pid: Pid, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect(name);
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Whether a signal was sent to a process, which has not received it yet.
#[track_caller]
pub fn is_pending(pid: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let set = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("pending signals");
    u64::from_str_radix(set.trim(), 16).expect("a set") & 1 << (signal as i32 - 1) != 0
}

/// The process that has written its ID and a newline into a file.
#[track_caller]
pub fn written_in(env: &TestEnv, name: &str) -> Pid {
    until("a process's ID", || env.exists(name) && env.read(name).ends_with('\n'));
    Pid::from_raw(env.read(name).trim().parse().expect("a process ID"))
}

pub fn exists(pid: Pid) -> bool {
    kill(pid, None).is_ok()
}

pub fn kill_tree(pid: Pid) {
    let children = children(pid);
    let _ = kill(pid, Signal::SIGKILL);
    children.into_iter().for_each(kill_tree);
}
