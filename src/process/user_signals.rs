//! The signals by which a user ends or stops effllm itself, where effllm runs no command.

use std::time::{Duration, Instant};

use nix::libc;

use super::raise::stop_by_signal;
use super::signals::USER_SIGNALS;
use super::wait::Stall;
use super::{DefaultSignalHandler, Signals, inherited};
use crate::error::Error;

/// A user's request to effllm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRequest {
    /// Ctrl-C, SIGTERM or SIGHUP.
    End,
    /// Ctrl-Z.
    Stop,
}

/// Ctrl-C, Ctrl-Z, SIGTERM and SIGHUP as messages.
#[derive(Debug)]
pub struct UserSignals(Signals);

impl UserSignals {
    /// Takes the signals from here on, in threads that are started later too. Signals that the caller
    /// has ignored (`nohup`, a script's `&`) stay ignored.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn take() -> Result<Self, Error> {
        let is_taken = |signal: &libc::c_int| *signal != libc::SIGQUIT && !inherited::is_ignored(*signal);
        Signals::take(USER_SIGNALS.into_iter().filter(is_taken)).map(Self)
    }

    /// See [`Signals::release`].
    pub fn release(&self) {
        self.0.release();
    }

    /// See [`Signals::install_default_handler`].
    pub fn install_default_handler(&self) -> DefaultSignalHandler {
        self.0.install_default_handler()
    }

    /// Waits for a request, or until `due`.
    pub fn wait(&self, due: Instant) -> Option<Stall> {
        self.0.wait(due)
    }

    /// Waits for a request to end, and stops effllm meanwhile if Ctrl-Z asks for that. False if there is
    /// none within this time.
    pub fn ends_within(&self, timeout: Duration) -> bool {
        let due = Instant::now() + timeout;
        loop {
            while let Some(request) = self.next() {
                match request {
                    UserRequest::End => return true,
                    UserRequest::Stop => stop_effllm(),
                }
            }
            if Instant::now() >= due {
                return false;
            }
            self.wait(due);
        }
    }

    /// The next request, if one has come.
    pub fn next(&self) -> Option<UserRequest> {
        let stop_or_end = |signal| if signal == libc::SIGTSTP { UserRequest::Stop } else { UserRequest::End };
        self.0.next().map(|arrival| stop_or_end(arrival.signal))
    }
}

/// Stops effllm as Ctrl-Z does; returns when it is continued.
pub fn stop_effllm() {
    stop_by_signal(libc::SIGTSTP);
}
