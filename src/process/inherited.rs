//! Ignored signals, closed descriptors and the death signal that effllm was started with, recorded before
//! anything changes them.
//!
//! Rust's runtime ignores SIGPIPE and opens /dev/null for each closed one of stdin, stdout and
//! stderr before `main` begins; the command inherits all of them as they were.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::libc;

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
