//! The second stage: the command runs and is measured, then its report is written.

use super::pump::{Drained, Pumps};
use crate::process::{Ending, Signals, Supervisor, resource_usage};
use crate::report::Command;
use crate::session::Recording;
use crate::session::panic::isolate_panic;
use crate::session::verdict::Gate;
use crate::thread::worker::Worker;

/// A run whose command has started.
pub struct Running<'a> {
    pub signals: &'a Signals,
    pub supervisor: Supervisor<'a>,
    /// `None` where the command inherits effllm's streams.
    pub pumps: Option<Pumps>,
    pub recording: Recording,
    /// The `--fail-fast` watch, if there is one.
    pub fail_fast: Option<Worker>,
    pub gate: Gate,
}

impl Running<'_> {
    /// Forwards signals and keys until the command ends, passes the rest of its output on, writes the
    /// report, and returns how effllm is to end.
    pub fn supervise(self) -> Ending {
        let Self { signals, supervisor, pumps, mut recording, fail_fast, mut gate } = self;
        let (ending, keyboard) = supervisor.supervise(|event| {
            isolate_panic(|| recording.on_lifecycle_event(event));
        });
        drop(fail_fast);
        isolate_panic(|| recording.stop());
        let drained = pumps.as_ref().map(|pumps| pumps.drain(|| signals.has_termination()));
        drop(keyboard); // restores the user's terminal
        signals.end();
        isolate_panic(|| {
            let mut recorder = recording.session.recorder.lock();
            if let Some(warning) = drained.and_then(Drained::warning) {
                recorder.warn(warning);
            }
            pumps.iter().flat_map(Pumps::losses).for_each(|loss| recorder.warn(loss));
            drop(recorder);
            let describe = |command: &mut Command| {
                command.exit = ending.exit();
                (command.cpu_seconds, command.max_rss_bytes) = resource_usage();
            };
            recording.write(ending.status(), true, describe, &mut gate, ending);
        });
        gate.ending(ending)
    }
}
