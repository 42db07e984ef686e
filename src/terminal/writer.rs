//! effllm's standard output and standard error, shared by the two pumps that carry the child's
//! bytes and the ticker that draws the table.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::fstat;
use nix::unistd::{getpgrp, tcgetpgrp};
use terminal_size::terminal_size_of;

use super::descriptor::{Descriptors, Output, Shared, write_all};
use super::frame::frame;
use super::screen::Size;
use super::shared_terminal::SharedTerminal;
use crate::config::LiveMode;
use crate::event::Stream;
use crate::report::Report;
use crate::text::sanitize::message;
use crate::thread::worker::Worker;

/// Where the child's bytes and everything of effllm's own are written.
pub struct Terminal {
    shared: Mutex<SharedTerminal<Descriptors>>,
    /// Standard output, if it does not share its destination with standard error.
    separate_stdout: Option<Shared>,
    /// Standard error, to ask about the terminal; `None` where no table is drawn.
    table: Option<Shared>,
    colour: bool,
    /// Following the child's bytes has failed; they are passed on as they are, without a table.
    is_broken: AtomicBool,
}

/// Between two drawings: quick enough to follow, and little to send over a slow line.
const PERIOD: Duration = Duration::from_millis(200);
/// How long the end waits for a terminal that takes nothing (Ctrl-S).
const PATIENCE: Duration = Duration::from_secs(1);

impl Terminal {
    /// effllm's own standard output and standard error.
    pub fn standard(live: LiveMode) -> Self {
        Self::new(io::stdout(), io::stderr(), live, console::colors_enabled_stderr())
    }

    pub fn new(
        stdout: impl AsFd + Send + Sync + 'static,
        stderr: impl AsFd + Send + Sync + 'static,
        live: LiveMode,
        colour: bool,
    ) -> Self {
        let is_separate = !same_destination(stdout.as_fd(), stderr.as_fd());
        let (stdout, stderr): (Shared, Shared) = (Arc::new(stdout), Arc::new(stderr));
        let output = Descriptors { stdout: stdout.clone(), stderr: stderr.clone(), deadline: None };
        Self {
            shared: Mutex::new(SharedTerminal::new(output)),
            separate_stdout: is_separate.then_some(stdout),
            table: (live == LiveMode::Table).then_some(stderr),
            colour,
            is_broken: AtomicBool::new(false),
        }
    }

    /// Passes the child's bytes on; returns when all of them are written.
    ///
    /// # Errors
    /// The descriptor's; `bytes` are then those that were not written.
    pub fn write_child(&self, stream: Stream, bytes: &mut &[u8]) -> io::Result<()> {
        match (&self.separate_stdout, stream) {
            (Some(stdout), Stream::Stdout) => write_all(stdout.as_fd(), bytes, None),
            _ => self.write_shared(stream, bytes),
        }
    }

    /// A panic in the shared terminal ends the table; the child's unwritten bytes and all later ones are
    /// passed on.
    fn write_shared(&self, stream: Stream, bytes: &mut &[u8]) -> io::Result<()> {
        let mut shared = self.lock();
        if !self.is_broken.load(Ordering::Relaxed) {
            let size = self.size();
            match panic::catch_unwind(AssertUnwindSafe(|| shared.child(stream, bytes, size))) {
                Ok(result) => return result,
                Err(_) => {
                    self.is_broken.store(true, Ordering::Relaxed);
                    let _ = shared.pause(size);
                }
            }
        }
        shared.output.put(stream, bytes)
    }

    /// Prints whole lines of effllm's own on standard error, after the line that the child is writing, or
    /// now after [`Terminal::finish`].
    ///
    /// # Errors
    /// Standard error's.
    pub fn print(&self, text: &str) -> io::Result<()> {
        self.lock().print(&message(text, self.colour))
    }

    /// The same for the last lines, with a limit of time: standard error may have no reader any more.
    ///
    /// # Errors
    /// As [`Terminal::finish`].
    pub fn print_patiently(&self, text: &str) -> io::Result<()> {
        self.with_patience(|shared, _| shared.print(&message(text, self.colour)))
    }

    /// Draws the table of a report, unless the screen shows it already.
    ///
    /// # Errors
    /// The terminal's.
    pub fn tick(&self, report: &Report) -> io::Result<()> {
        match self.size() {
            Some(size) if self.is_in_foreground() && !self.is_broken.load(Ordering::Relaxed) => {
                let lines = frame(report, size, self.colour);
                self.lock().tick(lines, size)
            }
            _ => Ok(()),
        }
    }

    /// Starts a thread that draws the table until it is dropped. It is not waited for: it may hang on a
    /// terminal that takes nothing, and [`Terminal::finish`] keeps it from drawing again.
    ///
    /// # Errors
    /// The system has no threads left.
    pub fn keep_drawing(
        self: &Arc<Self>,
        snapshot: impl Fn() -> Report + Send + 'static,
    ) -> io::Result<Worker> {
        let terminal = self.clone();
        Worker::spawn("effllm-table", move |stop| {
            // The pumps report a terminal that is gone.
            while stop.wait_until(Instant::now() + PERIOD) && terminal.tick(&snapshot()).is_ok() {}
        })
    }

    /// Takes the table away, for as long as effllm itself is stopped (Ctrl-Z).
    ///
    /// # Errors
    /// As [`Terminal::finish`].
    pub fn pause(&self) -> io::Result<()> {
        self.with_patience(|shared, size| shared.pause(size))
    }

    /// Lets the table come back.
    pub fn resume(&self) {
        self.lock().resume();
    }

    /// Takes the table away for good and leaves the cursor where the child left it. Lines that wait for
    /// the end of the child's line are printed now.
    ///
    /// # Errors
    /// The terminal's; `TimedOut` where it took nothing for a second.
    pub fn finish(&self) -> io::Result<()> {
        self.with_patience(|shared, size| shared.finish(size))
    }

    fn with_patience(
        &self,
        act: impl FnOnce(&mut SharedTerminal<Descriptors>, Option<Size>) -> io::Result<()>,
    ) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut shared = loop {
            match self.shared.try_lock() {
                Ok(shared) => break shared,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            }
        };
        shared.output.deadline = Some(deadline);
        let result = act(&mut shared, self.size());
        shared.output.deadline = None;
        result
    }

    /// Whether the terminal is ours to arrange: in the background (`&`), the shell's prompt is on it.
    fn is_in_foreground(&self) -> bool {
        let foreground = self.table.as_ref().and_then(|table| tcgetpgrp(table).ok());
        foreground.is_none_or(|group| group == getpgrp()) // unknown: not our controlling terminal
    }

    fn lock(&self) -> MutexGuard<'_, SharedTerminal<Descriptors>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self) -> Option<Size> {
        let (columns, rows) = terminal_size_of(self.table.as_ref()?)?;
        Some(Size { rows: rows.0, columns: columns.0 })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.finish(); // no one is left to report an error to
    }
}

/// Whether bytes written to the one appear between bytes written to the other.
fn same_destination(one: BorrowedFd, other: BorrowedFd) -> bool {
    if one.is_terminal() && other.is_terminal() {
        return true; // one may be named /dev/tty
    }
    match (fstat(one), fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
