//! The pumps: they carry the command's output to effllm's own, then a copy to the log.

use std::convert::Infallible;
use std::fs::File;
use std::io::ErrorKind::{Interrupted, WouldBlock};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::event::Stream;
use crate::process::{FilterInputs, Filters, Output, StdoutCopy};
use crate::session::Session;
use crate::session::log_follower::LogFeed;
use crate::terminal::is_pipe;
use crate::thread::spawn_thread;

/// The capacity of a pipe.
const BUFFER: usize = 64 * 1024;
/// How long the pumps have to end by themselves after the command, before their pipes are examined: a
/// process that the command left running may hold them open.
const DRAIN_INTERVAL: Duration = Duration::from_millis(500);
/// How long a filter may keep the rest of the output for itself.
const QUIET_LIMIT: Duration = Duration::from_secs(30);
/// How many times longer a filter may make the output: it may write a time before each line.
const FILTER_GROWTH: u64 = 4;

/// Threads for the pumps, started before the command: a command that runs already must not find that
/// its output is carried by no thread.
pub struct PumpThreads([Sender<Pump>; 2]);

/// Carries a stream of the command.
struct Pump {
    from: File,
    /// The stream of effllm's own that it goes to.
    to: Stream,
    log: Option<LogFeed>,
    session: Session,
    flow: Arc<Flow>,
    /// Dropped at the end, after the command's pipe.
    _copy: Option<StdoutCopy>,
    _running: Sender<Infallible>,
}

/// The threads that carry the command's output.
pub struct Pumps {
    /// Disconnected once every pump has ended.
    running: Receiver<Infallible>,
    flows: Vec<Arc<Flow>>,
    filters: Filters,
}

/// How the rest of the command's output was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    Fully,
    /// A process that the command left running holds its pipes open.
    Held,
    /// A signal ended the wait for effllm's own readers.
    Interrupted,
}

/// The progress of a pump.
#[derive(Debug)]
struct Flow {
    stream: Stream,
    /// Bytes read from the command.
    carried: AtomicU64,
    /// Those of them that could not be written.
    lost: AtomicU64,
    /// Whether its pipe is empty, and all bytes from there have been written.
    is_idle: AtomicBool,
    /// The capacity of the command's pipe.
    pipe_bytes: u64,
}

impl Drained {
    /// The report's warning, unless all was passed on.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Fully => None,
            Self::Held => Some(
                "a process that the command left running holds its output open; effllm did not wait for it",
            ),
            Self::Interrupted => {
                Some("a signal ended the wait for the reader of the command's output; what was left is lost")
            }
        }
    }
}

impl PumpThreads {
    /// # Errors
    /// The system has no threads left.
    pub fn spawn() -> io::Result<Self> {
        let spawn = |name| -> io::Result<Sender<Pump>> {
            let (pump, received) = bounded::<Pump>(1);
            spawn_thread(name, move || {
                let mut buffer = vec![0; BUFFER];
                if let Ok(pump) = received.recv() {
                    pump.run(&mut buffer);
                }
            })?;
            Ok(pump)
        };
        Ok(Self([spawn("stdout")?, spawn("stderr")?]))
    }

    /// Starts a pump for each stream of the command. `stdout_to`: the stream of effllm's own that the
    /// command's stdout goes to. `copy` is closed when the command has closed it.
    pub fn start(
        self,
        outputs: Vec<Output>,
        stdout_to: Stream,
        session: &Session,
        log: Option<LogFeed>,
        filters: Filters,
        mut copy: Option<StdoutCopy>,
    ) -> Pumps {
        let (alive, running) = bounded(0);
        let mut flows = Vec::new();
        let Self([stdout, stderr]) = self;
        for Output { stream, from, .. } in outputs {
            let pipe_bytes =
                fcntl(from.as_fd(), FcntlArg::F_GETPIPE_SZ).ok().and_then(|size| size.try_into().ok());
            let flow = Arc::new(Flow {
                stream,
                carried: AtomicU64::new(0),
                lost: AtomicU64::new(0),
                is_idle: AtomicBool::new(false),
                pipe_bytes: pipe_bytes.unwrap_or(BUFFER as u64),
            });
            flows.push(flow.clone());
            let (thread, to) = match stream {
                Stream::Stdout => (&stdout, stdout_to),
                Stream::Stderr => (&stderr, Stream::Stderr),
            };
            let _copy = if stream == Stream::Stdout { copy.take() } else { None };
            let (from, log, session, _running) = (from.into(), log.clone(), session.clone(), alive.clone());
            // Fails for a thread that has panicked.
            let _ = thread.send(Pump { from, to, log, session, flow, _copy, _running });
        }
        Pumps { running, flows, filters }
    }
}

impl Pumps {
    /// A sentence for each stream that could not be written in full.
    pub fn losses(&self) -> impl Iterator<Item = String> {
        let lost = |flow: &Arc<Flow>| (flow.stream, flow.lost.load(Ordering::Relaxed));
        self.flows
            .iter()
            .map(lost)
            .filter(|(_, lost)| *lost > 0)
            .map(|(stream, lost)| format!("{lost} bytes of the command's {} were lost", name(stream)))
    }

    /// Once the command has ended: waits until its filters and effllm's own readers have taken the rest of its
    /// output, however slow they are, or until `interrupted`. A process that only goes on writing is not waited
    /// for.
    pub fn drain(&self, mut interrupted: impl FnMut() -> bool) -> Drained {
        let (mut before, mut base, mut quiet) = (0, 0, Duration::ZERO);
        let mut had_ended = true; // the command
        loop {
            if self.running.recv_timeout(DRAIN_INTERVAL).is_err_and(|error| error.is_disconnected()) {
                return Drained::Fully;
            }
            if interrupted() {
                return Drained::Interrupted;
            }
            let FilterInputs { have_bytes, have_ended, open } = self.filters.inputs();
            let carried = self.flows.iter().map(|flow| flow.carried.load(Ordering::Relaxed)).sum::<u64>();
            let has_pump = |flow: &&Arc<Flow>| Arc::strong_count(flow) > 1;
            let mut pumped = self.flows.iter().filter(has_pump).peekable();
            if pumped.peek().is_none() {
                continue; // they have ended meanwhile
            }
            let is_idle = pumped.all(|flow| flow.is_idle.load(Ordering::Relaxed));
            if have_bytes && carried > before {
                quiet = Duration::ZERO;
            } else if is_idle {
                quiet += DRAIN_INTERVAL;
            }
            // What comes to an end has left no more than the pipes hold, and all beyond that is another
            // process's.
            if have_ended || had_ended {
                base = carried;
            }
            let pipes = self.flows.iter().map(|flow| flow.pipe_bytes).sum::<u64>();
            let is_left = carried - base <= pipes * (1 + FILTER_GROWTH * open) && (have_bytes || !is_idle);
            if !(is_left || have_ended) || quiet >= QUIET_LIMIT {
                return Drained::Held;
            }
            (before, had_ended) = (carried, have_ended);
        }
    }
}

impl Pump {
    fn run(self, buffer: &mut [u8]) {
        let Self { mut from, to, log, session, flow, .. } = self;
        loop {
            flow.is_idle.store(is_empty(&from), Ordering::Relaxed);
            if is_abandoned(&from, to) {
                return;
            }
            let bytes = match from.read(buffer) {
                Ok(0) => return,
                Ok(n) => buffer.get(..n).unwrap_or_default(),
                // The command's own terminal does not block.
                Err(error) if matches!(error.kind(), Interrupted | WouldBlock) => continue,
                Err(_) => return,
            };
            let at = session.clock.now();
            flow.is_idle.store(false, Ordering::Relaxed);
            flow.carried.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let mut rest = bytes;
            if let Err(error) = session.terminal.write_child(to, &mut rest) {
                // The reader has gone away: closing the command's pipe sends the command its SIGPIPE.
                if error.kind() == io::ErrorKind::BrokenPipe {
                    return;
                }
                // A pipe cannot pass any other error on, and a full disk may have room again later.
                if flow.lost.fetch_add(rest.len() as u64, Ordering::Relaxed) == 0 {
                    session.warn(&format!(
                        "the command's {} cannot be passed on, and is lost meanwhile: {error}",
                        name(flow.stream)
                    ));
                }
            }
            if let Some(log) = &log {
                log.send(flow.stream, at, bytes);
            }
        }
    }
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "standard output",
        Stream::Stderr => "standard error",
    }
}

/// Waits until the command writes or closes its stream. True if the reader of effllm's own pipe goes away
/// before that: the command, whose pipe is then closed, may wait for nothing else.
fn is_abandoned(from: &File, to: Stream) -> bool {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let to = if to == Stream::Stdout { stdout.as_fd() } else { stderr.as_fd() };
    let mut from = [PollFd::new(from.as_fd(), PollFlags::POLLIN), PollFd::new(to, PollFlags::empty())];
    let watched = if is_pipe(to) { from.as_mut_slice() } else { &mut from[..1] };
    let _ = poll(watched, PollTimeout::NONE); // an error, such as a signal, is found by reading
    let [from, to] = from.map(|descriptor| descriptor.revents().unwrap_or(PollFlags::empty()));
    from.is_empty() && to.contains(PollFlags::POLLERR)
}

/// Whether nothing can be read now.
fn is_empty(from: &File) -> bool {
    poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(0)
}
