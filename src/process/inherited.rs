//! Ignored signals, closed descriptors and the death signal that effllm was started with, recorded before
//! anything changes them.
//!
//! Rust's runtime ignores SIGPIPE and opens /dev/null for each closed one of stdin, stdout and
//! stderr before `main` begins; the command inherits all of them as they were.

use std::fs::{self, File};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::libc;
use nix::unistd::{close, dup2_stdin, dup2_stdout};

/// Signals that effllm may ignore though its caller did not, or the other way round: Rust ignores
/// SIGPIPE, and a process that ignores SIGCHLD learns no exit status.
const CHANGED: [libc::c_int; 2] = [libc::SIGPIPE, libc::SIGCHLD];
/// Whether each of them was ignored.
static IGNORED: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
/// Whether descriptors 0, 1 and 2 were closed.
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// The signal that is sent when the parent dies (PR_SET_PDEATHSIG): exec keeps it, fork does not.
static DEATH_SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Whether a signal is ignored now.
pub fn is_ignored(number: libc::c_int) -> bool {
    // SAFETY: an all-zero sigaction is a valid one to be overwritten, and asking changes nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(number, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

extern "C" fn record() {
    // SAFETY: reading a descriptor's flags or a death signal changes nothing.
    unsafe {
        for (number, ignored) in CHANGED.into_iter().zip(&IGNORED) {
            ignored.store(is_ignored(number), Ordering::Relaxed);
        }
        let mut signal: libc::c_int = 0;
        if libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal) == 0 {
            DEATH_SIGNAL.store(signal, Ordering::Relaxed);
        }
        for (fd, closed) in (0..).zip(&CLOSED) {
            closed.store(libc::fcntl(fd, libc::F_GETFD) == -1, Ordering::Relaxed);
        }
    }
}

// SAFETY: the loader calls each function of .init_array once, before the runtime starts; this one
// only reads and needs none of it.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

/// Restores all of them, in the process that is about to become the command. Async-signal-safe.
///
/// # Errors
/// None: for use in `pre_exec`.
pub fn restore() -> io::Result<()> {
    for (number, ignored) in CHANGED.into_iter().zip(&IGNORED) {
        if ignored.load(Ordering::Relaxed) {
            // SAFETY: ignoring a signal runs no code.
            unsafe { libc::signal(number, libc::SIG_IGN) };
        }
    }
    let signal = DEATH_SIGNAL.load(Ordering::Relaxed);
    if signal != 0 {
        // SAFETY: takes numbers only.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) };
    }
    for (fd, closed) in (0..).zip(&CLOSED) {
        if closed.load(Ordering::Relaxed) {
            // SAFETY: the descriptor is the runtime's /dev/null or a pipe of ours, and nothing in
            // this process uses it.
            unsafe { libc::close(fd) };
        }
    }
    Ok(())
}

/// effllm's copies of descriptors that are the command's. Unless effllm closes its own, the other end of a
/// pipe does not see that the command has closed it, and a lock is held.
#[derive(Debug)]
pub struct Copies {
    above_stderr: Vec<RawFd>,
    has_stdout: bool,
}

/// effllm's copy of standard output, closed when this is dropped.
#[derive(Debug)]
pub struct StdoutCopy(());

impl Copies {
    /// All but those to which the path of an output of effllm's leads (`/dev/stdout`, `/dev/fd/63`).
    pub fn find(outputs: &[&Path]) -> Self {
        let is_unused = |fd: &RawFd| {
            let place = format!("/proc/self/fd/{fd}");
            outputs.iter().all(|output| !is_same_file(output, place.as_ref()))
        };
        let listed = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let listed = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self {
            above_stderr: listed.filter(|fd| *fd > 2 && is_inherited(*fd)).filter(is_unused).collect(),
            has_stdout: is_unused(&1),
        }
    }

    /// Closes those that effllm does not need beside the command. Returns that of standard output, to which
    /// the command's is passed on.
    pub fn close(self) -> Option<StdoutCopy> {
        for fd in self.above_stderr {
            let _ = close(fd);
        }
        // A descriptor that effllm opens later must not get the number.
        if let Ok(null) = File::open("/dev/null") {
            let _ = dup2_stdin(null);
        }
        self.has_stdout.then(|| StdoutCopy(()))
    }
}

impl Drop for StdoutCopy {
    fn drop(&mut self) {
        if let Ok(null) = File::options().write(true).open("/dev/null") {
            let _ = dup2_stdout(null);
        }
    }
}

/// Whether a descriptor is open, and not one of effllm's own, which exec closes.
fn is_inherited(fd: RawFd) -> bool {
    // SAFETY: reading a descriptor's flags changes nothing.
    unsafe { libc::fcntl(fd, libc::F_GETFD) & libc::FD_CLOEXEC == 0 }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    place(one).is_some_and(|one| place(other) == Some(one))
}
