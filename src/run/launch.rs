//! The second stage: starts the command, and the measurements beside it.

use std::time::Instant;

use super::prepare::Prepared;
use super::pump::PumpThreads;
use super::replace;
use super::supervise::Running;
use crate::config::ReportTarget;
use crate::error::{Error, FAILED};
use crate::event::Stream;
use crate::process::{self, Supervisor, Tree, adopt_orphans};

impl<'a> Prepared<'a> {
    /// Starts the command. Every thread starts before it, so that its output is carried from the first
    /// byte, except the GPU sampler: opening the GPUs' library can take seconds, or block later threads.
    /// `can_replace`: whether the command may replace effllm where there is no room for both.
    ///
    /// # Errors
    /// `--gpus` lists a GPU that is not there, or the command cannot be executed.
    pub fn launch(self, can_replace: bool) -> Result<Running<'a>, Error> {
        let Self { signals, default_handler, argv, report, quiet, gate, .. } = self;
        let tree = Tree::of_the_command();
        let (armed, log) = self.setup.arm(Some(tree.clone()), self.log.map(|rules| || rules.reader()));
        let fail_fast = gate.watch(&armed, tree.clone());
        let gpus = armed.check_listed_gpus()?;

        adopt_orphans(true); // so that the whole tree is seen and counted
        default_handler.suspend();
        let started = Instant::now();
        let child = process::spawn(argv, self.stdio, self.slot, signals.original_mask(), self.unbuffer);
        let child = match child {
            Err(error) if error.exit == FAILED && can_replace => {
                adopt_orphans(false);
                return Err(replace(&error, argv, Some(signals.original_mask())));
            }
            child => child?,
        };

        let supervisor =
            Supervisor::new(signals, self.signal_policy, started, child.pid, tree, child.terminals);
        let stdout_to = if report == ReportTarget::Stdout { Stream::Stderr } else { Stream::Stdout };
        let start = |threads: PumpThreads| threads.start(child.outputs, stdout_to, &armed.session, log);
        let pumps = self.pump_threads.ok().map(start);
        let recording = armed.begin(started, gpus);
        Ok(Running { signals, default_handler, supervisor, pumps, recording, fail_fast, gate, quiet })
    }
}
