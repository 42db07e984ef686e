//! The gate of a run: watched while the command runs, judged at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::GateSettings;
use crate::error::{Error, GATE};
use crate::event::Clock;
use crate::fs::conflicts::FileUse;
use crate::gate::{FailFast, Policy};
use crate::output::ci::{self, Files};
use crate::process::Ending;
use crate::process::Tree;
use crate::report::Report;
use crate::report::gate::Verdict;
use crate::thread::worker::{Stop, Worker};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is required of the run, and what has come of it so far.
#[derive(Debug)]
pub struct RunGate {
    policy: Option<Policy>,
    files: Files,
    patience: Option<Duration>,
    /// The run was ended since it could not pass any more.
    ended_early: Arc<AtomicBool>,
    /// A gate that was not judged, whatever kept it from that, is not passed.
    passed: bool,
}

impl RunGate {
    /// # Errors
    /// What is required can never be judged, or a file never be written, or only in the place of one of
    /// the `others`.
    pub fn prepare(settings: &GateSettings, others: Vec<FileUse>) -> Result<Self, Error> {
        let (policy, files) = settings.prepare(others)?;
        let passed = policy.is_none();
        Ok(Self { policy, files, patience: settings.fail_fast, ended_early: Arc::default(), passed })
    }

    /// With `--fail-fast`, looks at the run every second. Once it is beyond hope, `tell` is told why,
    /// and the command and all its descendants are sent SIGTERM, once: a shell that waits for a
    /// launcher would die of it alone, and leave the training to go on. Without a thread, or if a look
    /// panics, the run just goes on.
    pub fn watch(
        &self,
        clock: Clock,
        tree: Tree,
        report: impl Fn() -> Report + Send + 'static,
        tell: impl FnOnce(String) + Send + 'static,
    ) -> Option<Worker> {
        let mut judge = FailFast::new(self.policy.clone()?, self.patience?);
        let ended_early = self.ended_early.clone();
        let work = move |stop: Stop| {
            while stop.wait_until(Instant::now() + LOOK_EVERY) {
                let Some(why) = judge.look(clock.now(), &report()) else { continue };
                let tree = tree.processes();
                if !tree.is_empty() {
                    ended_early.store(true, Ordering::Relaxed);
                    tell(format!("ended early by --fail-fast (SIGTERM): {why}"));
                }
                for process in tree {
                    // Fails only for a process that has just ended.
                    let _ = kill(Pid::from_raw(process.pid.cast_signed()), Signal::SIGTERM);
                }
                return;
            }
        };
        Worker::spawn("effllm-fail-fast", work).ok()
    }

    /// Whether anything is required.
    pub fn is_asked_for(&self) -> bool {
        self.policy.is_some()
    }

    /// What stderr is told, before anything runs, of what is likely not what was meant.
    pub fn warnings(&self) -> String {
        let warnings = self.policy.as_ref().map(Policy::warnings).unwrap_or_default();
        warnings.iter().map(|doubt| format!("effllm: warning: {doubt}\n")).collect()
    }

    /// Judges the report of the whole run, and writes into it what came of that.
    pub fn judge(&mut self, report: &mut Report) {
        let Some(policy) = &self.policy else { return };
        policy.apply(report);
        if let Some(gate) = &mut report.gate {
            if self.ended_early.load(Ordering::Relaxed) {
                gate.verdict = Verdict::Fail;
            }
            self.passed = gate.verdict == Verdict::Pass;
        }
    }

    /// How effllm ends: as the command did, or with the gate's status where the command succeeded, or
    /// ended because it could not pass any more.
    pub fn ending(&self, command: Ending) -> Ending {
        let only_the_gate_failed = !self.passed && command == Ending::Exited(0);
        let ended_early = self.ended_early.load(Ordering::Relaxed);
        if only_the_gate_failed || ended_early { Ending::Exited(i32::from(GATE)) } else { command }
    }

    /// Writes the files, and answers with what stderr is to be told; `quiet` leaves a pass out.
    pub fn outcome(&self, report: &Report, ending: Ending, quiet: bool) -> String {
        let exit = ending.shell_status();
        let gate = report.gate.as_ref().filter(|_| !(quiet && self.passed));
        let mut text =
            gate.map_or(String::new(), |gate| ci::told(gate, exit, console::colors_enabled_stderr()));
        text += &report.gate.as_ref().and_then(|gate| ci::summarize(gate, exit)).unwrap_or_default();
        for error in self.files.write(report) {
            text += &format!("{error}\n");
        }
        text
    }
}
