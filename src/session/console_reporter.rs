//! What effllm says on stderr while the command runs, where there is no table.

use std::sync::Arc;

use super::shared_recorder::SharedRecorder;
use crate::event::Clock;
use crate::terminal::{Live, Terminal, console_lines};

/// After so many lines or seconds without a record, the user is told what to do.
const PATIENT_LINES: u64 = 1000;
const PATIENT_SECONDS: f64 = 60.0;

/// Prints the console lines of the original tool, every log interval.
pub struct ConsoleReporter {
    terminal: Arc<Terminal>,
    recorder: SharedRecorder,
    clock: Clock,
    live: Live,
    log_interval: u64,
    /// Log intervals that were complete at the last report.
    announced: u64,
    hinted: bool,
}

impl ConsoleReporter {
    /// `log_interval`: iterations between two reports.
    pub fn new(
        terminal: Arc<Terminal>,
        recorder: SharedRecorder,
        clock: Clock,
        live: Live,
        log_interval: u64,
    ) -> Self {
        Self {
            terminal,
            recorder,
            clock,
            live,
            log_interval: log_interval.max(1),
            announced: 0,
            hinted: false,
        }
    }

    /// Looks whether something is due to be said.
    pub fn update(&mut self) {
        if self.live != Live::Log {
            return;
        }
        let now = self.clock.now();
        let recorder = self.recorder.lock();
        let intervals = recorder.last_iteration().map_or(0, |last| last / self.log_interval);
        let (lines, records) = recorder.read_so_far();
        let at_a_loss = records == 0 && (lines >= PATIENT_LINES || now >= PATIENT_SECONDS);
        let text = if intervals != self.announced {
            self.announced = intervals;
            console_lines(&recorder.report(now))
        } else if at_a_loss && !self.hinted {
            self.hinted = true;
            "effllm: no iterations recognised yet; effllm parse --explain LOG shows what was tried\n"
                .to_owned()
        } else {
            return;
        };
        drop(recorder);
        // Nobody is left to be told of a stderr that is gone.
        let _ = self.terminal.print(&text);
    }
}
