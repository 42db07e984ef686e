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

use super::follow::{Chunk, LogFeed};
use crate::child::Child;
use crate::log::Source;
use crate::model::Clock;

/// As much as a pipe holds.
const BUFFER: usize = 64 * 1024;
/// How long the pipes of a command that has ended may stay silent: grandchildren hold them open.
const SILENCE: Duration = Duration::from_millis(500);

/// Where a stream of the command goes. An error ends the stream, as a closed pipe would.
pub type Sink = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// The threads that carry the command's output.
pub struct Pumps {
    /// Disconnected once every pump has ended.
    running: Receiver<()>,
    flows: [Arc<Flow>; 2],
}

/// How far a pump has come.
#[derive(Debug, Default)]
struct Flow {
    /// Bytes read from the command.
    carried: AtomicU64,
    /// Whether bytes are in its hands that its own reader has not taken yet.
    is_writing: AtomicBool,
    /// The most that the command's pipe holds.
    pipe_bytes: u64,
}

/// Starts a pump for each stream of the command.
pub fn start(child: Child, [stdout, stderr]: [Sink; 2], clock: Clock, log: LogFeed) -> Pumps {
    let (alive, running) = bounded(0);
    let streams = [(Source::Stdout, child.stdout, stdout), (Source::Stderr, child.stderr, stderr)];
    let flows = streams.map(|(source, from, to)| {
        let pipe_bytes =
            fcntl(from.as_fd(), FcntlArg::F_GETPIPE_SZ).ok().and_then(|size| size.try_into().ok());
        let flow = Arc::new(Flow { pipe_bytes: pipe_bytes.unwrap_or(BUFFER as u64), ..Flow::default() });
        let (log, alive, told) = (log.clone(), alive.clone(), flow.clone());
        let name = format!("{source:?}").to_lowercase();
        let pump = move || {
            pump(from, to, source, clock, &told, &log);
            drop::<Sender<()>>(alive);
        };
        // Without a thread the stream is closed, as it would be without effllm's memory.
        let _ = thread::Builder::new().name(name).spawn(pump);
        flow
    });
    Pumps { running, flows }
}

impl Pumps {
    /// Once the command has ended: waits until effllm's own readers have taken what it left in its
    /// pipes, however slow they are, or until `interrupted` says so. Returns false if something else
    /// holds the pipes open.
    pub fn drain(&self, mut interrupted: impl FnMut() -> bool) -> bool {
        let carried = || self.flows.each_ref().map(|flow| flow.carried.load(Ordering::Relaxed));
        // More than the pipes held at the command's end was written by something else.
        let ended = carried();
        let mut before = ended;
        loop {
            if self.running.recv_timeout(SILENCE).is_err_and(|error| error.is_disconnected()) {
                return true;
            }
            let now = carried();
            let is_the_commands = |i: usize, flow: &Flow| {
                let moves = flow.is_writing.load(Ordering::Relaxed) || now[i] > before[i];
                moves && now[i] - ended[i] <= flow.pipe_bytes
            };
            let is_left = self.flows.iter().enumerate().any(|(i, flow)| is_the_commands(i, flow));
            if !is_left || interrupted() {
                return false;
            }
            before = now;
        }
    }
}

fn pump(from: OwnedFd, mut to: Sink, source: Source, clock: Clock, flow: &Flow, log: &LogFeed) {
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
        flow.is_writing.store(true, Ordering::Relaxed);
        flow.carried.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        // A reader that has gone away closes the command's pipe too: it gets its SIGPIPE.
        if to(bytes).is_err() {
            return;
        }
        log.send(Chunk { source, at, bytes: bytes.to_vec() });
        flow.is_writing.store(false, Ordering::Relaxed);
    }
}
