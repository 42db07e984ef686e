//! Ctrl-C as a message, for what effllm does until it is told to end, and Ctrl-Z without a table
//! that stays on the screen.

use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded};
use nix::libc::{self, c_int};
use nix::sys::signal::{SigSet, Signal};

use crate::error::Error;
use crate::process::{is_ignored, stop_like};
use crate::terminal::Terminal;
use crate::thread::spawn_thread;

/// What ctrlc takes, with its `termination` feature.
const TAKEN: [c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Takes Ctrl-C, SIGTERM and SIGHUP; each of them is a message that says to end. Those that the
/// caller has ignored (`nohup`, a script's `&`) stay ignored. Can be called once.
///
/// # Errors
/// The system's.
pub fn interruptions() -> Result<Receiver<()>, Error> {
    let (tell, told) = bounded(1);
    let ignored: Vec<c_int> = TAKEN.into_iter().filter(|signal| is_ignored(*signal)).collect();
    let tell = move || {
        let _ = tell.try_send(()); // full: it has been said already
    };
    ctrlc::set_handler(tell).map_err(|error| Error::failed(format!("cannot take Ctrl-C: {error}")))?;
    for signal in ignored {
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    Ok(told)
}

/// Ctrl-Z, taken from every thread that is started later.
pub struct Stops(SigSet);

impl Stops {
    /// Takes it. That fails nowhere; and if it did, effllm would stop as any program does.
    pub fn take() -> Self {
        let stop = SigSet::from(Signal::SIGTSTP);
        let _ = stop.thread_block();
        Self(stop)
    }

    /// From here on Ctrl-Z stops effllm after its table has left the screen, which comes back with
    /// it.
    pub fn clear_the_screen_of(self, terminal: Arc<Terminal>) {
        let wait = move || {
            while let Ok(signal) = self.0.wait() {
                let _ = terminal.pause();
                stop_like(signal as c_int);
                terminal.resume();
            }
        };
        // Without a thread it cannot be stopped, and still be ended.
        let _ = spawn_thread("effllm-stop", wait);
    }
}
