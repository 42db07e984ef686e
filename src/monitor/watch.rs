//! The later stages of `monitor`: measuring until the end, and the report.

use std::time::{Duration, Instant};

use super::log_tailer::LogTailer;
use crate::error::Error;
use crate::process::{
    DefaultSignalHandler, Ending, ExternalProcess, LifecycleEvent, UserRequest, UserSignals, stop_effllm,
};
use crate::report::Status;
use crate::session::gate::RunGate;
use crate::session::{Finished, Recording};

/// How often the process is checked. Its end is seen in /proc rather than through a pidfd, which kernels
/// before 5.3 do not have.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long a stop of effllm must last to be reported.
const STOP_THRESHOLD: Duration = Duration::from_secs(1);

/// A measurement that has begun.
pub struct Measuring<'a> {
    pub signals: &'a UserSignals,
    pub default_handler: DefaultSignalHandler,
    pub process: Option<ExternalProcess>,
    pub log_tailer: Option<LogTailer>,
    /// Neither a process nor a log is measured.
    pub only_gpus: bool,
    pub until: Option<Instant>,
    pub announcement: String,
    pub recording: Recording,
    pub gate: RunGate,
    pub quiet: bool,
}

impl Measuring<'_> {
    /// Waits for the end, and takes the last samples.
    ///
    /// # Errors
    /// There is nothing to measure: only GPUs, and none can be measured.
    pub fn watch(self) -> Result<Measured, Error> {
        self.recording.session.print(&self.announcement);
        let status = self.wait()?;
        self.default_handler.resume();
        let Self { default_handler, log_tailer, recording, gate, quiet, .. } = self;
        let finished = recording.stop();
        Ok(Measured { _default_handler: default_handler, status, log_tailer, finished, gate, quiet })
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
                && let Some(reason) = self.recording.why_no_gpus(Duration::ZERO)
            {
                return Err(Error::failed(format!("there is nothing to measure: {reason}")).hint(
                    "'effllm gpus' explains; or pass a process with --pid PID, its log with --log FILE",
                ));
            }
            let next = now + POLL_INTERVAL;
            if let Some(stall) = self.signals.wait(self.until.map_or(next, |until| until.min(next))) {
                self.recording.on_lifecycle_event(LifecycleEvent::Stalled(stall.duration));
            }
            while let Some(request) = self.signals.next() {
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
        if stopped.elapsed() > STOP_THRESHOLD {
            self.recording.on_lifecycle_event(LifecycleEvent::Stalled(stopped.elapsed()));
        }
    }
}

/// A measurement that has ended.
pub struct Measured {
    _default_handler: DefaultSignalHandler,
    status: Status,
    log_tailer: Option<LogTailer>,
    finished: Finished,
    gate: RunGate,
    quiet: bool,
}

impl Measured {
    /// Writes the report, and returns how effllm is to end.
    pub fn finish(self) -> Ending {
        let Self { status, log_tailer, finished, mut gate, quiet, .. } = self;
        let success = Ending::Exited(0);
        let is_log_complete = log_tailer.is_none_or(LogTailer::finish);
        finished.write(status, is_log_complete, |_| {}, |report| gate.judge(report, success, quiet));
        gate.ending(success)
    }
}
