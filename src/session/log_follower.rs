//! The thread that reads copies of the output for progress.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use super::Session;
use super::shared_recorder::SharedRecorder;
use crate::event::{Event, Stream};
use crate::log::LogReader;
use crate::thread::spawn_thread;

/// Bytes of one stream that arrived together.
struct Chunk {
    stream: Stream,
    at: f64,
    bytes: Vec<u8>,
}

/// Chunks that may wait to be read, of 64 KiB each.
const QUEUE: usize = 16;
/// How long the command's output may wait for a reader that makes no progress.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long the end of a run waits for a reader that makes no progress: on a busy machine it may not even be open.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// After so long without output, a record that later lines could have completed is taken as it is.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes the pumps' copies.
#[derive(Clone)]
pub struct LogFeed {
    /// `None` ends the log, even while a pump that cannot end still holds a feed.
    chunks: Sender<Option<Chunk>>,
    given_up: Arc<AtomicBool>,
}

impl LogFeed {
    /// Sends a copy to the reader. If the reader hangs, or there is no memory for the copy, the log is given
    /// up: the output goes on.
    pub fn send(&self, stream: Stream, at: f64, bytes: &[u8]) {
        if self.given_up.load(Ordering::Relaxed) {
            return;
        }
        let mut copy = Vec::new();
        if copy.try_reserve_exact(bytes.len()).is_err() {
            return self.given_up.store(true, Ordering::Relaxed);
        }
        copy.extend_from_slice(bytes);
        let chunk = Chunk { stream, at, bytes: copy };
        // A reader that is gone has read the end, or has panicked, which the panic hook reports.
        if let Err(SendTimeoutError::Timeout(_)) = self.chunks.send_timeout(Some(chunk), TIMEOUT) {
            self.given_up.store(true, Ordering::Relaxed);
        }
    }
}

/// The reader's thread.
pub struct Follower {
    feed: LogFeed,
    /// A message once all has been read; disconnected if the reader has panicked.
    read_to_end: Receiver<()>,
    chunks_read: Arc<AtomicU64>,
}

impl Follower {
    /// Waits until all that was sent has been read, while the reader makes progress. False if the reader
    /// hangs or has panicked: then the log's figures are not complete.
    pub fn finish(self) -> bool {
        let _ = self.feed.chunks.send_timeout(None, END_TIMEOUT);
        loop {
            let before = self.chunks_read.load(Ordering::Relaxed);
            match self.read_to_end.recv_timeout(END_TIMEOUT) {
                Ok(()) => return !self.feed.given_up.load(Ordering::Relaxed),
                Err(RecvTimeoutError::Timeout) if self.chunks_read.load(Ordering::Relaxed) > before => {}
                Err(_) => return false,
            }
        }
    }
}

/// Starts the thread that opens the reader once the run has started, and reads. `after` is called after
/// each progress record and whenever output was read, with the lock released.
///
/// # Errors
/// The system has no thread left.
pub fn follow(
    open: impl FnOnce() -> LogReader + Send + 'static,
    session: &Session,
    after: impl FnMut() + Send + 'static,
) -> io::Result<(LogFeed, Follower)> {
    let (chunks, queue) = bounded(QUEUE);
    let (done, read_to_end) = bounded(1);
    let chunks_read = Arc::new(AtomicU64::new(0));
    let count = chunks_read.clone();
    let (recorder, started) = (session.recorder.clone(), session.started.clone());
    let read = move || {
        started.wait();
        read_all(open(), &recorder, &queue, &count, after);
        let _ = done.send(());
    };
    spawn_thread("effllm-log", read)?;
    let feed = LogFeed { chunks, given_up: Arc::default() };
    Ok((feed.clone(), Follower { feed, read_to_end, chunks_read }))
}

fn read_all(
    mut reader: LogReader,
    recorder: &SharedRecorder,
    queue: &Receiver<Option<Chunk>>,
    chunks_read: &AtomicU64,
    mut after: impl FnMut(),
) {
    let mut events = Vec::new();
    loop {
        let ended = match queue.recv_timeout(PAUSE) {
            Ok(Some(chunk)) => {
                reader.push(chunk.stream, &chunk.bytes, chunk.at, &mut events);
                false
            }
            Err(RecvTimeoutError::Timeout) => {
                reader.pause(&mut events);
                false
            }
            Ok(None) | Err(RecvTimeoutError::Disconnected) => {
                reader.finish(&mut events);
                true
            }
        };
        record(&reader, recorder, &mut events, &mut after);
        chunks_read.fetch_add(1, Ordering::Relaxed);
        if ended {
            return;
        }
    }
}

fn record(reader: &LogReader, recorder: &SharedRecorder, events: &mut Vec<Event>, after: &mut impl FnMut()) {
    let mut status = vec![Event::LogRead { lines: reader.lines(), bytes: reader.bytes() }];
    if let Some((name, because)) = reader.profile() {
        status.push(Event::Profile { name: name.to_owned(), because: because.to_owned() });
    }
    for event in status.into_iter().chain(events.drain(..)) {
        let due = matches!(event, Event::Progress(_) | Event::LogRead { .. });
        recorder.fold(event);
        if due {
            after();
        }
    }
}
