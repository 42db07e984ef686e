//! The default action of a user's signals, for the time in which there is no command to receive them.

use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use nix::libc::{self, c_int};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use super::raise::{die_by_signal, stop_by_signal};
use crate::thread::spawn_thread;

/// How long effllm goes on after such a signal once the command has ended: a job's end is signalled to
/// the command first, and the report is still to be written.
const GRACE: Duration = Duration::from_secs(2);

/// A thread in which the user's signals have their default action, before the command starts and after
/// its end. It starts before a library is loaded that may hold up later threads.
#[derive(Debug)]
pub struct DefaultSignalHandler(Option<Sender<()>>);

impl DefaultSignalHandler {
    /// Starts the thread, for signals that are blocked in all others.
    pub fn start(signals: SigSet) -> Self {
        let (sender, switches) = bounded(0);
        let handle = move || {
            let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&signals), None);
            if switches.recv().is_err() {
                return; // effllm ends without a command
            }
            let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&signals), None);
            let _ = switches.recv(); // acknowledges that the signals are blocked
            if switches.recv().is_ok() {
                end_soon(&signals);
            }
        };
        // Without a thread the signals wait for the command.
        let thread = spawn_thread("effllm-signals", handle);
        Self(thread.is_ok().then_some(sender))
    }

    /// From here on the signals are the command's.
    pub fn suspend(&self) {
        self.switch();
        self.switch();
    }

    /// From here on a signal ends effllm if effllm does not end soon by itself, and a second signal
    /// ends it immediately.
    pub fn resume(&self) {
        self.switch();
    }

    fn switch(&self) {
        let _ = self.0.as_ref().map(|sender| sender.send(())); // fails if the thread has panicked
    }
}

fn end_soon(signals: &SigSet) -> ! {
    loop {
        match next(signals, None) {
            Some(libc::SIGTSTP) => stop_by_signal(libc::SIGTSTP),
            Some(signal) => {
                let second = next(signals, Some(GRACE)).filter(|second| *second != libc::SIGTSTP);
                die_by_signal(second.unwrap_or(signal));
            }
            None => {}
        }
    }
}

/// The next of these blocked signals; `None` if none comes within the timeout.
fn next(signals: &SigSet, timeout: Option<Duration>) -> Option<c_int> {
    let timeout = timeout.map(nix::sys::time::TimeSpec::from);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), |time| std::ptr::from_ref(time.as_ref()));
    // SAFETY: reads a set and a time that are there, and writes nothing.
    let signal = unsafe { libc::sigtimedwait(signals.as_ref(), std::ptr::null_mut(), timeout) };
    (signal > 0).then_some(signal)
}
