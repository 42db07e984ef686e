//! The console lines on stderr while the command runs, where there is no table.

use super::Session;
use crate::config::LiveMode;
use crate::terminal::{HINT, console_lines, needs_hint};

/// Prints the console lines of the original tool, once in each log interval.
pub struct ConsoleReporter {
    session: Session,
    /// Iterations between two reports.
    log_interval: u64,
    /// Log intervals that were complete at the last report.
    reported: u64,
    hinted: bool,
}

impl ConsoleReporter {
    pub fn new(session: Session, log_interval: u64) -> Self {
        Self { session, log_interval: log_interval.max(1), reported: 0, hinted: false }
    }

    /// Prints what is due, after more of the log was read.
    pub fn update(&mut self) {
        if self.session.live != LiveMode::Log {
            return;
        }
        let now = self.session.clock.now();
        let recorder = self.session.recorder.lock();
        let intervals = recorder.last_iteration().map_or(0, |last| last / self.log_interval);
        let (lines, records) = (recorder.log.lines, recorder.log.records);
        let text = if intervals != self.reported {
            self.reported = intervals;
            console_lines(&recorder.report(now))
        } else if records == 0 && !self.hinted && needs_hint(lines, now) {
            self.hinted = true;
            format!("effllm: {HINT}\n")
        } else {
            return;
        };
        drop(recorder);
        self.session.print(&text);
    }
}
