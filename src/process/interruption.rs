//! Ctrl-C as a message, for a subcommand that starts and measures no process.

use crossbeam_channel::{Receiver, bounded};
use nix::libc::{self, c_int};

use super::inherited::is_ignored;
use crate::error::Error;

/// The signals that ctrlc takes with its feature `termination`.
const TAKEN: [c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Receives a message at Ctrl-C, SIGTERM and SIGHUP. A signal that the caller ignores (`nohup`, a script's
/// `&`) stays ignored. Can be called once.
///
/// # Errors
/// The system's.
pub fn interruptions() -> Result<Receiver<()>, Error> {
    let (interrupted, interruptions) = bounded(1);
    let ignored: Vec<c_int> = TAKEN.into_iter().filter(|signal| is_ignored(*signal)).collect();
    let interrupt = move || {
        let _ = interrupted.try_send(()); // full: a message waits already
    };
    ctrlc::set_handler(interrupt).map_err(|error| Error::failed(format!("cannot take Ctrl-C: {error}")))?;
    for signal in ignored {
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    Ok(interruptions)
}
