//! The gate of a report, and that of a run, which is watched while the command runs.

use super::Session;
use crate::config::Settings;
use crate::error::{Error, FAILED, GATE};
use crate::fs::conflicts::FileUse;
use crate::gate::{FailFast, Policy};
use crate::metrics::Metric;
use crate::output::ci::{self, Files};
use crate::output::gate_table;
use crate::process::{Ending, Tree};
use crate::report::Report;
use crate::report::gate::Verdict;
use crate::terminal::stderr_options;
use crate::text::sanitize::plain;
use crate::thread::worker::{Stop, Worker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The time between two checks of a run.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The requirements on a report or a run, and the files that their verdict is written to.
#[derive(Debug)]
pub struct Gate {
    policy: Option<Policy>,
    files: Files,
    /// After how long a failed requirement ends the run.
    fail_fast: Option<Duration>,
    /// The run was ended because a requirement kept failing.
    ended_early: Arc<AtomicBool>,
    /// A gate that was not evaluated, for whatever reason, has not passed.
    passed: bool,
}

impl Gate {
    /// `others` are the files that are read and written besides.
    ///
    /// # Errors
    /// A requirement can never be evaluated, for one because `never_known` gives a reason why its metric
    /// stays unknown, or a file can never be written without loss of another.
    pub fn prepare(
        settings: &Settings,
        others: Vec<FileUse>,
        never_known: impl Fn(&Metric) -> Option<String>,
    ) -> Result<Self, Error> {
        let (policy, files) = settings.gate(others, never_known)?;
        let (fail_fast, passed) = (settings.options.command.fail_fast, policy.is_none());
        Ok(Self { policy, files, fail_fast, ended_early: Arc::default(), passed })
    }

    pub fn has_requirements(&self) -> bool {
        self.policy.is_some()
    }

    /// Evaluates the requirements, and writes the verdict into the report.
    pub fn judge(&mut self, report: &mut Report) {
        if let Some(policy) = &self.policy {
            policy.apply(report);
        }
        if let Some(gate) = &mut report.gate {
            if self.ended_early.load(Ordering::Relaxed) {
                gate.verdict = Verdict::Fail;
            }
            self.passed = gate.verdict == Verdict::Pass;
        }
    }

    /// Publishes the verdict where no command decides the exit status. Answers with the text for standard
    /// error and the exit status: a verdict that could not be written is no pass.
    pub fn conclude(&mut self, report: &Report) -> (String, u8) {
        let exit = if self.passed { 0 } else { GATE };
        let mut text = Self::table(report, exit);
        if report.gate.is_some() {
            let warnings = report.warnings.iter();
            text.extend(warnings.map(|warning| format!("warning: {}\n", plain(warning))));
        }
        let (rest, is_complete) = self.publish(report, exit, None);
        (text + &rest, if exit == 0 && !is_complete { FAILED } else { exit })
    }

    /// The verdicts as a table, and on GitHub the annotations.
    fn table(report: &Report, exit: u8) -> String {
        let gate = report.gate.as_ref();
        gate.map_or(String::new(), |gate| {
            gate_table(gate, Some(exit), stderr_options()) + &ci::annotations(gate)
        })
    }

    /// Writes the verdict to the files and GitHub's job summary. Answers with the warnings and errors, and
    /// whether all files were written.
    fn publish(&mut self, report: &Report, exit: u8, deadline: Option<Instant>) -> (String, bool) {
        let warning = report.gate.as_ref().and_then(|gate| ci::add_job_summary(gate, exit));
        let errors = self.files.write(report, deadline);
        let lines = errors.iter().map(|error| format!("{error}\n"));
        (warning.into_iter().chain(lines).collect(), errors.is_empty())
    }

    /// With `--fail-fast`, checks the run every second. Once a requirement has failed for too long, all
    /// processes of the tree are sent SIGTERM, once: a shell that waits for a launcher would die of it
    /// alone, and leave the training running. Without a thread, or if a check panics, the run goes on.
    pub fn watch(&self, session: &Session, tree: Tree) -> Option<Worker> {
        let mut fail_fast = FailFast::new(self.policy.clone()?, self.fail_fast?);
        let (session, snapshot, ended_early) =
            (session.clone(), session.snapshot(), self.ended_early.clone());
        let work = move |stop: Stop| {
            while stop.wait_until(Instant::now() + CHECK_INTERVAL) {
                let Some(why) = fail_fast.check(session.clock.now(), &snapshot()) else { continue };
                if !tree.processes().is_empty() {
                    ended_early.store(true, Ordering::Relaxed);
                    session.warn(&format!("ended early by --fail-fast (SIGTERM): {why}"));
                }
                tree.terminate();
                return;
            }
        };
        Worker::spawn("effllm-fail-fast", work).ok()
    }

    /// Warnings for stderr, before anything runs, of requirements that are likely mistakes.
    pub fn warnings(&self) -> String {
        let warnings = self.policy.as_ref().map(Policy::warnings).unwrap_or_default();
        warnings.iter().map(|warning| format!("effllm: warning: {}\n", plain(warning))).collect()
    }

    /// Evaluates the requirements on the whole run, and writes the verdict into its report. Returns the text
    /// for stderr, which `quiet` leaves empty for a pass.
    pub fn judge_run(&mut self, report: &mut Report, command: Ending, quiet: bool) -> String {
        self.judge(report);
        let exit = self.ending(command).shell_status();
        if quiet && self.passed { String::new() } else { Self::table(report, exit) }
    }

    /// Writes the verdict on a run to the gate's files. Returns the text for stderr.
    pub fn publish_run(&mut self, report: &Report, command: Ending, deadline: Instant) -> String {
        self.publish(report, self.ending(command).shell_status(), Some(deadline)).0
    }

    /// How effllm ends: as the command did, or with the gate's status if the command succeeded, or was
    /// ended early.
    pub fn ending(&self, command: Ending) -> Ending {
        let only_the_gate_failed = !self.passed && command == Ending::Exited(0);
        let ended_early = self.ended_early.load(Ordering::Relaxed);
        if only_the_gate_failed || ended_early { Ending::Exited(i32::from(GATE)) } else { command }
    }
}
