//! Writing to descriptors that others may have set non-blocking, that may be stopped by flow
//! control, and that signals interrupt.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use memchr::{memchr, memrchr};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::termios::{OutputFlags, tcgetattr};

use crate::event::Stream;

/// Takes bytes for a stream; all of them, or it fails and leaves the bytes that were not written.
pub trait Output {
    fn put(&mut self, stream: Stream, bytes: &mut &[u8]) -> io::Result<()>;

    /// Whether stderr is a terminal on which a newline does not return to the first column by itself.
    fn is_raw(&self) -> bool;
}

/// A descriptor with several users.
pub type Shared = Arc<dyn AsFd + Send + Sync>;

/// effllm's own standard output and standard error.
pub struct Descriptors {
    pub stdout: Shared,
    pub stderr: Shared,
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

/// Writes all of the bytes, waiting where the descriptor takes none, until the deadline if any. Into a pipe,
/// which other commands may write to as well, the lines are written whole.
///
/// # Errors
/// The descriptor's own, or `TimedOut`; `bytes` are then those that were not written.
pub fn write_all(descriptor: BorrowedFd, bytes: &mut &[u8], deadline: Option<Instant>) -> io::Result<()> {
    let is_pipe = is_pipe(descriptor);
    while !bytes.is_empty() {
        let mut now = if is_pipe { whole_lines(bytes) } else { *bytes };
        if deadline.is_some() {
            wait(descriptor, deadline)?;
            // A pipe that takes bytes takes so many; of more the write would wait for its reader.
            now = now.get(..libc::PIPE_BUF).unwrap_or(now);
        }
        let written = match nix::unistd::write(descriptor, now) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(Errno::EINTR) => 0,
            Err(Errno::EAGAIN) => wait(descriptor, deadline).map(|()| 0)?,
            written => written?,
        };
        *bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

pub fn is_pipe(descriptor: impl AsFd) -> bool {
    fstat(descriptor).is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) == SFlag::S_IFIFO)
}

/// The first lines, as many as a pipe takes in one piece (pipe(7), PIPE_BUF): bytes of other writers come
/// between pieces. A longer line is not in one piece without effllm either.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = match bytes.get(..libc::PIPE_BUF) {
        Some(piece) => memrchr(b'\n', piece).or_else(|| memchr(b'\n', bytes)),
        None => None,
    };
    end.and_then(|end| bytes.get(..=end)).unwrap_or(bytes)
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
    fn a_pipe_gets_whole_lines_in_one_piece() {
        let pieces = |text: &str| {
            let (mut rest, mut lengths) = (text.as_bytes(), Vec::new());
            while !rest.is_empty() {
                let piece = whole_lines(rest);
                lengths.push(piece.len());
                rest = &rest[piece.len()..];
            }
            lengths
        };
        let line = |length: usize| "x".repeat(length - 1) + "\n";
        assert_eq!(pieces("no newline"), [10]);
        assert_eq!(pieces(&"x".repeat(9000)), [9000]);
        assert_eq!(pieces(&line(4096)), [4096]);
        assert_eq!(pieces(&line(1000).repeat(9)), [4000, 4000, 1000]);
        assert_eq!(pieces(&(line(5000) + &line(100) + &line(9000) + "end")), [5000, 100, 9000, 3]);
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
