//! Redraws the table at a steady pace, in a thread of its own.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Terminal;
use crate::report::Report;
use crate::thread::worker::Worker;

/// Five times a second: quick enough to follow, and little to send over a slow line.
const PERIOD: Duration = Duration::from_millis(200);

/// The thread that redraws, until this is dropped. It is not waited for: it may hang on a terminal
/// that takes nothing, and [`Terminal::finish`] keeps it from drawing again.
#[derive(Debug)]
pub struct Ticker {
    _thread: Worker,
}

impl Ticker {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        terminal: Arc<Terminal>,
        snapshot: impl Fn() -> Report + Send + 'static,
    ) -> io::Result<Self> {
        let _thread = Worker::spawn("effllm-table", move |stop| {
            // The pumps report a terminal that is gone.
            while stop.wait_until(Instant::now() + PERIOD) && terminal.tick(&snapshot()).is_ok() {}
        })?;
        Ok(Self { _thread })
    }
}
