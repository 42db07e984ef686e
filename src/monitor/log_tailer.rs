//! The thread that reads a log which something else writes.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::{Clock, Event, StartLatch, Stream};
use crate::log::LogReader;
use crate::log::tail::{Step, Tail};
use crate::session::log_follower::{Follower, LogFeed};
use crate::session::shared_recorder::SharedRecorder;
use crate::thread::worker::{Stop, Worker};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long the end waits for what the file still holds.
const PATIENCE: Duration = Duration::from_secs(2);
const BUFFER: usize = 64 * 1024;

/// A log file that is being read.
pub struct LogTailer {
    thread: Option<Worker>,
    follower: Follower,
}

impl LogTailer {
    /// Starts the thread, which begins with the run; `follower` is who reads the feed.
    pub fn read(
        tail: Tail,
        clock: Clock,
        started: StartLatch,
        recorder: SharedRecorder,
        feed: LogFeed,
        follower: Follower,
    ) -> Self {
        let read = move |stop: Stop| {
            started.wait();
            Reading { tail, clock, recorder, feed, buffer: vec![0; BUFFER] }.run(&stop);
        };
        Self { thread: Worker::spawn("effllm-tail", read).ok(), follower }
    }

    /// Reads what the file holds now. False if that takes too long, or cannot be done.
    pub fn finish(self) -> bool {
        self.thread.is_some_and(|thread| thread.finish(PATIENCE)) && self.follower.finish()
    }
}

struct Reading {
    tail: Tail,
    clock: Clock,
    recorder: SharedRecorder,
    feed: LogFeed,
    buffer: Vec<u8>,
}

impl Reading {
    fn run(mut self, stop: &Stop) {
        let mut due = Instant::now();
        while stop.wait_until(due) {
            due = Instant::now();
            if self.step() == 0 {
                due += LOOK;
            }
        }
        // No more than is there now: another may write on for ever.
        let mut left = self.tail.backlog();
        while left > 0 {
            match self.step() {
                0 => return,
                read => left = left.saturating_sub(read as u64),
            }
        }
    }

    /// Sends on what there is; returns how many bytes that was.
    fn step(&mut self) -> usize {
        let read = match self.tail.read(&mut self.buffer) {
            Ok(Step::Bytes(read)) => self.buffer.get(..read).unwrap_or_default(),
            Ok(Step::Truncated) => b"\n", // ends the line that was cut off
            Ok(Step::Nothing) => return 0,
            Err(error) => {
                self.recorder.lock().warn(error.what);
                return 0;
            }
        };
        let at = self.clock.now();
        self.feed.send(Stream::Stdout, at, read);
        read.len()
    }
}

/// What the log states before anything is measured. Its progress does not count: nothing is known of
/// the GPUs at that time.
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
