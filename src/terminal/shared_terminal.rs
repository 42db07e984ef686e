//! What the child, the table and effllm's own lines share: one terminal (or one file), written in
//! turns. Decides whose turn it is; [`Screen`] and [`Scanner`] know how.

use std::io;

use super::output::Output;
use super::scanner::{Act, Line, Scanner};
use super::screen::{Screen, Size};
use crate::event::Stream;
use crate::thread::worker::failpoint;

#[derive(Debug)]
pub struct SharedTerminal<O> {
    pub output: O,
    scanner: Scanner,
    screen: Screen,
    owner: Owner,
    phase: Phase,
    /// The lines that the table shows.
    drawn: Vec<String>,
    /// The child wrote since they were drawn, and may have erased them.
    touched: bool,
    /// Ticks for which the table has waited for a better moment.
    waited: u32,
    /// Lines of ours that wait for the end of the child's line.
    own: String,
    /// Bytes of the child's that [`SharedTerminal::child`] has passed on so far.
    pub passed: usize,
}

/// Whom the screen belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The child writes in the upper rows, the table stands below.
    Both,
    /// A full-screen child, until it leaves the alternate screen.
    AlternateScreen,
    /// A child that arranges the screen itself, until it resets what it set.
    Child,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// No table for now.
    Paused,
    /// No table any more, and nothing of the child's to wait for.
    Finished,
}

/// Ticks that the table waits for a child that saved the cursor to restore it, and before it takes
/// rows for a child within a line to end it (at the last column, the line's wrap could be lost).
const PATIENCE: u32 = 5;

/// Stands for the size where no table is drawn.
const NOWHERE: Size = Size { rows: 0, columns: 0 };

/// CAN ends any sequence, and does nothing else.
const CANCEL: &[u8] = b"\x18";

impl<O: Output> SharedTerminal<O> {
    pub fn new(output: O) -> Self {
        Self {
            output,
            scanner: Scanner::new(),
            screen: Screen::default(),
            owner: Owner::Both,
            phase: Phase::Running,
            drawn: Vec::new(),
            touched: false,
            waited: 0,
            own: String::new(),
            passed: 0,
        }
    }

    /// Passes the child's bytes on. Whether what is ours can be written too is of no matter to it.
    pub fn child(&mut self, stream: Stream, bytes: &[u8], size: Option<Size>) -> io::Result<()> {
        self.passed = 0;
        let _ = self.fit(size);
        self.touched = true;
        if self.own.is_empty() {
            return self.pass(stream, bytes, size);
        }
        let (line, rest) = bytes.split_at_checked(end_of_line(bytes)).unwrap_or((bytes, &[]));
        self.pass(stream, line, size)?;
        if !rest.is_empty() || self.scanner.line == Line::Fresh {
            let _ = self.print_waiting();
        }
        self.pass(stream, rest, size)
    }

    /// Prints lines of effllm's own, at once or behind the line that the child is writing.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.own.push_str(text);
        if self.scanner.line == Line::Fresh || self.phase == Phase::Finished {
            self.print_waiting()?;
        }
        Ok(())
    }

    /// Draws the table, unless nothing changed or the child is better left alone now.
    pub fn tick(&mut self, lines: Vec<String>, size: Size) -> io::Result<()> {
        if self.phase != Phase::Running || self.owner != Owner::Both || !self.scanner.is_at_rest() {
            return Ok(());
        }
        let stands = self.screen.stands(size);
        if stands && !self.touched && self.drawn == lines {
            return Ok(());
        }
        let takes_rows = !stands || lines.len() > self.drawn.len();
        let bad_moment = self.scanner.cursor_saved || (takes_rows && self.scanner.line == Line::Within);
        if bad_moment && self.waited < PATIENCE {
            self.waited += 1;
            return Ok(());
        }
        let bytes = self.screen.draw(size, &lines);
        (self.drawn, self.touched, self.waited) = (lines, false, 0);
        Ok(self.output.put(Stream::Stderr, bytes.as_bytes())?)
    }

    /// Takes the table away until [`SharedTerminal::resume`].
    pub fn pause(&mut self, size: Option<Size>) -> io::Result<()> {
        if self.phase == Phase::Running {
            self.phase = Phase::Paused;
        }
        match (self.owner, size) {
            (Owner::Both, Some(size)) => {
                let bytes = self.screen.erase(size);
                Ok(self.output.put(Stream::Stderr, bytes.as_bytes())?)
            }
            _ => Ok(()), // there is none, or it is on the screen behind
        }
    }

    /// Lets the table come back at the next tick.
    pub fn resume(&mut self) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Running;
        }
    }

    /// Takes the table away for good and prints what waits.
    pub fn finish(&mut self, size: Option<Size>) -> io::Result<()> {
        self.phase = Phase::Finished;
        if self.screen.child_rows().is_some() {
            self.abort_sequence()?;
        }
        self.pause(size)?;
        self.print_waiting()
    }

    /// Takes the table away if the terminal's size is no longer that which it was drawn for.
    fn fit(&mut self, size: Option<Size>) -> io::Result<()> {
        match size {
            Some(size)
                if self.owner == Owner::Both
                    && self.screen.child_rows().is_some()
                    && !self.screen.stands(size)
                    && self.scanner.is_at_rest() =>
            {
                let bytes = self.screen.erase(size);
                Ok(self.output.put(Stream::Stderr, bytes.as_bytes())?)
            }
            _ => Ok(()),
        }
    }

    fn pass(&mut self, stream: Stream, mut bytes: &[u8], size: Option<Size>) -> io::Result<()> {
        while !bytes.is_empty() {
            failpoint();
            let rows = match self.owner {
                Owner::Both => self.screen.child_rows().unwrap_or(u16::MAX),
                _ => u16::MAX,
            };
            let (used, act) = self.scanner.scan(bytes, rows);
            let (passed, rest) = bytes.split_at_checked(used).unwrap_or((bytes, &[]));
            let put = self.output.put(stream, passed);
            self.passed += put.as_ref().map_or_else(|unwritten| unwritten.written, |()| used);
            put?;
            if let Some(act) = act {
                let answer = self.answer(act, size.unwrap_or(NOWHERE));
                let _ = self.output.put(Stream::Stderr, answer.as_bytes());
            }
            bytes = rest;
        }
        Ok(())
    }

    /// What follows at once upon an act of the child's.
    fn answer(&mut self, act: Act, size: Size) -> String {
        match (self.owner, act) {
            (_, Act::Reset) => {
                self.screen.forget();
                self.owner = Owner::Both;
            }
            (Owner::Both, Act::AlternateScreen(true)) => {
                self.owner = Owner::AlternateScreen;
                return self.screen.release_region().to_owned();
            }
            (Owner::AlternateScreen, Act::AlternateScreen(false)) => {
                self.owner = Owner::Both;
                return self.screen.restore_region(size);
            }
            (Owner::Both, Act::Region { bottom }) if (1..size.rows).contains(&bottom) => {
                self.owner = Owner::Child;
                return self.screen.yield_from_home();
            }
            (Owner::Both, Act::Region { .. }) => return self.screen.reclaim_from_home(size),
            (Owner::Both, Act::SoftReset) => return self.screen.restore_region(size),
            (Owner::Both, Act::BelowItsRows) => {
                self.owner = Owner::Child;
                return self.screen.erase(size);
            }
            (Owner::Child, Act::SoftReset) => self.owner = Owner::Both,
            (Owner::Child, Act::Region { bottom }) if !(1..size.rows).contains(&bottom) => {
                self.owner = Owner::Both;
            }
            _ => {}
        }
        String::new()
    }

    fn print_waiting(&mut self) -> io::Result<()> {
        let childs = !self.scanner.is_at_rest() || self.owner == Owner::AlternateScreen;
        if self.own.is_empty() || (childs && self.phase != Phase::Finished) {
            return Ok(());
        }
        self.abort_sequence()?;
        let mut text = std::mem::take(&mut self.own);
        if self.scanner.line != Line::Fresh {
            text.insert(0, '\n');
        }
        if self.output.is_raw() {
            text = text.replace('\n', "\r\n");
        }
        self.scanner.scan(text.as_bytes(), u16::MAX);
        self.touched = true;
        Ok(self.output.put(Stream::Stderr, text.as_bytes())?)
    }

    /// A sequence that the child did not finish would swallow what follows.
    fn abort_sequence(&mut self) -> io::Result<()> {
        if self.scanner.is_at_rest() {
            return Ok(());
        }
        self.scanner.scan(CANCEL, u16::MAX);
        Ok(self.output.put(Stream::Stderr, CANCEL)?)
    }
}

/// Where lines of ours may go between these bytes: behind a newline, else before a carriage return
/// that begins the line anew (one at the very end may still be followed by its newline).
fn end_of_line(bytes: &[u8]) -> usize {
    let carriage_return = || memchr::memchr(b'\r', bytes).filter(|at| at + 1 < bytes.len());
    memchr::memchr(b'\n', bytes).map(|at| at + 1).or_else(carriage_return).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests;
