//! Writing to descriptors that others may have set non-blocking, that may be stopped by flow
//! control, and that signals interrupt.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{OutputFlags, tcgetattr};

use crate::event::Stream;

/// Takes bytes for a stream; all of them, or it fails and leaves the bytes that were not written.
pub trait Output {
    fn put(&mut self, stream: Stream, bytes: &mut &[u8]) -> io::Result<()>;

    /// Whether stderr is a terminal on which a newline does not return to the first column by itself.
    fn is_raw(&self) -> bool;
}

/// effllm's own standard output and standard error.
#[derive(Debug)]
pub struct Descriptors {
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    /// When to give up on a descriptor that takes nothing; otherwise it is waited for.
    pub deadline: Option<Instant>,
}

impl Output for Descriptors {
    fn put(&mut self, stream: Stream, bytes: &mut &[u8]) -> io::Result<()> {
        let descriptor = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        write_all(descriptor.as_fd(), bytes, self.deadline)
    }

    fn is_raw(&self) -> bool {
        let returns = OutputFlags::OPOST | OutputFlags::ONLCR;
        tcgetattr(&self.stderr).is_ok_and(|modes| !modes.output_flags.contains(returns))
    }
}

/// Writes all of the bytes, waiting where the descriptor takes none, until the deadline if any.
///
/// # Errors
/// The descriptor's own, or `TimedOut`; `bytes` are then those that were not written.
pub fn write_all(descriptor: BorrowedFd, bytes: &mut &[u8], deadline: Option<Instant>) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = write_some(descriptor, bytes, deadline)?;
        *bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Writes as much as the descriptor takes; 0 if the write must be repeated.
fn write_some(descriptor: BorrowedFd, bytes: &[u8], deadline: Option<Instant>) -> io::Result<usize> {
    let mut bytes = bytes;
    if deadline.is_some() {
        wait(descriptor, deadline)?;
        // A pipe that takes bytes takes so many; of more the write would wait for its reader.
        bytes = bytes.get(..libc::PIPE_BUF).unwrap_or(bytes);
    }
    match nix::unistd::write(descriptor, bytes) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Err(Errno::EINTR) => Ok(0),
        Err(Errno::EAGAIN) => wait(descriptor, deadline).map(|()| 0),
        written => Ok(written?),
    }
}

/// Waits until the descriptor takes bytes, or has an error that the next write returns.
fn wait(descriptor: BorrowedFd, deadline: Option<Instant>) -> io::Result<()> {
    let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut [PollFd::new(descriptor, PollFlags::POLLOUT)], timeout) {
        Ok(0) => Err(io::ErrorKind::TimedOut.into()),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::*;

    #[test]
    fn a_full_pipe_that_does_not_block_is_waited_for() {
        let (mut reader, writer) = io::pipe().unwrap();
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let bytes = vec![b'x'; 1 << 20];
        let sent = bytes.clone();
        let thread = std::thread::spawn(move || write_all(writer.as_fd(), &mut &sent[..], None));
        let mut received = Vec::new();
        reader.read_to_end(&mut received).unwrap();
        thread.join().unwrap().unwrap();
        assert!(received == bytes);
    }

    #[test]
    fn a_deadline_ends_the_waiting() {
        for blocks in [OFlag::O_NONBLOCK, OFlag::empty()] {
            let (mut reader, writer) = io::pipe().unwrap();
            let deadline = Instant::now() + Duration::from_millis(20);
            fcntl(&writer, FcntlArg::F_SETFL(blocks)).unwrap();
            let bytes = vec![b'x'; 1 << 20];
            let mut rest = &bytes[..];
            let error = write_all(writer.as_fd(), &mut rest, Some(deadline)).unwrap_err();
            let mut taken = vec![0; bytes.len() - rest.len()];
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            reader.read_exact(&mut taken).unwrap();
            assert!(!taken.is_empty() && taken.iter().all(|byte| *byte == b'x'));
        }
    }
}
