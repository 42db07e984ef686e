//! The processes that descend from the command, found in /proc.
//!
//! Descent is by parent, not by session or process group: torchrun puts its workers in sessions of
//! their own. A process whose parent has died is adopted by the nearest ancestor that is a child
//! subreaper: by effllm, which is one while it runs a command.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};

use super::procfs::Process;

/// A child of effllm's own that is no part of the command's tree; 0 if there is none.
static EXCLUDED: AtomicU32 = AtomicU32::new(0);

/// Keeps a child of effllm's own out of the command's tree.
pub fn exclude(pid: u32) {
    EXCLUDED.store(pid, Ordering::Relaxed);
}

/// The processes that are measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// The descendants of a process, without `strangers` and their descendants.
    Below { root: u32, strangers: Vec<u32> },
    /// A process and its descendants.
    Of(u32),
}

impl Tree {
    /// The future descendants of effllm: the command, its descendants, and its orphans once effllm is
    /// their subreaper. The present children of effllm belong to the process that executed effllm.
    pub fn of_the_command() -> Self {
        let us = std::process::id();
        let strangers = Self::Below { root: us, strangers: Vec::new() }.processes();
        Self::Below { root: us, strangers: strangers.iter().map(|process| process.pid).collect() }
    }

    /// The processes that can be read now.
    pub fn processes(&self) -> Vec<Process> {
        match self {
            Self::Below { root, strangers } => {
                let mut tree = tree(*root, &[strangers, &[EXCLUDED.load(Ordering::Relaxed)][..]].concat());
                tree.drain(..1.min(tree.len()));
                tree
            }
            Self::Of(root) => tree(*root, &[]),
        }
    }

    /// Whether a process is one of them; `None` where there is no process with this PID.
    pub fn contains(&self, pid: u32) -> Option<bool> {
        // Parents change while they are followed: the way up could lead in a circle.
        const MOST_ANCESTORS: usize = 4096;
        let parent = |pid: &u32| Process::read(*pid).map(|process| process.parent);
        Process::read(pid)?;
        let mut ancestry = std::iter::successors(Some(pid), parent).take(MOST_ANCESTORS);
        Some(match self {
            Self::Below { root, strangers } => {
                pid != *root && ancestry.take_while(|pid| !strangers.contains(pid)).any(|pid| pid == *root)
            }
            Self::Of(root) => ancestry.any(|pid| pid == *root),
        })
    }

    /// Asks every process to end (SIGTERM).
    pub fn terminate(&self) {
        send(&self.processes(), Signal::SIGTERM);
    }

    /// Kills the command and all of its tree, in whatever session they are. Processes that are born
    /// meanwhile are found by reading the tree again.
    pub fn kill(&self, command: Pid) {
        // Without /proc the command's PID and group are all that is known.
        let _ = kill(command, Signal::SIGKILL);
        if getpgid(Some(command)) == Ok(command) {
            send_to_group(command, Signal::SIGKILL);
        }
        for _ in 0..3 {
            send(&self.processes(), Signal::SIGKILL);
        }
    }
}

fn send(processes: &[Process], signal: Signal) {
    for process in processes {
        // Fails only for a process that has just ended.
        let _ = kill(Pid::from_raw(process.pid.cast_signed()), signal);
    }
}

/// Makes effllm the parent of its descendants' orphans, or no longer. Where the kernel cannot, orphans
/// leave the tree.
pub fn adopt_orphans(adopt: bool) {
    let _ = set_child_subreaper(adopt);
}

/// Sends a signal to the process group that a process leads.
pub fn send_to_group(leader: Pid, signal: Signal) {
    let _ = kill(Pid::from_raw(-leader.as_raw()), signal);
}

/// Sends a signal to effllm's own process group, effllm included.
pub fn send_to_own_group(signal: Signal) {
    let _ = kill(Pid::from_raw(0), signal);
}

/// The process and its descendants, as far as they can be read, without `strangers`; empty if there
/// is no such process.
fn tree(root: u32, strangers: &[u32]) -> Vec<Process> {
    let mut tree = Vec::from_iter(Process::read(root));
    // A process that changes its parent meanwhile is met twice.
    let mut known: HashSet<u32> = strangers.iter().copied().chain([root]).collect();
    let mut everyone = None;
    let mut next = 0;
    while let Some(parent) = tree.get(next).map(|process| process.pid) {
        next += 1;
        let found = match children(parent) {
            Some(pids) => pids.into_iter().filter_map(Process::read).collect(),
            None => everyone.get_or_insert_with(by_parent).remove(&parent).unwrap_or_default(),
        };
        tree.extend(found.into_iter().filter(|process| known.insert(process.pid)));
    }
    tree
}

/// The children of all threads of a process (/proc/PID/task/TID/children); `None` for a kernel
/// without CONFIG_PROC_CHILDREN. Costs a read for each thread of the tree, not for each process of
/// the machine.
fn children(pid: u32) -> Option<Vec<u32>> {
    let mut pids = Vec::new();
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Some(pids); // the process ended
    };
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => pids.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok())),
            Err(error) if error.kind() == ErrorKind::NotFound && thread.path().join("stat").exists() => {
                return None;
            }
            Err(_) => {} // the thread ended
        }
    }
    Some(pids)
}

/// Every process of the machine, by its parent.
fn by_parent() -> HashMap<u32, Vec<Process>> {
    let mut children: HashMap<u32, Vec<Process>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(process) = pid.and_then(Process::read) {
            children.entry(process.parent).or_default().push(process);
        }
    }
    children
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_holds() {
        let rest =
            b"S 41 42 42 0 -1 4194560 329 23 0 6 63 30 5 2 20 0 13 0 250 43364352 3185 18446744073709551615";
        let read = Process {
            pid: 42,
            parent: 41,
            zombie: false,
            stopped: false,
            start_ticks: 250,
            cpu_ticks: 63 + 30 + 5 + 2,
            resident_pages: 3185,
        };
        for name in [&b"python"[..], b"tmux: server", b"a) S 1 (b", b")", b"", b"\xff\xfe", b"new\nline"] {
            let line = [b"42 (", name, b") ", rest].concat();
            assert_eq!(Process::parse(42, &line), Some(read), "{}", String::from_utf8_lossy(name));
        }
        for line in [&b""[..], b"42 (x", b"42 (x)", b"42 (x) S 41", b"42 (x) S -1 x", b"\xff) \xff"] {
            assert_eq!(Process::parse(42, line), None);
        }
    }

    #[test]
    fn descendants_are_found_in_sessions_of_their_own_and_from_every_thread() {
        let family = Family::of("sleep 600 & setsid sh -c 'sleep 600 & wait' & wait", 4);
        assert_eq!(family.tree()[0].pid, family.root());
        assert!(family.tree().iter().all(|process| !process.zombie));
        // A test runs in a thread of its own, so the shell is not a child of the main thread.
        let ours: HashSet<u32> = tree(std::process::id(), &[]).iter().map(|process| process.pid).collect();
        assert!(family.tree().iter().all(|process| ours.contains(&process.pid)));
    }

    #[test]
    fn the_scan_of_every_process_finds_the_same_children() {
        let family = Family::of("sleep 600 & sleep 600 & wait", 3);
        let mut listed = children(family.root()).unwrap_or_default();
        let scanned = by_parent().remove(&family.root()).unwrap_or_default();
        let mut scanned: Vec<u32> = scanned.iter().map(|process| process.pid).collect();
        listed.sort_unstable();
        scanned.sort_unstable();
        assert_eq!(listed, scanned);
    }

    #[test]
    fn a_process_that_is_gone_has_no_tree() {
        let mut child = Command::new("true").spawn().unwrap();
        wait_until(|| tree(child.id(), &[]).iter().all(|process| process.zombie));
        child.wait().unwrap();
        assert_eq!(tree(child.id(), &[]), []);
    }

    /// A shell and what it started.
    struct Family(Child);

    impl Family {
        fn of(script: &str, processes: usize) -> Self {
            let family = Self(Command::new("sh").args(["-c", script]).spawn().unwrap());
            wait_until(|| family.tree().len() == processes);
            family
        }

        fn root(&self) -> u32 {
            self.0.id()
        }

        fn tree(&self) -> Vec<Process> {
            tree(self.root(), &[])
        }
    }

    impl Drop for Family {
        fn drop(&mut self) {
            for process in self.tree() {
                let _ = kill(Pid::from_raw(process.pid.cast_signed()), Signal::SIGKILL);
            }
            let _ = self.0.wait();
        }
    }

    fn wait_until(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition() {
            assert!(Instant::now() < deadline, "timed out");
            sleep(Duration::from_millis(5));
        }
    }
}
