//! Signals as a file descriptor: blocked, read in the order in which they come, and sent on.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use nix::libc::{self, c_int};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::{Pid, getpid, getsid};

use super::inherited::is_ignored;
use super::raise::{die_by_signal, stop_by_signal};
use super::signal_name::taken;
use super::signal_policy::Origin;
use super::wait::{Stall, wait};
use crate::error::Error;

/// The signals by which a user ends or stops effllm itself, while there is no command to receive them.
const USER_SIGNALS: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP];

/// How many seconds effllm goes on after such a signal once the command has ended: a job's end is signalled
/// to the command first, and the report is still to be written.
const GRACE_SECONDS: u32 = 2;
/// The signal that ends effllm then; 0 if none has come.
static ENDED_BY: AtomicI32 = AtomicI32::new(0);

/// A signal that has come.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub signal: c_int,
    pub origin: Origin,
    /// The value that sigqueue(3) sent with it.
    value: Option<u64>,
}

impl Arrival {
    /// The signal that a key stands for.
    pub fn by_key(signal: c_int) -> Self {
        Self { signal, origin: Origin::Key, value: None }
    }

    /// The same signal for a command that did not exist yet when it came: whoever sent it, only effllm
    /// has received it.
    pub fn before_the_command(self) -> Self {
        match self.origin {
            Origin::Own => self,
            _ => Self { origin: Origin::Process, ..self },
        }
    }

    /// Sends it to a process as it came.
    pub fn forward_to(&self, pid: Pid) {
        // SAFETY: takes numbers; the value is not dereferenced. Fails only if the process has just
        // ended, which waitpid reports.
        unsafe {
            match self.value {
                Some(value) => {
                    let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value as usize) };
                    libc::sigqueue(pid.as_raw(), self.signal, value);
                }
                None => {
                    libc::kill(pid.as_raw(), self.signal);
                }
            }
        }
    }
}

/// A user's request to effllm itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRequest {
    /// Ctrl-C, SIGTERM or SIGHUP.
    End,
    /// Ctrl-Z.
    Stop,
}

/// Blocked signals as a file descriptor, in the order in which they come.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    original_mask: SigSet,
    /// Those of a user that have their default action while effllm waits for something else than the
    /// command. The caller has neither ignored nor blocked them.
    user: SigSet,
}

impl Signals {
    /// Takes every signal that can be meant for a command, from here on; a user's from [`Self::begin`] on.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn take_all() -> Result<Self, Error> {
        if is_ignored(libc::SIGCHLD) {
            // The kernel would reap the command itself, and effllm would not learn its status.
            // SAFETY: the default disposition runs no code.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        }
        Self::take(taken())
    }

    /// Takes only the signals by which a user ends or stops effllm. Those that the caller has ignored
    /// (`nohup`, a script's `&`) stay ignored.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn take_user_requests() -> Result<Self, Error> {
        let is_taken = |signal: &c_int| *signal != libc::SIGQUIT && !is_ignored(*signal);
        Self::take(USER_SIGNALS.into_iter().map(|signal| signal as c_int).filter(is_taken))
    }

    fn take(signals: impl Iterator<Item = c_int>) -> Result<Self, Error> {
        let failed = |error| Error::failed(format!("cannot take signals: {error}"));
        let signals = set(signals);
        let fd =
            SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        let original_mask = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(failed)?;
        let is_free = |signal: &Signal| !is_ignored(*signal as c_int) && !original_mask.contains(*signal);
        let user: SigSet =
            USER_SIGNALS.into_iter().filter(|signal| signals.contains(*signal) && is_free(signal)).collect();
        user.thread_unblock().map_err(failed)?;
        Ok(Self { fd, original_mask, user })
    }

    /// From here on a user's signals are the command's, or are read.
    pub fn begin(&self) {
        let _ = self.user.thread_block();
    }

    /// From here on a user's signal ends effllm if effllm does not end soon by itself, and a second signal
    /// ends it immediately.
    pub fn end(&self) {
        let mut handled = self.user;
        handled.add(Signal::SIGALRM);
        for number in &handled {
            // SAFETY: the handler makes only async-signal-safe calls.
            let _ = unsafe { signal(number, SigHandler::Handler(end_soon)) };
        }
        let _ = handled.thread_unblock();
    }

    /// Restores the mask that effllm was started with: no command will be run.
    pub fn release(&self) {
        let _ = self.original_mask.thread_set_mask();
    }

    /// The mask that effllm was started with, which is the command's.
    pub fn original_mask(&self) -> SigSet {
        self.original_mask
    }

    /// The next signal, if one has come.
    pub fn next(&self) -> Option<Arrival> {
        let info: siginfo = self.fd.read_signal().ok().flatten()?;
        let signal = c_int::try_from(info.ssi_signo).ok()?;
        let origin = match info.ssi_code {
            libc::SI_KERNEL if signal == libc::SIGHUP && leads_session() => Origin::HangUp,
            libc::SI_KERNEL => Origin::Terminal,
            _ if info.ssi_pid == std::process::id() => Origin::Own,
            _ => Origin::Process,
        };
        let value = (info.ssi_code == libc::SI_QUEUE).then_some(info.ssi_ptr);
        Some(Arrival { signal, origin, value })
    }

    /// The signals that have come by now.
    pub fn all(&self) -> impl Iterator<Item = Arrival> {
        std::iter::from_fn(|| self.next())
    }

    /// Whether a user's signal has come that is to end effllm. Reads all that have come.
    pub fn has_termination(&self) -> bool {
        let ends = |number| self.user.iter().any(|user| user as c_int == number && user != Signal::SIGTSTP);
        self.all().fold(false, |found, arrival| found | ends(arrival.signal))
    }

    /// Waits for a signal, or until `due`.
    pub fn wait(&self, due: Instant) -> Option<Stall> {
        wait(&mut [PollFd::new(self.fd(), PollFlags::POLLIN)], Instant::now(), due)
    }

    /// The next request of a user, if one has come.
    pub fn next_request(&self) -> Option<UserRequest> {
        let is_stop = self.next()?.signal == libc::SIGTSTP;
        Some(if is_stop { UserRequest::Stop } else { UserRequest::End })
    }

    /// Readable when a signal has come.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

extern "C" fn end_soon(number: c_int) {
    match number {
        libc::SIGTSTP => stop_by_signal(number),
        libc::SIGALRM => die_by_signal(ENDED_BY.load(Ordering::Relaxed)),
        _ if ENDED_BY.swap(number, Ordering::Relaxed) != 0 => die_by_signal(number),
        // SAFETY: takes a number; async-signal-safe.
        _ => drop(unsafe { libc::alarm(GRACE_SECONDS) }),
    }
}

/// Stops effllm as Ctrl-Z does; returns when it is continued.
pub fn stop_effllm() {
    stop_by_signal(libc::SIGTSTP);
}

/// Whether a taken signal has come and was not read yet.
pub fn is_pending(signal: c_int) -> bool {
    // SAFETY: an all-zero set may be overwritten; it is only read if it has been.
    unsafe {
        let mut pending: libc::sigset_t = mem::zeroed();
        libc::sigpending(&raw mut pending) == 0 && libc::sigismember(&raw const pending, signal) == 1
    }
}

fn set(signals: impl Iterator<Item = c_int>) -> SigSet {
    // SAFETY: the set is initialised by the first call; the others only add to it.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        SigSet::from_sigset_t_unchecked(set)
    }
}

/// Whether effllm leads its session, as the command would in its place: under `ssh -t` or
/// `docker run -t`.
fn leads_session() -> bool {
    getsid(None) == Ok(getpid())
}
