//! Starts the command as it would start alone: same folder, environment, stdin and signal mask.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{Pid, setsid};

use super::inherited;
use super::pty::Pty;
use crate::error::{Error, FAILED, NOT_EXECUTABLE, NOT_FOUND};
use crate::event::Stream;
use crate::thread::spawn_thread;

/// What was asked for by `--stdio`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StdioMode {
    #[default]
    Pipe,
    Pty,
    Inherit,
}

/// Where the command's stdin, stdout and stderr lead.
#[derive(Debug)]
pub enum Wiring {
    /// Stdin is effllm's own, stdout and stderr are pipes.
    Pipes,
    /// A terminal of the command's own, which looks like this one, for some of stdin, stdout and
    /// stderr; the others are as with pipes.
    Terminal { like: OwnedFd, on_it: [bool; 3] },
    /// All are effllm's own, but for stdout where the report takes it.
    Inherit { stdout: Option<OwnedFd> },
}

/// Our end of what the command writes.
#[derive(Debug)]
pub struct Output {
    /// What it is; of a terminal that both streams share, stdout.
    pub stream: Stream,
    pub from: OwnedFd,
}

/// A place among the processes that the user may have (RLIMIT_NPROC, a cgroup's pids.max), kept for the
/// command: a thread counts as a process, and those that measure are not to take the last.
#[derive(Debug)]
pub struct ProcessSlot(Option<(Sender<Infallible>, JoinHandle<()>)>);

impl ProcessSlot {
    /// Takes a place, if there is one.
    pub fn reserve() -> Self {
        let (keep, kept) = bounded(0);
        let wait = move || {
            let _ = kept.recv();
        };
        Self(spawn_thread("effllm-place", wait).ok().map(|thread| (keep, thread)))
    }

    fn give_up(self) {
        if let Some((keep, thread)) = self.0 {
            drop(keep);
            let _ = thread.join();
        }
    }
}

/// How long after it was given up a place may count as taken.
const PLACE_PATIENCE: Duration = Duration::from_millis(200);

/// A running command.
#[derive(Debug)]
pub struct Child {
    pub pid: Pid,
    pub outputs: Vec<Output>,
    /// The command's own terminal, if it has one.
    pub pty: Option<Pty>,
}

/// The variable by which Python is told not to hold its output back.
pub const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// Starts the command in the place that was kept for it, with `mask` for its signal mask.
///
/// # Errors
/// 127 if there is no such command, 126 if it cannot be executed, 125 if no process can be made.
pub fn spawn(
    argv: &[OsString],
    wiring: Wiring,
    place: ProcessSlot,
    mask: SigSet,
    unbuffer: bool,
) -> Result<Child, Error> {
    let mut command = command(argv)?;
    if unbuffer {
        command.env(UNBUFFERED, "1");
    }
    let (pty, on_it) = wire(&mut command, wiring)
        .map_err(|error| Error::failed(format!("the command cannot be given its output: {error}")))?;
    let terminal = pty.as_ref().map(|pty| pty.slave.as_raw_fd());
    let prepare = move || {
        if let Some(terminal) = terminal {
            setsid()?;
            // SAFETY: takes a descriptor, which is open until the command is executed, and a number.
            if unsafe { libc::ioctl(terminal, libc::TIOCSCTTY, 0) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        inherited::restore()?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: these are.
    unsafe { command.pre_exec(prepare) };
    // Dropping the child's handle neither waits for the process nor ends it.
    let mut child = spawn_in(place, &mut command).map_err(|error| cannot_execute(argv, &error))?;
    let pid = i32::try_from(child.id()).map_err(|_| Error::failed("the command has no usable PID"))?;
    let mut outputs = Vec::new();
    outputs.extend(child.stdout.take().map(|pipe| Output { stream: Stream::Stdout, from: pipe.into() }));
    outputs.extend(child.stderr.take().map(|pipe| Output { stream: Stream::Stderr, from: pipe.into() }));
    if let Some(pty) = &pty {
        let stream = if on_it[1] { Stream::Stdout } else { Stream::Stderr };
        let from = pty.master.try_clone().map_err(|error| Error::failed(error.to_string()))?;
        outputs.push(Output { stream, from });
    }
    Ok(Child { pid: Pid::from_raw(pid), outputs, pty })
}

/// Starts the command in its place, which the kernel may count for a moment longer.
fn spawn_in(place: ProcessSlot, command: &mut Command) -> io::Result<std::process::Child> {
    place.give_up();
    let deadline = Instant::now() + PLACE_PATIENCE;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            spawned => return spawned,
        }
    }
}

/// Gives the command its stdin, stdout and stderr.
fn wire(command: &mut Command, wiring: Wiring) -> io::Result<(Option<Pty>, [bool; 3])> {
    match wiring {
        Wiring::Pipes => {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            Ok((None, [false; 3]))
        }
        Wiring::Terminal { like, on_it } => {
            let pty = Pty::like(like.as_fd())?;
            let end = |on_it, other: fn() -> Stdio| {
                Ok::<_, io::Error>(if on_it { pty.slave.try_clone()?.into() } else { other() })
            };
            let [stdin, stdout, stderr] = on_it;
            command.stdin(end(stdin, Stdio::inherit)?);
            command.stdout(end(stdout, Stdio::piped)?).stderr(end(stderr, Stdio::piped)?);
            Ok((Some(pty), on_it))
        }
        Wiring::Inherit { stdout } => {
            if let Some(stdout) = stdout {
                command.stdout(stdout);
            }
            Ok((None, [false; 3]))
        }
    }
}

impl FromStr for StdioMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pipe" => Ok(Self::Pipe),
            "pty" => Ok(Self::Pty),
            "inherit" => Ok(Self::Inherit),
            _ => Err("is none of pipe, pty and inherit".to_owned()),
        }
    }
}

impl fmt::Display for StdioMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pipe => "pipe",
            Self::Pty => "pty",
            Self::Inherit => "inherit",
        })
    }
}

/// Becomes the command, with this signal mask if not the present one: returns only if that cannot be
/// done.
pub fn exec(argv: &[OsString], mask: Option<SigSet>) -> Error {
    match command(argv) {
        Ok(mut command) => {
            let prepare = move || {
                inherited::restore()?;
                sigprocmask(SigmaskHow::SIG_SETMASK, mask.as_ref(), None).map_err(io::Error::from)
            };
            // SAFETY: all that it does is allowed here as well as between fork and exec.
            unsafe { command.pre_exec(prepare) };
            cannot_execute(argv, &command.exec())
        }
        Err(error) => error,
    }
}

fn command(argv: &[OsString]) -> Result<Command, Error> {
    let (program, arguments) = argv.split_first().ok_or_else(|| Error::usage("no command is given"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn cannot_execute(argv: &[OsString], error: &io::Error) -> Error {
    let program = argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let exit = match error.raw_os_error() {
        Some(libc::ENOENT) => NOT_FOUND,
        Some(libc::ENOMEM | libc::EAGAIN | libc::EMFILE | libc::ENFILE) => FAILED,
        _ => NOT_EXECUTABLE,
    };
    let is_here = Path::new(&program).exists();
    let what = match exit {
        NOT_FOUND if program.contains('/') && is_here => {
            format!("'{program}': the interpreter that it asks for is missing")
        }
        NOT_FOUND if program.contains('/') => format!("'{program}': no such file"),
        NOT_FOUND => format!("'{program}': command not found"),
        _ => format!("'{program}' cannot be executed: {error}"),
    };
    Error::new(exit, what).hint(help(&program, exit, error.kind()))
}

/// What to do about a command that cannot be executed.
fn help(program: &str, exit: u8, why: io::ErrorKind) -> String {
    let is_here = Path::new(program).exists();
    match (exit, why) {
        (FAILED, _) => "the system has no room for that; 'ulimit -a' shows its limits".to_owned(),
        (NOT_FOUND, _) if program.is_empty() => {
            "a variable that stands for the command may be empty".to_owned()
        }
        (NOT_FOUND, _) if program.contains('/') && is_here => {
            format!("a script names it in its first line; 'file {program}' shows that of a program")
        }
        (NOT_FOUND, _) if program.contains('/') => {
            "the path begins in the folder that effllm is started in".to_owned()
        }
        (NOT_FOUND, _) if program.contains(' ') => {
            "a command and its arguments are words of their own; a shell reads a line: bash -c '…'".to_owned()
        }
        (NOT_FOUND, _) if is_here => format!("one in this folder is ./{program}"),
        (NOT_FOUND, _) => "no folder of PATH holds it; name its path".to_owned(),
        (_, io::ErrorKind::PermissionDenied) if Path::new(program).is_dir() => {
            "it is a folder; name a file in it".to_owned()
        }
        (_, io::ErrorKind::PermissionDenied) => {
            format!("'chmod +x {program}' makes it a command; 'bash {program}' reads it as a script")
        }
        _ => format!("'file {program}' tells what it is; 'bash {program}' reads it as a script"),
    }
}
