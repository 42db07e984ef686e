//! Threads that keep running while a library is being loaded.
//!
//! The loader runs a library's own code under a lock, and a GPU library may wait for ever for a driver that
//! hangs. glibc takes the same lock when a thread first uses a thread-local value that has a destructor; std
//! and crossbeam_channel each have one. So each thread uses them first of all, and a library is loaded only
//! after [`wait_for_starting_threads`].

pub mod worker;

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use crossbeam_channel::bounded;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Threads that have been started and have not run [`init_thread_locals`].
static STARTING: AtomicUsize = AtomicUsize::new(0);

/// The signals of a thread's own faults.
pub const FAULTS: [Signal; 6] =
    [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGTRAP, Signal::SIGSYS];

/// Whether effllm never blocks a signal: a fault's, and the one that stops a background process which reads
/// the terminal. Blocked, SIGTTOU stops no process that writes there.
pub fn is_never_blocked(signal: Signal) -> bool {
    FAULTS.contains(&signal) || signal == Signal::SIGTTIN
}

/// Starts a thread, which first runs [`init_thread_locals`]. Signals are the main thread's, as far as they can
/// be blocked.
///
/// # Errors
/// The system has no threads left.
pub fn spawn_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let begin = move || {
        init_thread_locals();
        STARTING.fetch_sub(1, Ordering::SeqCst);
        work();
    };
    STARTING.fetch_add(1, Ordering::SeqCst);
    let mut blocked = SigSet::all();
    Signal::iterator().filter(|signal| is_never_blocked(*signal)).for_each(|signal| blocked.remove(signal));
    let mask = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK); // which the thread inherits
    let thread = Builder::new().name(name.to_owned()).spawn(begin);
    let _ = mask.and_then(|mask| mask.thread_set_mask());
    if thread.is_err() {
        STARTING.fetch_sub(1, Ordering::SeqCst);
    }
    thread
}

/// Waits until all threads that were started can keep running while a library is being loaded.
pub fn wait_for_starting_threads() {
    while STARTING.load(Ordering::SeqCst) > 0 {
        sleep(Duration::from_millis(1));
    }
}

/// Has this thread use the thread-local values that it may need later.
pub fn init_thread_locals() {
    let (_open, empty) = bounded::<Infallible>(0);
    let _ = empty.recv_timeout(Duration::from_nanos(1)); // times out, which is what uses them
}
