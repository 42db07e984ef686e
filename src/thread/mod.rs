//! Threads that keep running while a library is being loaded.
//!
//! The loader runs a library's own code under a lock, and that code may wait for ever for a driver that
//! hangs. glibc takes the same lock when a thread first uses a thread-local value that has a
//! destructor; std and crossbeam_channel each have one. So every thread that must keep running has
//! started, and has used these values, before a GPU library is opened.

pub mod worker;

use std::convert::Infallible;
use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::bounded;

/// How long to wait for a thread to be ready. Only a busy machine needs that long, or a loader that
/// hangs already, where no time would be enough.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts a thread; returns when it has run [`init_thread_locals`].
///
/// # Errors
/// The system has no threads left.
pub fn spawn_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let (ready, is_ready) = bounded::<Infallible>(0);
    let begin = move || {
        init_thread_locals();
        drop(ready);
        work();
    };
    let thread = Builder::new().name(name.to_owned()).spawn(begin)?;
    let _ = is_ready.recv_timeout(READY_TIMEOUT);
    Ok(thread)
}

/// Uses the thread-local values that this thread may need later.
pub fn init_thread_locals() {
    let (_open, empty) = bounded::<Infallible>(0);
    let _ = empty.recv_timeout(Duration::from_nanos(1)); // times out, which is what uses them
}
