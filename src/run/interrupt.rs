//! Ctrl-C as a message, for what effllm does until it is told to end.

use std::ptr;

use crossbeam_channel::{Receiver, bounded};
use nix::libc::{self, c_int};

use crate::error::Error;

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

fn is_ignored(signal: c_int) -> bool {
    // SAFETY: an all-zero sigaction is a valid one to be overwritten, and asking changes nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
