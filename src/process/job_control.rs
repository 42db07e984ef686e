//! Stopping effllm together with its command, so that a shell sees its job stop, and continuing both.

use std::fs::File;

use nix::libc::{self, c_int};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid, getpgrp, getppid, tcgetpgrp};

use super::keyboard::Keyboard;
use super::raise::stop_by_signal;
use super::signal_policy::{Origin, stops_too};
use super::signals::is_pending;
use super::tree::{send_to_group, send_to_own_group};

/// The stop signals that effllm has received, and its own stops.
#[derive(Debug, Default)]
pub struct JobControl {
    /// Who asked effllm itself to stop, since it was last continued.
    stop_asked_by: Option<Origin>,
    /// effllm has stopped with the command and been continued: that SIGCONT is still to be read.
    resumed: bool,
}

impl JobControl {
    /// Takes note of a signal that was sent to effllm.
    pub fn note(&mut self, signal: c_int, origin: Origin) {
        match signal {
            libc::SIGTSTP | libc::SIGTTOU if origin != Origin::Own => self.stop_asked_by = Some(origin),
            libc::SIGCONT => self.stop_asked_by = None,
            _ => {}
        }
    }

    /// Whether this is the SIGCONT that ended effllm's own stop. It was sent to the whole job.
    pub fn is_own_resume(&mut self, signal: c_int) -> bool {
        signal == libc::SIGCONT && std::mem::take(&mut self.resumed)
    }

    /// The command was stopped by a signal: stops effllm as well, if both will be continued together.
    /// Returns once effllm has been continued, and whether it was stopped.
    pub fn stop_with_command(
        &mut self,
        signal: c_int,
        command: Pid,
        keyboard: Option<&mut Keyboard>,
    ) -> bool {
        let asked_by = self.stop_asked_by.take();
        let asked = asked_by.is_some() || is_pending(libc::SIGTSTP) || is_pending(signal);
        if !stops_too(signal, asked, keyboard.is_some(), shell_waits()) {
            return false;
        }
        match keyboard {
            None => stop_by_signal(signal),
            Some(keyboard) => {
                keyboard.release();
                if asked_by == Some(Origin::Key) {
                    // The rest of a pipeline stops too; effllm's own copy is taken with the next signal.
                    send_to_own_group(Signal::SIGTSTP);
                }
                // As for Ctrl-Z: without a shell that could continue effllm this does nothing.
                stop_by_signal(libc::SIGTSTP);
                keyboard.hold();
                keyboard.resize_command();
                send_to_group(command, Signal::SIGCONT);
            }
        }
        self.resumed = is_pending(libc::SIGCONT);
        true
    }
}

/// Whether effllm is a job of its own in the foreground, which a shell with job control watches for
/// stops. A script's commands are in the script's process group.
fn shell_waits() -> bool {
    let is_a_job = getpgid(Some(getppid())).is_ok_and(|group| group != getpgrp());
    let terminal = File::open("/dev/tty");
    is_a_job && terminal.is_ok_and(|terminal| tcgetpgrp(terminal) == Ok(getpgrp()))
}
