//! Starts the command as it would start alone: same directory, environment, stdin and signal mask.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::Pid;

use super::exec::{cannot_execute, command};
use super::inherited;
use super::procfs::place_of;
use super::session_leader::lead;
use super::stdio::{CommandTerminal, Output, StdioMode};
use super::string_list::StringList;
use super::tree::exclude;
use crate::error::Error;
use crate::event::Stream;
use crate::thread::spawn_thread;

/// The variable that makes Python write its output without buffering.
pub const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// How long the kernel may count a process slot as taken after its thread has ended.
const SLOT_TIMEOUT: Duration = Duration::from_millis(200);

/// One of the processes that the user may have (RLIMIT_NPROC, a cgroup's pids.max), reserved for the
/// command: a thread counts as a process, and the measuring threads must not take the last one.
#[derive(Debug)]
pub struct ProcessSlot(Option<(Sender<Infallible>, JoinHandle<()>)>);

impl ProcessSlot {
    /// Reserves a slot, if there is one.
    pub fn reserve() -> Self {
        let (keep, kept) = bounded(0);
        let wait = move || {
            let _ = kept.recv();
        };
        Self(spawn_thread("effllm-slot", wait).ok().map(|thread| (keep, thread)))
    }

    fn release(self) {
        if let Some((keep, thread)) = self.0 {
            drop(keep);
            let _ = thread.join();
        }
    }
}

/// A command that has been started.
#[derive(Debug)]
pub struct Child {
    pub pid: Pid,
    pub outputs: Vec<Output>,
    pub terminal: Option<CommandTerminal>,
}

/// Starts the command in its process slot, with `mask` for its signal mask.
///
/// # Errors
/// 127 if there is no such command, 126 if it cannot be executed, 125 if the system is short of
/// processes, memory or descriptors.
pub fn spawn(
    argv: &[OsString],
    stdio: StdioMode,
    report_takes_stdout: bool,
    slot: ProcessSlot,
    mask: SigSet,
    unbuffer: bool,
) -> Result<Child, Error> {
    let mut command = command(argv)?;
    let environment = unbuffer.then(StringList::unbuffered_environment);
    let cannot_set_up =
        |error| Error::failed(format!("cannot set up the command's stdin, stdout and stderr: {error}"));
    let mut terminal = stdio.apply(report_takes_stdout, &mut command).map_err(cannot_set_up)?;
    let prepare = move || {
        inherited::restore()?;
        environment.iter().for_each(StringList::become_environment);
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: these are.
    match &terminal {
        None => unsafe { command.pre_exec(prepare) },
        Some(CommandTerminal { slave, leader, .. }) => {
            let (slave, link) = (slave.as_raw_fd(), leader.far());
            let argv = StringList::arguments(argv).map_err(cannot_set_up)?;
            unsafe { command.pre_exec(move || lead(slave, link, &argv, &prepare)) }
        }
    };
    // Dropping the child's handle neither waits for the process nor ends it.
    let mut child = spawn_in(slot, &mut command).map_err(|error| cannot_execute(argv, &error))?;
    let mut pid = child.id();
    if let Some(terminal) = &mut terminal {
        exclude(pid);
        pid = terminal.leader.command().map_err(cannot_set_up)?;
    }
    let pid = i32::try_from(pid).map_err(|_| Error::failed("the command's PID is out of range"))?;
    let mut outputs = Vec::new();
    let pipe = |stream, from: OwnedFd| Output { stream, place: place_of(&from), from };
    outputs.extend(child.stdout.take().map(|from| pipe(Stream::Stdout, from.into())));
    outputs.extend(child.stderr.take().map(|from| pipe(Stream::Stderr, from.into())));
    if let Some(CommandTerminal { keyboard, stream, slave, .. }) = &terminal {
        let from = keyboard.command().try_clone_to_owned();
        let from = from.map_err(|error| Error::failed(error.to_string()))?;
        outputs.push(Output { stream: *stream, from, place: place_of(slave) });
    }
    Ok(Child { pid: Pid::from_raw(pid), outputs, terminal })
}

/// Starts the command in its slot, which the kernel may count as taken for a moment longer.
fn spawn_in(slot: ProcessSlot, command: &mut Command) -> io::Result<std::process::Child> {
    slot.release();
    let deadline = Instant::now() + SLOT_TIMEOUT;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            spawned => return spawned,
        }
    }
}
