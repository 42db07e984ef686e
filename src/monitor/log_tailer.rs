//! The thread that reads a log which another process writes.

use std::io;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::{Event, Stream};
use crate::log::LogReader;
use crate::log::tail::{Step, Tail};
use crate::session::Session;
use crate::session::log_follower::LogFeed;
use crate::thread::worker::{Stop, Worker};

/// How often the file is read.
pub const POLL_INTERVAL: Duration = Duration::from_millis(100);
const BUFFER: usize = 64 * 1024;

/// Starts the thread, which begins with the run and fills the feed; asked to end, it reads the rest that the
/// file holds then.
///
/// # Errors
/// The system has no threads left.
pub fn spawn_tailer(tail: Tail, session: Session, feed: LogFeed) -> io::Result<Worker> {
    Worker::spawn("effllm-tail", move |stop| {
        session.started.wait();
        Reading { tail, session, feed, buffer: vec![0; BUFFER] }.run(&stop);
    })
}

struct Reading {
    tail: Tail,
    session: Session,
    feed: LogFeed,
    buffer: Vec<u8>,
}

impl Reading {
    fn run(mut self, stop: &Stop) {
        let mut due = Instant::now();
        while stop.wait_until(due) {
            due = Instant::now();
            if self.step() == 0 {
                due += POLL_INTERVAL;
            }
        }
        // No more than the file holds now: its writer may go on for ever.
        let mut left = self.tail.backlog();
        while left > 0 {
            match self.step() {
                0 => return,
                read => left = left.saturating_sub(read as u64),
            }
        }
    }

    /// Feeds the next bytes; returns their number.
    fn step(&mut self) -> usize {
        let read = match self.tail.read(&mut self.buffer) {
            Ok(Step::Bytes(read)) => self.buffer.get(..read).unwrap_or_default(),
            Ok(Step::Truncated) => b"\n", // ends the line that was cut off
            Ok(Step::Nothing) => return 0,
            Err(error) => {
                self.session.recorder.lock().warn(error.message);
                return 0;
            }
        };
        let at = self.session.clock.now();
        self.feed.send(Stream::Stdout, at, read);
        read.len()
    }
}

/// The facts that the log states before anything is measured. Its progress does not count: nothing is
/// known of the GPUs at that time.
///
/// # Errors
/// The file's.
pub fn scan_existing(tail: &mut Tail, reader: &mut LogReader) -> Result<Option<Event>, Error> {
    let mut left = tail.backlog();
    let (mut buffer, mut events, mut facts) = (vec![0; BUFFER], Vec::new(), None);
    while left > 0 {
        let Step::Bytes(read) = tail.read(&mut buffer)? else { break };
        left = left.saturating_sub(read as u64);
        reader.push(Stream::Stdout, buffer.get(..read).unwrap_or_default(), 0.0, &mut events);
        facts = events.drain(..).rfind(|event| matches!(event, Event::Facts(_))).or(facts);
    }
    reader.pause(&mut events);
    Ok(facts)
}
