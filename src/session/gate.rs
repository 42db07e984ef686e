//! The gate of a run: watched while the command runs, judged at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Armed;
use crate::config::GateSettings;
use crate::error::{Error, GATE};
use crate::fs::conflicts::FileUse;
use crate::gate::{FailFast, Policy};
use crate::output::ci::{self, Files};
use crate::process::{Ending, Tree};
use crate::report::Report;
use crate::report::gate::Verdict;
use crate::thread::worker::{Stop, Worker};

/// How often `--fail-fast` judges the run.
const JUDGE_INTERVAL: Duration = Duration::from_secs(1);

/// The requirements on a run, and their verdict so far.
#[derive(Debug)]
pub struct RunGate {
    policy: Option<Policy>,
    files: Files,
    /// After how long a failed requirement ends the run.
    fail_fast: Option<Duration>,
    /// The run was ended because a requirement kept failing.
    ended_early: Arc<AtomicBool>,
    /// False until the gate has been judged, if there is one.
    passed: bool,
}

impl RunGate {
    /// # Errors
    /// A requirement can never be judged, or a file can never be written, or only in the place of one of
    /// the `others`.
    pub fn prepare(settings: &GateSettings, others: Vec<FileUse>) -> Result<Self, Error> {
        let (policy, files) = settings.prepare(others)?;
        let passed = policy.is_none();
        Ok(Self { policy, files, fail_fast: settings.fail_fast, ended_early: Arc::default(), passed })
    }

    /// With `--fail-fast`, judges the run every second. Once a requirement has failed for too long, all
    /// processes of the tree are sent SIGTERM, once: a shell that waits for a launcher would die of it
    /// alone, and leave the training running. Without a thread, or if judging panics, the run goes on.
    pub fn watch(&self, armed: &Armed, tree: Tree) -> Option<Worker> {
        let mut fail_fast = FailFast::new(self.policy.clone()?, self.fail_fast?);
        let (session, snapshot, ended_early) =
            (armed.session.clone(), armed.snapshot(), self.ended_early.clone());
        let work = move |stop: Stop| {
            while stop.wait_until(Instant::now() + JUDGE_INTERVAL) {
                let Some(why) = fail_fast.look(session.clock.now(), &snapshot()) else { continue };
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

    /// Whether there are requirements.
    pub fn has_requirements(&self) -> bool {
        self.policy.is_some()
    }

    /// Warnings for stderr, before anything runs, of requirements that are likely mistakes.
    pub fn warnings(&self) -> String {
        let warnings = self.policy.as_ref().map(Policy::warnings).unwrap_or_default();
        warnings.iter().map(|warning| format!("effllm: warning: {warning}\n")).collect()
    }

    /// Judges the report of the whole run, and writes the verdict into it. Returns the text for stderr,
    /// which `quiet` leaves empty for a pass, and writes the gate's files.
    pub fn judge(&mut self, report: &mut Report, command: Ending, quiet: bool) -> String {
        if let Some(policy) = &self.policy {
            policy.apply(report);
        }
        if let Some(gate) = &mut report.gate {
            if self.ended_early.load(Ordering::Relaxed) {
                gate.verdict = Verdict::Fail;
            }
            self.passed = gate.verdict == Verdict::Pass;
        }
        let exit = self.ending(command).shell_status();
        let gate = report.gate.as_ref();
        let shown = gate.filter(|_| !(quiet && self.passed));
        let mut text =
            shown.map_or(String::new(), |gate| ci::told(gate, exit, console::colors_enabled_stderr()));
        text += &gate.and_then(|gate| ci::summarize(gate, exit)).unwrap_or_default();
        text.extend(self.files.write(report).into_iter().map(|error| format!("{error}\n")));
        text
    }

    /// How effllm ends: as the command did, or with the gate's status if the command succeeded, or was
    /// ended early.
    pub fn ending(&self, command: Ending) -> Ending {
        let only_the_gate_failed = !self.passed && command == Ending::Exited(0);
        let ended_early = self.ended_early.load(Ordering::Relaxed);
        if only_the_gate_failed || ended_early { Ending::Exited(i32::from(GATE)) } else { command }
    }
}
