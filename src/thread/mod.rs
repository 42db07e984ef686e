//! Threads that go on while a library is being loaded.
//!
//! The loader runs a library's own code under a lock, and NVML's may wait for ever for a driver that
//! hangs. glibc takes the same lock when a thread first uses a thread-local value that has a
//! destructor; std and crossbeam_channel each have one. So what is to go on is started, and has used
//! them, before NVML is opened.

pub mod worker;

use std::convert::Infallible;
use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::bounded;

/// How long a thread that begins is waited for: where the loader is held up already, not at all would
/// be as good.
const PATIENCE: Duration = Duration::from_millis(100);

/// Starts a thread; returns when it has run [`init_thread_locals`].
///
/// # Errors
/// The system has no thread to give.
pub fn spawn_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let (ready, is_ready) = bounded::<Infallible>(0);
    let begin = move || {
        init_thread_locals();
        drop(ready);
        work();
    };
    let thread = Builder::new().name(name.to_owned()).spawn(begin)?;
    let _ = is_ready.recv_timeout(PATIENCE);
    Ok(thread)
}

/// Has this thread use the thread-local values that it may need later.
pub fn init_thread_locals() {
    let (_open, empty) = bounded::<Infallible>(0);
    let _ = empty.recv_timeout(Duration::from_nanos(1)); // times out, which is what uses them
}
