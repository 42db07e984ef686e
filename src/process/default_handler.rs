//! What effllm does by a signal of the user's while there is no command to have it.

use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use nix::libc::{self, c_int};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use super::ending::{die_by, stop_like};
use crate::thread::spawn_thread;

/// Those by which a user ends or stops effllm itself, while there is no command to have them.
pub const TERMINATION_SIGNALS: [c_int; 5] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP];
/// How long effllm goes on after one of them when the command has ended: what ends a whole job comes
/// to the command first, and the report is still to be written.
const GRACE: Duration = Duration::from_secs(2);

/// Has effllm do what the user's signals say, before there is a command and when there is none any more.
/// It is one thread, which is there before a library is loaded that may hold up those to come.
#[derive(Debug)]
pub struct DefaultSignalHandler(Option<Sender<()>>);

impl DefaultSignalHandler {
    /// Begins with it, for signals that are blocked everywhere else.
    pub fn start(users: SigSet) -> Self {
        let (order, orders) = bounded(0);
        let obey = move || {
            let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&users), None);
            if orders.recv().is_err() {
                return; // there will be none
            }
            let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&users), None);
            let _ = orders.recv(); // which tells that this is done
            if orders.recv().is_ok() {
                end_soon(&users);
            }
        };
        // Without a thread they wait for the command.
        let thread = spawn_thread("effllm-signals", obey);
        Self(thread.is_ok().then_some(order))
    }

    /// From here on the signals are the command's.
    pub fn suspend(&self) {
        self.order();
        self.order();
    }

    /// From here on there is no command any more: such a signal ends effllm if it does not end soon
    /// by itself, and a second one at once.
    pub fn resume(&self) {
        self.order();
    }

    fn order(&self) {
        let _ = self.0.as_ref().map(|order| order.send(())); // fails if the thread has panicked
    }
}

fn end_soon(users: &SigSet) -> ! {
    loop {
        match wait_for(users, None) {
            Some(libc::SIGTSTP) => stop_like(libc::SIGTSTP),
            Some(signal) => {
                let second = wait_for(users, Some(GRACE)).filter(|second| *second != libc::SIGTSTP);
                die_by(second.unwrap_or(signal));
            }
            None => {}
        }
    }
}

/// The next of these blocked signals; `None` if none comes in time.
fn wait_for(signals: &SigSet, patience: Option<Duration>) -> Option<c_int> {
    let patience = patience.map(nix::sys::time::TimeSpec::from);
    let patience = patience.as_ref().map_or(std::ptr::null(), |time| std::ptr::from_ref(time.as_ref()));
    // SAFETY: reads a set and a time that are there, and writes nothing.
    let signal = unsafe { libc::sigtimedwait(signals.as_ref(), std::ptr::null_mut(), patience) };
    (signal > 0).then_some(signal)
}
