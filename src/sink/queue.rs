//! A bounded queue into a thread that writes a file.

use std::fs::File;
use std::io;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::Warn;
use crate::process::{FileWriter, Way};
use crate::thread::worker::{Stop, Worker};

/// Items that may wait: a burst of some ten thousand lines, and some megabytes at most.
const CAPACITY: usize = 16 * 1024;
/// Items that are written together.
const BATCH: usize = 1024;

/// The sending end: it never waits.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    /// An item, or `None` for the end, since a source that hangs never drops its queue.
    items: Sender<Option<T>>,
    overflowed: Arc<AtomicBool>,
}

impl<T> Queue<T> {
    /// Sends an item, unless the disk is so slow that too many wait already.
    pub fn offer(&self, item: T) {
        if let Err(TrySendError::Full(_)) = self.items.try_send(Some(item)) {
            self.overflowed.store(true, Ordering::Relaxed);
        }
    }
}

/// An open file, and a queue that is not read yet.
#[derive(Debug)]
pub struct Opened<T> {
    file: FileWriter,
    pub path: PathBuf,
    queue: Queue<T>,
    waiting: Receiver<Option<T>>,
}

impl<T: Clone + Send + 'static> Opened<T> {
    pub fn new(file: File, path: PathBuf) -> Self {
        let (items, waiting) = bounded(CAPACITY);
        let file = FileWriter::start(Way::Append(file));
        Self { file, path, queue: Queue { items, overflowed: Arc::default() }, waiting }
    }

    pub fn queue(&self) -> Queue<T> {
        self.queue.clone()
    }

    /// Starts the thread. `encode` appends an item to the bytes that are written next: whole items in one
    /// write and without delay, so that a reader sees them and a SIGKILL can cut the last one only.
    pub fn start(
        self,
        name: &str,
        encode: impl FnMut(T, &mut Vec<u8>) + Send + 'static,
        warn: &Warn,
    ) -> Writing<T> {
        let (Self { file, path, queue, waiting }, report) = (self, warn.clone());
        let (overflowed, named) = (queue.overflowed.clone(), path.display().to_string());
        let write = move |_: Stop| {
            if let Err(error) = write_all(file, &waiting, encode) {
                report(format!("writing {named} failed: {error}; the file ends there"));
            }
            if overflowed.load(Ordering::Relaxed) {
                report(format!("{named} is incomplete: writing it was too slow"));
            }
        };
        // Without a thread nothing is written, which `finish` reports.
        Writing { thread: Worker::spawn(name, write).ok(), queue, path, warn: warn.clone() }
    }
}

fn write_all<T>(
    mut file: FileWriter,
    waiting: &Receiver<Option<T>>,
    mut encode: impl FnMut(T, &mut Vec<u8>),
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut ended = false;
    while !ended {
        // Disconnected: the run has been dropped.
        let Ok(Some(first)) = waiting.recv() else { break };
        let more = waiting.try_iter().take(BATCH).map_while(|item| {
            ended = item.is_none();
            item
        });
        iter::once(first).chain(more).for_each(|item| encode(item, &mut bytes));
        file.append(&bytes)?;
        bytes.clear();
    }
    file.finish()
}

/// A file that is being written.
pub struct Writing<T> {
    thread: Option<Worker>,
    queue: Queue<T>,
    path: PathBuf,
    warn: Warn,
}

impl<T> Writing<T> {
    /// Writes the waiting items and a last one, and waits for that until the deadline.
    pub fn finish(self, last: Option<T>, deadline: Instant) {
        // An error: the thread has failed and reported it, or hangs, which is reported below.
        for item in last.into_iter().map(Some).chain([None]) {
            let _ = self.queue.items.send_deadline(item, deadline);
        }
        let patience = deadline.saturating_duration_since(Instant::now());
        if !self.thread.is_some_and(|thread| thread.finish(patience)) {
            (self.warn)(format!("{} is incomplete: writing it hangs", self.path.display()));
        }
    }
}
