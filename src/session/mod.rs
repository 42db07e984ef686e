//! A measured run, as `run` and `monitor` share it.

mod console_reporter;
pub mod degradation;
pub mod environment;
pub mod log_follower;
pub mod panic;
mod recording;
pub mod report_file;
mod secrets;
pub mod shared_recorder;
pub mod verdict;

use std::sync::Arc;

use crate::config::LiveMode;
use crate::event::{Clock, StartLatch};
use crate::report::Report;
use crate::terminal::Terminal;
use crate::text::sanitize::plain;
use degradation::Degradation;
use shared_recorder::SharedRecorder;

pub use recording::{Recording, recorder_options};

/// What every part of a run uses: its clock, its recorder and its terminal.
#[derive(Clone)]
pub struct Session {
    pub clock: Clock,
    /// Set when the run starts.
    pub started: StartLatch,
    pub recorder: SharedRecorder,
    pub terminal: Arc<Terminal>,
    live: LiveMode,
    quiet: bool,
}

impl Session {
    /// Prints text of effllm's own on stderr, unless effllm is to be quiet.
    pub fn print(&self, text: &str) {
        if !self.quiet {
            let _ = self.terminal.print(text); // a stderr that is gone has no reader
        }
    }

    /// Warns on stderr and in the report of something that effllm itself does to the run.
    pub fn warn(&self, warning: &str) {
        self.recorder.lock().warn(warning);
        let _ = self.terminal.print(&format!("effllm: {}\n", plain(warning)));
    }

    /// Draws up the report as it stands, once the run has started.
    pub fn snapshot(&self) -> impl Fn() -> Report + Clone + Send + 'static {
        let (recorder, clock, started) = (self.recorder.clone(), self.clock, self.started.clone());
        move || {
            started.wait();
            recorder.lock().report(clock.now())
        }
    }

    /// Tells the report why the log is not read, and the user, unless they chose it.
    fn no_log(&self, degradation: Degradation) {
        self.recorder.lock().log_unavailable = Some(degradation.sentence());
        if !degradation.is_chosen() {
            self.warn(degradation.sentence());
        }
    }
}
