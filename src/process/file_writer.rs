//! Files that processes of their own write.
//!
//! The kernel lets no process end while one of its threads waits for a file system that is frozen, or whose disk
//! does not answer. So the bytes go through a socket to another process, which effllm can leave behind.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sys::prctl::set_name;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, setsid};

use crate::fs::atomic;

/// The least time that one of several files gets of what is left for all of them.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
pub const HANGS: &str = "its file system does not answer";

/// How a file is written.
#[derive(Debug)]
pub enum Way {
    /// Replaced as a whole, each time.
    Replace(PathBuf),
    /// The same for a report, which never replaces the finished one of a run at the same time.
    ReplaceReport(PathBuf, Identity),
    Append(File),
}

/// What tells a file from one that another process has put in its place: device, inode, time of change.
type Identity = Option<(u64, u64, i64, i64)>;

fn identity(path: &Path) -> Identity {
    path.metadata().ok().map(|found| (found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
}

impl Way {
    /// The report, in the place of one that is there now.
    pub fn report(path: &Path) -> Self {
        Self::ReplaceReport(path.to_owned(), identity(path))
    }
}

/// A file that is being written.
#[derive(Debug)]
pub enum FileWriter {
    Process(WritingProcess),
    /// By effllm itself: a device or a pipe, or there is no room for a process.
    Direct(Way),
}

/// A process that answers with an empty line, or with a line that says what failed.
#[derive(Debug)]
pub struct WritingProcess {
    pid: Pid,
    socket: BufReader<UnixStream>,
    /// What it has kept of others.
    kept: String,
    /// It is left behind.
    hangs: bool,
}

impl FileWriter {
    /// Starts the process.
    pub fn start(way: Way) -> Self {
        let is_stream = match &way {
            Way::Replace(path) | Way::ReplaceReport(path, _) => atomic::is_stream(path),
            Way::Append(file) => !file.metadata().is_ok_and(|found| found.is_file()),
        };
        let pair = if is_stream { None } else { UnixStream::pair().ok() };
        let Some((ours, its)) = pair else { return Self::Direct(way) };
        // SAFETY: the C library makes its allocator usable in the child, and the child takes no other lock that
        // a thread of effllm may hold: such threads only wait by now.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                let _ = serve(way, its);
                // SAFETY: only ends the process.
                unsafe { libc::_exit(0) }
            }
            Ok(ForkResult::Parent { child: pid }) => {
                processes().push(pid);
                Self::Process(WritingProcess {
                    pid,
                    socket: BufReader::new(ours),
                    kept: String::new(),
                    hangs: false,
                })
            }
            Err(_) => Self::Direct(way),
        }
    }

    /// Replaces the file, and waits for that until the deadline, if there is one.
    ///
    /// # Errors
    /// The new file cannot be written; the old one is unchanged. Or its file system does not answer; the writer
    /// cannot be used again then.
    pub fn replace(&mut self, bytes: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        match self {
            Self::Process(process) => process.replace(bytes, deadline),
            Self::Direct(Way::Replace(path) | Way::ReplaceReport(path, _)) => atomic::replace(path, bytes),
            Self::Direct(Way::Append(file)) => file.write_all(bytes),
        }
    }

    /// # Errors
    /// They cannot be written. A process tells later, too.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            // The reason for a closed socket is the answer.
            Self::Process(process) => process.socket.get_mut().write_all(bytes).or_else(|_| process.answer()),
            Self::Direct(_) => self.replace(bytes, None),
        }
    }

    /// What was found in the file's place and kept, as a sentence, or nothing.
    pub fn kept(&self) -> &str {
        match self {
            Self::Process(process) => process.kept.trim(),
            Self::Direct(_) => "",
        }
    }

    /// Waits until all that was appended is written.
    ///
    /// # Errors
    /// It was not.
    pub fn finish(mut self) -> io::Result<()> {
        match &mut self {
            Self::Process(process) => {
                process.socket.get_mut().shutdown(Shutdown::Write)?;
                process.answer()
            }
            Self::Direct(_) => Ok(()),
        }
    }
}

impl WritingProcess {
    fn replace(&mut self, bytes: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let patience = left.map(|left| left.max(LEAST_PATIENCE));
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes();
        let socket = self.socket.get_mut();
        socket.set_write_timeout(patience).and_then(|()| socket.set_read_timeout(patience))?;
        let sent = socket.write_all(&length).and_then(|()| socket.write_all(bytes));
        sent.and_then(|()| self.answer()).map_err(|error| {
            self.hangs = error.kind() == io::ErrorKind::WouldBlock;
            if self.hangs { io::Error::other(HANGS) } else { error }
        })
    }

    fn answer(&mut self) -> io::Result<()> {
        let mut line = String::new();
        match (self.socket.read_line(&mut line)?, line.trim_end()) {
            (0, _) => Err(io::Error::other("the process that writes it has ended")),
            (_, "") => Ok(()),
            (_, kept) if kept.starts_with('+') => {
                kept.get(1..).unwrap_or_default().clone_into(&mut self.kept);
                Ok(())
            }
            (_, error) => Err(io::Error::other(error.to_owned())),
        }
    }
}

impl Drop for WritingProcess {
    /// The process ends with its socket, and is waited for unless it hangs.
    fn drop(&mut self) {
        let socket = self.socket.get_mut();
        let _ = socket.shutdown(Shutdown::Write);
        let _ = socket.set_read_timeout(Some(LEAST_PATIENCE));
        if !self.hangs && socket.read_to_end(&mut Vec::new()).is_ok() {
            let _ = waitpid(self.pid, None);
            processes().retain(|pid| *pid != self.pid);
        }
    }
}

fn processes() -> MutexGuard<'static, Vec<Pid>> {
    static PROCESSES: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
    PROCESSES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the processes: the command that replaces effllm has no children at its start.
pub fn end_file_writers() {
    for process in processes().drain(..) {
        let _ = kill(process, Signal::SIGKILL);
        let _ = waitpid(process, None);
    }
}

/// Writes what comes, in the process that is there for it, until effllm closes the socket.
fn serve(way: Way, mut socket: UnixStream) -> io::Result<()> {
    // No key and no signal of a launcher is for it, and no reader waits for it to end.
    let _ = setsid();
    let _ = set_name(c"effllm-files");
    let _ = SigSet::all().thread_block();
    let used = match &way {
        Way::Append(file) => file.as_raw_fd(),
        Way::Replace(_) | Way::ReplaceReport(..) => -1,
    };
    close_others(&[used, socket.as_raw_fd()]);
    match way {
        Way::Append(mut file) => {
            let written = io::copy(&mut socket, &mut file).map(|_| String::new());
            writeln!(socket, "{}", shown(written))
        }
        Way::Replace(path) => {
            replace_each(socket, |bytes| atomic::replace(&path, bytes).map(|()| String::new()))
        }
        Way::ReplaceReport(path, mut known) => {
            let mut kept = String::new();
            replace_each(socket, |bytes| {
                kept += &replace_report(&path, &mut known, bytes)?;
                Ok(kept.clone())
            })
        }
    }
}

fn replace_each(
    mut socket: UnixStream,
    mut replace: impl FnMut(&[u8]) -> io::Result<String>,
) -> io::Result<()> {
    loop {
        let mut length = [0; 8];
        socket.read_exact(&mut length)?;
        let mut bytes = Vec::new();
        (&mut socket).take(u64::from_le_bytes(length)).read_to_end(&mut bytes)?;
        writeln!(socket, "{}", shown(replace(&bytes)))?;
    }
}

/// Keeps the finished report that another effllm has written meanwhile, as `NAME.1` or the next free name.
/// One that is not finished is written again by the effllm that it is of. Returns where it is now, as a sentence.
fn replace_report(path: &Path, known: &mut Identity, bytes: &[u8]) -> io::Result<String> {
    atomic::refuse_planted(path)?;
    let mut kept = String::new();
    let place = atomic::place_of(path).unwrap_or_else(|| path.to_owned());
    // Others do the same at the same time.
    let folder = place.parent().and_then(|folder| File::open(folder).ok());
    let _lock = folder.and_then(|folder| Flock::lock(folder, FlockArg::LockExclusive).ok());
    if ![None, *known].contains(&identity(&place)) && !is_of_a_running_command(&place) {
        let name = |n: u16| {
            let mut name = place.clone().into_os_string();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        let free = (1..=u16::MAX).map(name).find(|name| name.symlink_metadata().is_err());
        if let Some(free) = free {
            fs::rename(&place, &free)?;
            kept = format!(
                "another effllm has written its report to {} meanwhile, which is now {}; -o FILE keeps runs apart. ",
                path.display(),
                free.display()
            );
        }
    }
    atomic::replace(&place, bytes)?;
    *known = identity(&place);
    Ok(kept)
}

/// Whether a report says so in its first lines.
fn is_of_a_running_command(report: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(report).and_then(|file| file.take(1024).read_to_end(&mut head));
    read.is_ok() && String::from_utf8_lossy(&head).contains("\"status\": \"running\"")
}

/// The answer: a line, which is empty, says what was kept after a `+`, or what failed.
fn shown(written: io::Result<String>) -> String {
    let answer = match written {
        Ok(kept) if kept.is_empty() => kept,
        Ok(kept) => format!("+{kept}"),
        Err(error) => error.to_string(),
    };
    answer.replace('\n', " ")
}

/// Closes all descriptors but these; stdin, stdout and stderr become /dev/null.
fn close_others(used: &[RawFd]) {
    let null = File::options().read(true).write(true).open("/dev/null");
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<RawFd> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let others = open.into_iter().chain(0..3).filter(|fd| !used.contains(fd));
    for fd in others {
        // SAFETY: nothing in this process uses them.
        unsafe {
            match &null {
                Ok(null) if fd < 3 => drop(libc::dup2(null.as_raw_fd(), fd)),
                Ok(null) if fd == null.as_raw_fd() => {}
                _ => drop(libc::close(fd)),
            }
        }
    }
}
