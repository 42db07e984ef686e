//! The process that leads the session of a command with a terminal of its own.
//!
//! When the leader of a session ends, the kernel sends SIGHUP to the foreground of its terminal. The command
//! does not lead its session, just as if a shell had started it: programs that it leaves running run on.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc::{self, c_int};
use nix::sys::signal::SigSet;
use nix::unistd::{pipe2, read, setsid, write};

use super::string_list::StringList;

/// How long the leader may take to leave the terminal.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Beyond this, an old kernel (before 5.9) leaves descriptors open in the leader.
const DESCRIPTORS: c_int = 4096;

/// The leader, which ends when this is dropped.
#[derive(Debug)]
pub struct SessionLeader {
    link: UnixStream,
    /// The leader's end, which it inherits.
    far: UnixStream,
}

impl SessionLeader {
    /// # Errors
    /// The system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let (link, far) = UnixStream::pair()?;
        link.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { link, far })
    }

    /// The end of the link for [`lead`].
    pub fn far(&self) -> RawFd {
        self.far.as_raw_fd()
    }

    /// The command's PID, once it has been started.
    ///
    /// # Errors
    /// The leader has not told it.
    pub fn command(&mut self) -> io::Result<u32> {
        let mut pid = [0; size_of::<u32>()];
        self.link.read_exact(&mut pid)?;
        Ok(u32::from_ne_bytes(pid))
    }

    /// The command has ended: ends the leader without a hang-up.
    pub fn end(self) {
        let Self { mut link, far } = self;
        drop(far);
        // Ends with the leader, which writes no more.
        let _ = link.write_all(&[0]).and_then(|()| link.read(&mut [0]));
    }
}

/// Makes this process, which is about to be executed, the leader of a session on a terminal, and executes the
/// program in another process, which effllm is the parent of and which leads the terminal's foreground.
/// `prepare` runs in it before. Async-signal-safe.
///
/// # Errors
/// The program cannot be executed. Otherwise this does not return.
pub fn lead(
    terminal: RawFd,
    link: RawFd,
    argv: &StringList,
    prepare: impl Fn() -> io::Result<()>,
) -> io::Result<()> {
    setsid()?;
    // SAFETY: takes a descriptor, which is open, and a number.
    Errno::result(unsafe { libc::ioctl(terminal, libc::TIOCSCTTY, 0) })?;
    SigSet::all().thread_block()?; // SIGTTOU would stop a process that takes the foreground
    let (failure, fails) = pipe2(OFlag::O_CLOEXEC)?;
    let clone = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    // SAFETY: as fork(2): without CLONE_VM, the new process has memory of its own.
    let command = Errno::result(unsafe { libc::syscall(libc::SYS_clone, clone, 0, 0, 0, 0) })?;
    if command == 0 {
        let error = execute(terminal, argv, prepare);
        let _ = write(fails, &error.raw_os_error().unwrap_or(libc::EINVAL).to_ne_bytes());
        // SAFETY: only ends the process.
        unsafe { libc::_exit(1) }
    }
    drop(fails);
    let mut error = [0; size_of::<i32>()];
    // The end of the file is the success: the program's copy was closed when it was executed.
    if read(failure, &mut error)? > 0 {
        return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(error)));
    }
    let pid = u32::try_from(command).unwrap_or_default().to_ne_bytes();
    // SAFETY: writes bytes that are there.
    unsafe { libc::write(link, pid.as_ptr().cast(), pid.len()) };
    wait_for_end(terminal, link)
}

/// Executes the program in the foreground of the terminal; returns why it could not.
fn execute(terminal: RawFd, argv: &StringList, prepare: impl Fn() -> io::Result<()>) -> io::Error {
    // SAFETY: takes numbers and a descriptor.
    if unsafe { libc::setpgid(0, 0) != 0 || libc::tcsetpgrp(terminal, libc::getpid()) != 0 } {
        return io::Error::last_os_error();
    }
    prepare().err().unwrap_or_else(|| argv.execute())
}

/// Waits until effllm asks for the end, or ends itself: then the terminal hangs up for the command, too.
fn wait_for_end(terminal: RawFd, link: RawFd) -> ! {
    // SAFETY: closes descriptors of this process, which uses none but these two; and ends the process.
    unsafe {
        libc::dup2(link, 0);
        libc::dup2(terminal, 1);
        if libc::syscall(libc::SYS_close_range, 2, libc::c_uint::MAX, 0) == -1 {
            (2..DESCRIPTORS).all(|fd| libc::close(fd) <= 0);
        }
        let mut asked = 0_u8;
        if libc::read(0, (&raw mut asked).cast(), 1) == 1 {
            libc::tcsetpgrp(1, libc::getpid()); // the hang-up meets the leader alone
        }
        libc::_exit(0)
    }
}
