//! The last stage: the rest of the output, the report and the verdict.

use super::pump::Pumps;
use crate::process::{DefaultSignalHandler, Ending, Keyboard, Signals, resource_usage};
use crate::report::Command;
use crate::session::Finished;
use crate::session::gate::RunGate;
use crate::session::panic::isolate_panic;

/// A run whose command has ended.
pub struct Ended<'a> {
    pub signals: &'a Signals,
    pub default_handler: DefaultSignalHandler,
    pub ending: Ending,
    /// The user's terminal, where the command had one of its own.
    pub keyboard: Option<Keyboard>,
    pub pumps: Option<Pumps>,
    /// `None` if a panic lost the measurements.
    pub finished: Option<Finished>,
    pub gate: RunGate,
    pub quiet: bool,
}

impl Ended<'_> {
    /// Passes the rest of the output on, writes the report, and returns how effllm is to end.
    pub fn finish(self) -> Ending {
        let Self { signals, default_handler, ending, keyboard, pumps, finished, mut gate, quiet } = self;
        let is_drained = pumps.as_ref().is_none_or(|pumps| pumps.drain(|| signals.has_termination()));
        drop(keyboard); // restores the user's terminal
        default_handler.resume();
        if let Some(finished) = finished {
            isolate_panic(|| {
                let mut recorder = finished.session.recorder.lock();
                if !is_drained {
                    recorder.warn("a process that the command left running holds its output open; effllm did not wait for it");
                }
                pumps.iter().flat_map(Pumps::losses).for_each(|loss| recorder.warn(loss));
                drop(recorder);
                let describe = |command: &mut Command| {
                    command.exit = ending.exit();
                    (command.cpu_seconds, command.max_rss_bytes) = resource_usage();
                };
                finished.write(ending.status(), true, describe, |report| gate.judge(report, ending, quiet));
            });
        }
        gate.ending(ending)
    }
}
