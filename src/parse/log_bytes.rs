//! A log's bytes as they come: from a file or standard input once, or from a file that grows.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Request;
use crate::error::Error;
use crate::log::input::{self, Compression, Input};
use crate::log::tail::{StartAt, Step, Tail};
use crate::process::interruptions;

/// The time between two looks at a file that has not grown.
const LOOK: Duration = Duration::from_millis(100);
/// After so long without a line, no other line belongs to the last record.
const SILENCE: Duration = Duration::from_secs(1);
const BUFFER: usize = 64 * 1024;

pub struct LogBytes {
    /// The file as it was named, or `-`.
    pub name: String,
    /// Why reading ended early: the file's error, or that its compression is damaged.
    pub failure: Option<Error>,
    origin: Origin,
    buffer: Vec<u8>,
}

enum Origin {
    Once { input: Input, is_file: bool },
    Growing(Growing),
}

struct Growing {
    tail: Tail,
    interrupted: Receiver<()>,
    /// When bytes were read last.
    read_at: Instant,
    is_caught_up: bool,
    /// After the signal to end: the bytes that were there then, less those read since.
    left: Option<u64>,
}

/// A piece of the log, or its absence.
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    /// All that is there for now has been read; silent, if nothing has come for a while.
    CaughtUp {
        is_silent: bool,
    },
    /// Of the log, or of that part of it that can be read.
    End,
}

impl LogBytes {
    /// # Errors
    /// The file cannot be read, or not followed.
    pub fn open(request: &Request) -> Result<Self, Error> {
        let file = request.file.as_deref();
        let name = file.map_or("-".to_owned(), |file| file.to_string_lossy().into_owned());
        let origin = match file {
            Some(file) if request.follow => Origin::Growing(Growing::open(file)?),
            None if request.follow => {
                return Err(Error::usage("--follow needs a file")
                    .help("standard input is read for as long as it is open without it"));
            }
            _ => Origin::Once {
                input: Input::open(file)?,
                is_file: file.is_some_and(|file| file.metadata().is_ok_and(|found| found.is_file())),
            },
        };
        Ok(Self { name, failure: None, origin, buffer: vec![0; BUFFER] })
    }

    /// Whether opening it again gives the same bytes: not for a pipe.
    pub fn can_be_read_again(&self) -> bool {
        matches!(self.origin, Origin::Once { is_file: true, .. })
    }

    /// Waits for the next piece.
    pub fn next(&mut self) -> Piece<'_> {
        let step = match &mut self.origin {
            Origin::Once { input, .. } => input.read(&mut self.buffer).map(Step::Bytes),
            Origin::Growing(growing) => growing.next(&mut self.buffer),
        };
        match (step, &self.origin) {
            (Ok(Step::Bytes(read @ 1..)), _) => Piece::Bytes(self.buffer.get(..read).unwrap_or_default()),
            (Ok(Step::Truncated), _) => Piece::Bytes(b"\n"), // ends the line that was cut off
            (Ok(Step::Nothing), Origin::Growing(growing)) if !growing.has_ended() => {
                Piece::CaughtUp { is_silent: growing.read_at.elapsed() >= SILENCE }
            }
            (Ok(_), _) => Piece::End,
            (Err(error), _) => {
                self.failure = Some(error);
                Piece::End
            }
        }
    }
}

impl Growing {
    fn open(file: &Path) -> Result<Self, Error> {
        let mut head = Vec::new();
        let _ = input::open(file)?.take(4).read_to_end(&mut head);
        if Compression::of(&head).is_some() {
            return Err(Error::usage(format!("cannot follow {}: it is compressed", file.display()))
                .help("without --follow it is read as it is"));
        }
        let (tail, interrupted) = (Tail::open(file, StartAt::Start)?, interruptions()?);
        Ok(Self { tail, interrupted, read_at: Instant::now(), is_caught_up: false, left: None })
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<Step, Error> {
        let wait = if self.is_caught_up { LOOK } else { Duration::ZERO };
        if self.left.is_none() && self.interrupted.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            self.left = Some(self.tail.backlog());
        }
        let step = if self.left == Some(0) { Step::Nothing } else { self.tail.read(buffer)? };
        if let Step::Bytes(read) = step {
            self.read_at = Instant::now();
            self.left = self.left.map(|left| left.saturating_sub(read as u64));
        }
        self.is_caught_up = step == Step::Nothing;
        Ok(step)
    }

    /// Once all of it has been read.
    fn has_ended(&self) -> bool {
        self.left.is_some() || is_reader_gone()
    }
}

/// Whether the reader of standard output has gone (`| head`). While nothing is printed, no failed write
/// shows it.
fn is_reader_gone() -> bool {
    let stdout = io::stdout();
    let stdout = PollFd::new(stdout.as_fd(), PollFlags::empty());
    matches!(poll(&mut [stdout], PollTimeout::ZERO), Ok(1))
}
