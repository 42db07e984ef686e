//! The second stage of `monitor`: measures until the end, and writes the report.

use std::io;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::process::{Ending, ExternalProcess, LifecycleEvent, Signals, UserRequest, stop_effllm};
use crate::report::Status;
use crate::session::Recording;
use crate::session::verdict::Gate;
use crate::thread::worker::Worker;

/// How often the process is checked. Its end is seen in /proc rather than through a pidfd, which kernels
/// before 5.3 do not have.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long the end waits for the rest of the log.
const TAILER_TIMEOUT: Duration = Duration::from_secs(2);

/// A measurement that has begun.
pub struct Measuring<'a> {
    pub signals: &'a Signals,
    pub process: Option<ExternalProcess>,
    pub log_tailer: Option<io::Result<Worker>>,
    /// Neither a process nor a log is measured.
    pub only_gpus: bool,
    pub until: Option<Instant>,
    pub recording: Recording,
    pub gate: Gate,
}

impl Measuring<'_> {
    /// Waits for the end, writes the report, and returns how effllm is to end.
    ///
    /// # Errors
    /// There is nothing to measure: only GPUs, and none can be measured.
    pub fn measure(self) -> Result<Ending, Error> {
        let status = self.wait()?;
        let Self { signals, log_tailer, mut recording, mut gate, .. } = self;
        signals.end();
        let success = Ending::Exited(0);
        recording.stop();
        let is_log_complete =
            log_tailer.is_none_or(|thread| thread.is_ok_and(|thread| thread.finish(TAILER_TIMEOUT)));
        recording.write(status, is_log_complete, |_| {}, &mut gate, success);
        Ok(gate.ending(success))
    }

    fn wait(&self) -> Result<Status, Error> {
        loop {
            let now = Instant::now();
            if self.process.is_some_and(|process| !process.is_running())
                || self.until.is_some_and(|until| until <= now)
            {
                return Ok(Status::Completed);
            }
            if self.only_gpus
                && let Some(reason) = self.recording.why_no_gpus()
            {
                return Err(Error::failed(format!("there is nothing to measure: {reason}")).help(
                    "'effllm gpus' explains; or pass a process with --pid PID, its log with --log FILE",
                ));
            }
            let next = now + POLL_INTERVAL;
            if let Some(stall) = self.signals.wait(self.until.map_or(next, |until| until.min(next))) {
                self.recording.on_lifecycle_event(LifecycleEvent::Stalled(stall.duration));
            }
            while let Some(request) = self.signals.next_request() {
                match request {
                    UserRequest::End => return Ok(Status::Interrupted),
                    UserRequest::Stop => self.stop(),
                }
            }
        }
    }

    /// Stops effllm without its table on the screen, which comes back with it.
    fn stop(&self) {
        let terminal = &self.recording.session.terminal;
        let _ = terminal.pause();
        let stopped = Instant::now();
        stop_effllm();
        terminal.resume();
        self.recording.on_lifecycle_event(LifecycleEvent::Stalled(stopped.elapsed()));
    }
}
