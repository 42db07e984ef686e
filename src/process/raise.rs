//! Signals that effllm raises in itself, so that its parent sees it stop or die as the command did.

use nix::libc::{self, c_int};
use nix::sys::prctl::set_dumpable;

/// Ends effllm by a signal; returns if the signal's default action ends no process.
pub fn die_by_signal(number: c_int) {
    // A core file of effllm's would say nothing of the command.
    let _ = set_dumpable(false);
    stop_by_signal(number);
}

/// Stops effllm by a signal, so that a shell sees its job stop; returns when effllm is continued.
///
/// The signal is raised in this thread, unblocked and with its default disposition; both are restored.
pub fn stop_by_signal(number: c_int) {
    // SAFETY: the sets and actions are initialised by the calls before they are read; the default
    // disposition runs no code of ours; an unknown number fails each call and changes nothing.
    unsafe {
        let (mut set, mut mask): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
        let (mut default, mut before): (libc::sigaction, libc::sigaction) =
            (std::mem::zeroed(), std::mem::zeroed());
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, number);
        libc::sigaction(number, &raw const default, &raw mut before);
        // Raised before it is unblocked: a signal that the terminal has sent meanwhile is delivered
        // together with this one. Otherwise effllm would stop twice, the second time after `fg`.
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut mask);
        libc::raise(number);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut());
        libc::sigaction(number, &raw const before, std::ptr::null_mut());
    }
}
