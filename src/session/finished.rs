//! The last stage of a run: measuring has ended, and the report is written.

use std::path::Path;

use super::Session;
use super::log_follower::Follower;
use super::report_file::{KeptCurrent, ReportFile};
use crate::output;
use crate::report::{Command, Report, Status};
use crate::sink::RunningSinks;
use crate::terminal;
use crate::thread::worker::Worker;

/// A run that has ended, whose log is still read to its end.
pub struct Finished {
    pub session: Session,
    pub(super) report_file: ReportFile,
    pub(super) ended: f64,
    pub(super) follower: Option<Follower>,
    pub(super) sinks: RunningSinks,
    /// The intermediate report and the table, kept until the last report is drawn up.
    pub(super) _shown: (KeptCurrent, Option<Worker>),
}

impl Finished {
    /// Reads the log to its end, and writes the report. `judge` may change the report last, and returns
    /// text that is printed below the summary. `is_log_complete`: whether the whole log was fed.
    pub fn write(
        self,
        status: Status,
        is_log_complete: bool,
        describe: impl FnOnce(&mut Command),
        judge: impl FnOnce(&mut Report) -> String,
    ) {
        let Self { session: Session { recorder, terminal, quiet, .. }, report_file, ended, .. } = self;
        let is_read = self.follower.is_none_or(Follower::finish);
        if !(is_log_complete && is_read) {
            recorder
                .lock()
                .warn("reading the log hung or failed: iterations, tokens and samples are not complete");
        }
        recorder.lock().ended(ended, status, describe);
        let report = recorder.lock().report(ended);
        self.sinks.finish(&report, ended);
        let mut report = recorder.lock().report(ended); // with the warnings of sinks that failed
        let verdict = judge(&mut report);
        drop(self._shown);
        let _ = terminal.finish(); // if it fails, the text below waits for the terminal too
        let (mut text, written) = match report_file.finish(&report) {
            Ok(written) => (String::new(), written),
            Err(lost) => (lost, None),
        };
        if !quiet {
            text += &summary(&report, written);
        }
        text += &verdict;
        if !text.is_empty() {
            let _ = terminal.print_patiently(&text); // there is no other place for it
        }
    }
}

fn summary(report: &Report, written: Option<&Path>) -> String {
    let mut text = output::summary(report, terminal::stderr_options());
    if let Some(path) = written {
        text += &format!("report: {}\n", path.display());
    }
    text
}
