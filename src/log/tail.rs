//! A file that grows, followed by its name: across rotation (it is renamed, and a new one takes its
//! place) and truncation (it is emptied and written anew).
//!
//! A file that was emptied may have grown past the old place by the time that it is looked at again,
//! so its bytes are compared: those that were read last must still be in their place.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::input;
use crate::error::Error;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    Start,
    /// The next line that is written.
    End,
}

/// The result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes.
    Bytes(usize),
    /// The file begins anew: the unfinished last line is complete.
    Truncated,
    /// Nothing more, for now.
    Nothing,
}

/// Bytes by which a file is recognised as the one that was read.
const TELLING: usize = 64;

/// A file that is followed.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: File,
    /// Bytes read of the file, or passed over.
    position: u64,
    /// The bytes before that, a few.
    before: Vec<u8>,
    /// Whether the next bytes are the rest of a line that is skipped.
    within_a_line: bool,
}

impl Tail {
    /// # Errors
    /// There is no such file, it is a folder, or it cannot be read.
    pub fn open(path: &Path, from: StartAt) -> Result<Self, Error> {
        let file = input::open(path)?;
        let mut tail =
            Self { path: path.to_owned(), file, position: 0, before: Vec::new(), within_a_line: false };
        if from == StartAt::End {
            tail.pass_over().map_err(|error| tail.lost(&error))?;
        }
        Ok(tail)
    }

    /// The bytes that the file holds now, as far as they have not been read.
    pub fn backlog(&self) -> u64 {
        self.file.metadata().map_or(0, |found| found.len().saturating_sub(self.position))
    }

    /// Reads the bytes that are there. A file that was renamed is read to its end once the one in its place has
    /// been written to, so that its last lines are not lost.
    ///
    /// # Errors
    /// The file's.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Step, Error> {
        self.step(buffer).map_err(|error| self.lost(&error))
    }

    fn step(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        if self.is_rewritten() {
            self.file.seek(SeekFrom::Start(0))?;
            return Ok(self.begin_anew());
        }
        if let read @ 1.. = self.take(buffer)? {
            return Ok(Step::Bytes(read));
        }
        // Asked before the second look at the file, after which its writer has left it.
        let successor = self.successor();
        if let read @ 1.. = self.take(buffer)? {
            return Ok(Step::Bytes(read));
        }
        let Some(successor) = successor else { return Ok(Step::Nothing) };
        self.file = successor;
        Ok(self.begin_anew())
    }

    fn begin_anew(&mut self) -> Step {
        (self.position, self.within_a_line) = (0, false);
        self.before.clear();
        Step::Truncated
    }

    fn is_rewritten(&self) -> bool {
        let mut there = vec![0; self.before.len()];
        match self.file.read_exact_at(&mut there, self.position - self.before.len() as u64) {
            Ok(()) => there != self.before,
            Err(error) => error.kind() == ErrorKind::UnexpectedEof, // another error: it is a pipe
        }
    }

    fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self.file.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            self.position += read as u64;
            let bytes = buffer.get(..read).unwrap_or_default();
            self.remember(bytes);
            if !self.within_a_line || read == 0 {
                return Ok(read);
            }
            if let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
                self.within_a_line = false;
                buffer.copy_within(end..read, 0);
                return Ok(read - end);
            }
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        let telling = bytes.len().saturating_sub(TELLING);
        self.before.extend_from_slice(bytes.get(telling..).unwrap_or_default());
        self.before.drain(..self.before.len().saturating_sub(TELLING));
    }

    /// The file that has taken this one's place, once something is in it.
    fn successor(&self) -> Option<File> {
        let place = |found: &Metadata| (found.dev(), found.ino());
        let current = self.file.metadata().ok()?;
        let other = |found: &Metadata| found.is_file() && found.len() > 0 && place(found) != place(&current);
        self.path.metadata().ok().filter(other)?;
        let file = File::open(&self.path).ok()?;
        file.metadata().ok().filter(other).map(|_| file)
    }

    /// Skips the present content, and the line that is being written.
    fn pass_over(&mut self) -> io::Result<()> {
        let Ok(end) = self.file.seek(SeekFrom::End(0)) else { return Ok(()) }; // it is a pipe
        let start = end.saturating_sub(TELLING as u64);
        self.file.seek(SeekFrom::Start(start))?;
        (&mut self.file).take(end - start).read_to_end(&mut self.before)?;
        self.position = end;
        self.within_a_line = !matches!(self.before.last(), None | Some(b'\n' | b'\r'));
        Ok(())
    }

    fn lost(&self, error: &io::Error) -> Error {
        Error::failed(format!("cannot go on reading {}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    struct Log {
        folder: tempfile::TempDir,
    }

    impl Log {
        fn new(text: &str) -> Self {
            let log = Self { folder: tempfile::tempdir().unwrap() };
            log.append("log", text);
            log
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let mut file = File::options().append(true).create(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
    }

    /// All that is there now; `|` marks where the file began anew.
    fn read(tail: &mut Tail) -> String {
        let (mut text, mut buffer) = (String::new(), [0; 8]);
        loop {
            match tail.read(&mut buffer).unwrap() {
                Step::Bytes(n) => text += str::from_utf8(&buffer[..n]).unwrap(),
                Step::Truncated => text += "|",
                Step::Nothing => return text,
            }
        }
    }

    #[test]
    fn a_file_is_read_on_as_it_grows() {
        let log = Log::new("one\ntwo\n");
        let mut from_start = Tail::open(&log.path("log"), StartAt::Start).unwrap();
        let mut from_end = Tail::open(&log.path("log"), StartAt::End).unwrap();
        assert_eq!((read(&mut from_start).as_str(), read(&mut from_end).as_str()), ("one\ntwo\n", ""));
        log.append("log", "three, which is longer than the buffer\nfo");
        let more = "three, which is longer than the buffer\nfo";
        assert_eq!((read(&mut from_start).as_str(), read(&mut from_end).as_str()), (more, more));
    }

    #[test]
    fn from_the_end_on_means_from_the_next_line_on() {
        let log = Log::new("iteration 1");
        let mut tail = Tail::open(&log.path("log"), StartAt::End).unwrap();
        log.append("log", "23");
        assert_eq!(read(&mut tail), "");
        log.append("log", "4 which goes on\niteration 2\n");
        assert_eq!(read(&mut tail), "\niteration 2\n");
        let empty = Log::new("");
        let mut tail = Tail::open(&empty.path("log"), StartAt::End).unwrap();
        empty.append("log", "one\n");
        assert_eq!(read(&mut tail), "one\n");
    }

    #[test]
    fn a_renamed_file_is_read_to_its_end_before_the_one_in_its_place() {
        let log = Log::new("one\n");
        let mut tail = Tail::open(&log.path("log"), StartAt::Start).unwrap();
        assert_eq!(read(&mut tail), "one\n");
        fs::rename(log.path("log"), log.path("log.1")).unwrap();
        log.append("log.1", "two\n");
        assert_eq!(read(&mut tail), "two\n");
        log.append("log", ""); // there, but its writer still holds the old one
        log.append("log.1", "three\n");
        assert_eq!(read(&mut tail), "three\n");
        log.append("log.1", "four\n");
        log.append("log", "five\n");
        assert_eq!(read(&mut tail), "four\n|five\n");
        fs::remove_file(log.path("log")).unwrap();
        assert_eq!(read(&mut tail), "");
        log.append("log", "six\n");
        assert_eq!(read(&mut tail), "|six\n");
    }

    #[test]
    fn a_truncated_file_is_read_from_its_start() {
        let log = Log::new("one\ntwo\nthr");
        let mut tail = Tail::open(&log.path("log"), StartAt::End).unwrap();
        fs::copy(log.path("log"), log.path("log.1")).unwrap();
        File::options().write(true).open(log.path("log")).unwrap().set_len(0).unwrap();
        assert_eq!(read(&mut tail), "|");
        log.append("log", "four\n");
        assert_eq!(read(&mut tail), "four\n");
        for again in ["five\n", "six, which is longer\n"] {
            fs::write(log.path("log"), again).unwrap();
            assert_eq!(read(&mut tail), format!("|{again}"));
        }
    }
}
