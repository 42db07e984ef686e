//! The third stage: the command runs and is measured.

use super::finish::Ended;
use super::pump::Pumps;
use crate::process::{DefaultSignalHandler, Signals, Supervisor};
use crate::session::Recording;
use crate::session::gate::RunGate;
use crate::session::panic::isolate_panic;
use crate::thread::worker::Worker;

/// A run whose command has started.
pub struct Running<'a> {
    pub signals: &'a Signals,
    pub default_handler: DefaultSignalHandler,
    pub supervisor: Supervisor<'a>,
    /// `None` where the command inherits effllm's streams.
    pub pumps: Option<Pumps>,
    pub recording: Recording,
    /// The `--fail-fast` watch, if there is one.
    pub fail_fast: Option<Worker>,
    pub gate: RunGate,
    pub quiet: bool,
}

impl<'a> Running<'a> {
    /// Forwards signals and keys until the command ends, and takes the last samples.
    pub fn supervise(self) -> Ended<'a> {
        let Self { signals, default_handler, supervisor, pumps, recording, fail_fast, gate, quiet } = self;
        let (ending, keyboard) = supervisor.supervise(|event| {
            isolate_panic(|| recording.on_lifecycle_event(event));
        });
        drop(fail_fast);
        let finished = isolate_panic(|| recording.stop());
        Ended { signals, default_handler, ending, keyboard, pumps, finished, gate, quiet }
    }
}
