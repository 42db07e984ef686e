//! A log's bytes as they come: from a file or standard input once, or from a file that grows.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Request;
use crate::error::Error;
use crate::log::input::{self, Compression, Input};
use crate::log::tail::{StartAt, Step, Tail};
use crate::process::{Signals, UserRequest, stop_effllm};

/// The time between two looks at a file that has not grown.
const LOOK: Duration = Duration::from_millis(100);
/// After so long without a line, no other line belongs to the last record.
const SILENCE: Duration = Duration::from_secs(1);
const BUFFER: usize = 64 * 1024;

pub struct LogBytes {
    name: String,
    origin: Origin,
    buffer: Vec<u8>,
}

enum Origin {
    Once { input: Input, is_file: bool },
    Growing(Box<Growing>),
}

struct Growing {
    tail: Tail,
    signals: Signals,
    state: State,
    /// After the signal to end: the bytes that were there then, less those read since.
    left: Option<u64>,
}

/// The last piece that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Bytes,
    /// [`Piece::CaughtUp`], at this moment.
    CaughtUp(Instant),
    Silence,
}

/// A piece of the log, or its absence.
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    /// All that is there for now has been read.
    CaughtUp,
    /// And nothing has come for a while.
    Silence,
    End,
}

impl LogBytes {
    /// # Errors
    /// The file cannot be read, or not followed.
    pub fn open(request: &Request) -> Result<Self, Error> {
        let file = request.file.as_deref();
        let name = file.map_or("-".to_owned(), |file| file.to_string_lossy().into_owned());
        let origin = match file {
            Some(file) if request.follow => Origin::Growing(Box::new(Growing::open(file)?)),
            None if request.follow => {
                return Err(Error::usage("--follow needs a file")
                    .help("standard input is read for as long as it is open without it"));
            }
            _ => Origin::Once {
                input: Input::open(file)?,
                is_file: file.is_some_and(|file| file.metadata().is_ok_and(|found| found.is_file())),
            },
        };
        Ok(Self { name, origin, buffer: vec![0; BUFFER] })
    }

    /// The file as it was named, or `-`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether opening it again gives the same bytes: not for a pipe.
    pub fn can_be_read_again(&self) -> bool {
        matches!(self.origin, Origin::Once { is_file: true, .. })
    }

    /// Waits for the next piece.
    ///
    /// # Errors
    /// The file's, or its compression is damaged.
    pub fn next(&mut self) -> Result<Piece<'_>, Error> {
        match &mut self.origin {
            Origin::Once { input, .. } => match input.read(&mut self.buffer)? {
                0 => Ok(Piece::End),
                read => Ok(Piece::Bytes(self.buffer.get(..read).unwrap_or_default())),
            },
            Origin::Growing(growing) => growing.next(&mut self.buffer),
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
        let tail = Tail::open(file, StartAt::Start)?;
        let signals = Signals::take_user_requests()?;
        signals.begin();
        Ok(Self { tail, signals, state: State::Bytes, left: None })
    }

    /// Waits for so long; true as soon as the user asks for the end.
    fn is_interrupted(&self, wait: Duration) -> bool {
        if !wait.is_zero() {
            self.signals.wait(Instant::now() + wait);
        }
        while let Some(request) = self.signals.next_request() {
            match request {
                UserRequest::End => return true,
                UserRequest::Stop => stop_effllm(),
            }
        }
        false
    }

    fn next<'a>(&mut self, buffer: &'a mut [u8]) -> Result<Piece<'a>, Error> {
        loop {
            let wait = if self.state == State::Bytes { Duration::ZERO } else { LOOK };
            if self.left.is_none() && self.is_interrupted(wait) {
                self.left = Some(self.tail.backlog());
            }
            let step = if self.left == Some(0) { Step::Nothing } else { self.tail.read(buffer)? };
            match step {
                Step::Bytes(read) => {
                    self.state = State::Bytes;
                    self.left = self.left.map(|left| left.saturating_sub(read as u64));
                    return Ok(Piece::Bytes(buffer.get(..read).unwrap_or_default()));
                }
                Step::Truncated => return Ok(Piece::Bytes(b"\n")), // ends the line that was cut off
                Step::Nothing if self.left.is_some() || is_reader_gone() => return Ok(Piece::End),
                Step::Nothing => {}
            }
            match self.state {
                State::Bytes => {
                    self.state = State::CaughtUp(Instant::now());
                    return Ok(Piece::CaughtUp);
                }
                State::CaughtUp(since) if since.elapsed() >= SILENCE => {
                    self.state = State::Silence;
                    return Ok(Piece::Silence);
                }
                State::CaughtUp(_) | State::Silence => {}
            }
        }
    }
}

/// Whether the reader of standard output has gone (`| head`). While nothing is printed, no failed write
/// shows it.
fn is_reader_gone() -> bool {
    let stdout = io::stdout();
    let stdout = PollFd::new(stdout.as_fd(), PollFlags::empty());
    matches!(poll(&mut [stdout], PollTimeout::ZERO), Ok(1))
}
