//! Redraws the table at a steady pace, in a thread of its own.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::Terminal;
use crate::model::Report;

/// Five times a second: quick enough to follow, and little to send over a slow line.
const PERIOD: Duration = Duration::from_millis(200);

/// The thread that redraws, until this is dropped. It is not waited for: it may hang on a terminal
/// that takes nothing, and [`Terminal::finish`] keeps it from drawing again.
#[derive(Debug)]
pub struct Ticker {
    _stop: SyncSender<()>,
}

impl Ticker {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        terminal: Arc<Terminal>,
        snapshot: impl Fn() -> Report + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        thread::Builder::new().name("ticker".to_owned()).spawn(move || {
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                if terminal.tick(&snapshot()).is_err() {
                    return; // the terminal is gone, and the pumps will say so
                }
            }
        })?;
        Ok(Self { _stop: stop })
    }
}
