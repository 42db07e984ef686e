//! Bytes straight through: the command's output to effllm's own, then a copy to the log.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::follow::{Chunk, LogFeed};
use crate::child::Child;
use crate::log::Source;
use crate::model::Clock;

/// As much as a pipe holds.
const BUFFER: usize = 64 * 1024;
/// How long the pipes of a command that has ended are read on: grandchildren may hold them open.
const DRAIN: Duration = Duration::from_millis(500);

/// Where a stream of the command goes. An error ends the stream, as a closed pipe would.
pub type Sink = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// The threads that carry the command's output.
pub struct Pumps {
    /// Disconnected once every pump has ended.
    running: Receiver<()>,
}

/// Starts a pump for each stream of the command.
pub fn start(child: Child, [stdout, stderr]: [Sink; 2], clock: Clock, log: LogFeed) -> Pumps {
    let (alive, running) = bounded(0);
    for (source, from, to) in [(Source::Stdout, child.stdout, stdout), (Source::Stderr, child.stderr, stderr)]
    {
        let (log, alive) = (log.clone(), alive.clone());
        let name = format!("{source:?}").to_lowercase();
        let pump = move || {
            pump(from, to, source, clock, &log);
            drop::<Sender<()>>(alive);
        };
        // Without a thread the stream is closed, as it would be without effllm's memory.
        let _ = thread::Builder::new().name(name).spawn(pump);
    }
    Pumps { running }
}

impl Pumps {
    /// Waits for what the command has left in its pipes. Returns false if something else holds
    /// them open.
    pub fn drain(&self) -> bool {
        self.running.recv_timeout(DRAIN).is_err_and(|error| error.is_disconnected())
    }
}

fn pump(from: OwnedFd, mut to: Sink, source: Source, clock: Clock, log: &LogFeed) {
    let mut from = File::from(from);
    let mut buffer = vec![0; BUFFER];
    loop {
        let bytes = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => buffer.get(..n).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let at = clock.now();
        // A reader that has gone away closes the command's pipe too: it gets its SIGPIPE.
        if to(bytes).is_err() {
            return;
        }
        log.send(Chunk { source, at, bytes: bytes.to_vec() });
    }
}
