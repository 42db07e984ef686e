//! Bytes straight through: the command's output to effllm's own, then a copy to the log.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::follow::{Chunk, LogFeed};
use crate::child::{Output, Stream};
use crate::log::Source;
use crate::model::Clock;

/// As much as a pipe holds.
const BUFFER: usize = 64 * 1024;
/// How long what a command has left in its pipes is waited for before they are looked at: something
/// that goes on may hold them open.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where a stream of the command goes. An error ends the stream, as a closed pipe would.
pub type Sink = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// The threads that carry the command's output.
pub struct Pumps {
    /// Disconnected once every pump has ended.
    running: Receiver<()>,
    flows: Vec<Arc<Flow>>,
}

/// How far a pump has come.
#[derive(Debug, Default)]
struct Flow {
    /// Bytes read from the command.
    carried: AtomicU64,
    /// Whether its pipe is empty, and all that came from there has been taken by its own reader.
    is_idle: AtomicBool,
    /// The most that the command's pipe holds.
    pipe_bytes: u64,
}

/// Starts a pump for each stream of the command; `sink` is where one goes.
pub fn start(outputs: Vec<Output>, sink: impl Fn(Stream) -> Sink, clock: Clock, log: LogFeed) -> Pumps {
    let (alive, running) = bounded(0);
    let mut flows = Vec::new();
    for Output { stream, from } in outputs {
        let pipe_bytes =
            fcntl(from.as_fd(), FcntlArg::F_GETPIPE_SZ).ok().and_then(|size| size.try_into().ok());
        let flow = Arc::new(Flow { pipe_bytes: pipe_bytes.unwrap_or(BUFFER as u64), ..Flow::default() });
        let (log, alive, told, to) = (log.clone(), alive.clone(), flow.clone(), sink(stream));
        let (source, name) = match stream {
            Stream::Stdout => (Source::Stdout, "stdout"),
            Stream::Stderr => (Source::Stderr, "stderr"),
        };
        let pump = move || {
            pump(from, to, source, clock, &told, &log);
            drop::<Sender<()>>(alive);
        };
        // Without a thread the stream is closed, as it would be without effllm's memory.
        let _ = thread::Builder::new().name(name.to_owned()).spawn(pump);
        flows.push(flow);
    }
    Pumps { running, flows }
}

impl Pumps {
    /// Once the command has ended: waits until effllm's own readers have taken what it left in its
    /// pipes, however slow they are, or until `interrupted` says so. Returns false if something else
    /// holds the pipes open.
    pub fn drain(&self, mut interrupted: impl FnMut() -> bool) -> bool {
        let carried = |flow: &Arc<Flow>| flow.carried.load(Ordering::Relaxed);
        let ended: Vec<u64> = self.flows.iter().map(carried).collect();
        loop {
            if self.running.recv_timeout(PATIENCE).is_err_and(|error| error.is_disconnected()) {
                return true;
            }
            let is_left = self.flows.iter().zip(&ended).any(|(flow, ended)| {
                let has_pump = Arc::strong_count(flow) > 1;
                // More than the pipe held at the command's end was written by something else.
                let is_the_commands = carried(flow) - ended <= flow.pipe_bytes;
                has_pump && !flow.is_idle.load(Ordering::Relaxed) && is_the_commands
            });
            if !is_left || interrupted() {
                return false;
            }
        }
    }
}

fn pump(from: OwnedFd, mut to: Sink, source: Source, clock: Clock, flow: &Flow, log: &LogFeed) {
    let mut from = File::from(from);
    let mut buffer = vec![0; BUFFER];
    loop {
        flow.is_idle.store(is_empty(&from), Ordering::Relaxed);
        let bytes = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => buffer.get(..n).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // The command's own terminal, which must not block who writes to it.
                let _ = poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
                continue;
            }
            Err(_) => return,
        };
        let at = clock.now();
        flow.is_idle.store(false, Ordering::Relaxed);
        flow.carried.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        // A reader that has gone away closes the command's pipe too: it gets its SIGPIPE.
        if to(bytes).is_err() {
            return;
        }
        log.send(Chunk { source, at, bytes: bytes.to_vec() });
    }
}

/// Whether nothing can be read now.
fn is_empty(from: &File) -> bool {
    poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(0)
}
