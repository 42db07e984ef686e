//! One terminal (or one file) that the child, the table and effllm's own lines share. This module
//! decides who writes now; [`Screen`] and [`EscapeParser`] know how.

use std::io;

use super::descriptor::Output;
use super::escape_parser::{CursorLine, EscapeParser, ScreenAct};
use super::screen::{Screen, Size};
use crate::event::Stream;
use crate::thread::worker::failpoint;

#[derive(Debug)]
pub struct SharedTerminal<O> {
    pub output: O,
    escapes: EscapeParser,
    screen: Screen,
    owner: Owner,
    state: TableState,
    /// The lines that the table shows.
    drawn: Vec<String>,
    /// The child wrote since they were drawn, and may have erased them.
    touched: bool,
    /// Ticks for which the table has waited for a better moment.
    waited: u32,
    /// Lines of effllm's own that wait for the end of the child's line.
    own: String,
}

/// The owner of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The child writes in the upper rows, the table is below.
    Both,
    /// A full-screen child, until it leaves the alternate screen.
    AlternateScreen,
    /// A child that arranges the screen itself, until it resets what it set.
    Child,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TableState {
    Running,
    /// No table for now.
    Paused,
    /// The table is gone for good, and the child's output is complete.
    Finished,
}

/// Ticks that the table waits for a child to restore a saved cursor, and, before it takes rows, to end
/// its line (at the last column, the line's wrap could be lost).
const PATIENCE: u32 = 5;

/// Stands for the size where no table is drawn.
const NOWHERE: Size = Size { rows: 0, columns: 0 };

/// CAN ends any sequence, and does nothing else.
const CANCEL: &str = "\x18";

impl<O: Output> SharedTerminal<O> {
    pub fn new(output: O) -> Self {
        Self {
            output,
            escapes: EscapeParser::new(),
            screen: Screen::default(),
            owner: Owner::Both,
            state: TableState::Running,
            drawn: Vec::new(),
            touched: false,
            waited: 0,
            own: String::new(),
        }
    }

    /// Passes the child's bytes on; an error leaves those that were not written. An error in writing effllm's
    /// own bytes does not stop them.
    pub fn child(&mut self, stream: Stream, bytes: &mut &[u8], size: Option<Size>) -> io::Result<()> {
        self.touched = true;
        if let Some(size) = size.filter(|size| !self.screen.is_drawn_for(*size))
            && self.owner == Owner::Both
            && self.escapes.is_at_rest()
        {
            let bytes = self.screen.erase(size);
            let _ = self.put(&bytes);
        }
        let after = if self.own.is_empty() { 0 } else { bytes.len() - end_of_line(bytes) };
        self.pass(stream, bytes, after, size)?;
        if after > 0 || self.escapes.line == CursorLine::Fresh {
            let _ = self.print_waiting();
        }
        self.pass(stream, bytes, 0, size)
    }

    /// Prints lines of effllm's own: now, or after the line that the child is writing.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.own.push_str(text);
        if self.escapes.line == CursorLine::Fresh || self.state == TableState::Finished {
            self.print_waiting()?;
        }
        Ok(())
    }

    /// Draws the table, unless nothing changed or the child is better left alone now.
    pub fn tick(&mut self, lines: Vec<String>, size: Size) -> io::Result<()> {
        if self.state != TableState::Running || self.owner != Owner::Both || !self.escapes.is_at_rest() {
            return Ok(());
        }
        let is_drawn = self.screen.is_drawn_for(size);
        if is_drawn && !self.touched && self.drawn == lines {
            return Ok(());
        }
        let takes_rows = !is_drawn || lines.len() > self.drawn.len();
        let bad_moment = self.escapes.cursor_saved || (takes_rows && self.escapes.line == CursorLine::Within);
        if bad_moment && self.waited < PATIENCE {
            self.waited += 1;
            return Ok(());
        }
        let bytes = self.screen.draw(size, &lines);
        (self.drawn, self.touched, self.waited) = (lines, false, 0);
        self.put(&bytes)
    }

    /// Takes the table away until [`SharedTerminal::resume`].
    pub fn pause(&mut self, size: Option<Size>) -> io::Result<()> {
        if self.state == TableState::Running {
            self.state = TableState::Paused;
        }
        match (self.owner, size) {
            (Owner::Both, Some(size)) => {
                let bytes = self.screen.erase(size);
                self.put(&bytes)
            }
            _ => Ok(()), // there is no table, or it is on the main screen
        }
    }

    /// Lets the table come back at the next tick.
    pub fn resume(&mut self) {
        if self.state == TableState::Paused {
            self.state = TableState::Running;
        }
    }

    /// Takes the table away for good and prints what waits.
    pub fn finish(&mut self, size: Option<Size>) -> io::Result<()> {
        self.state = TableState::Finished;
        if self.screen.child_rows().is_some() {
            self.abort_sequence()?;
        }
        self.pause(size)?;
        self.print_waiting()
    }

    /// Writes bytes of effllm's own.
    fn put(&mut self, bytes: &str) -> io::Result<()> {
        self.output.put(Stream::Stderr, &mut bytes.as_bytes())
    }

    /// Passes the child's bytes on until so many are `left`.
    fn pass(&mut self, stream: Stream, bytes: &mut &[u8], left: usize, size: Option<Size>) -> io::Result<()> {
        while let Some(now) = bytes.get(..bytes.len() - left).filter(|now| !now.is_empty()) {
            failpoint();
            let rows = match self.owner {
                Owner::Both => self.screen.child_rows().unwrap_or(u16::MAX),
                _ => u16::MAX,
            };
            let (used, act) = self.escapes.scan(now, rows);
            let mut passed = now.get(..used).unwrap_or(now);
            let put = self.output.put(stream, &mut passed);
            *bytes = bytes.get(used - passed.len()..).unwrap_or_default();
            put?;
            if let Some(act) = act {
                let answer = self.answer(act, size.unwrap_or(NOWHERE));
                let _ = self.put(&answer);
            }
        }
        Ok(())
    }

    /// The response to an act of the child's.
    fn answer(&mut self, act: ScreenAct, size: Size) -> String {
        match (self.owner, act) {
            (_, ScreenAct::Reset) => {
                self.screen.forget();
                self.owner = Owner::Both;
            }
            (Owner::Both, ScreenAct::AlternateScreen(true)) => {
                self.owner = Owner::AlternateScreen;
                return self.screen.release_region().to_owned();
            }
            (Owner::AlternateScreen, ScreenAct::AlternateScreen(false)) => {
                self.owner = Owner::Both;
                return self.screen.restore_region(size);
            }
            (Owner::Both, ScreenAct::Region { bottom }) if (1..size.rows).contains(&bottom) => {
                self.owner = Owner::Child;
                return self.screen.yield_from_home();
            }
            (Owner::Both, ScreenAct::Region { .. }) => return self.screen.reclaim_from_home(size),
            (Owner::Both, ScreenAct::SoftReset) => return self.screen.restore_region(size),
            (Owner::Both, ScreenAct::BelowItsRows) => {
                self.owner = Owner::Child;
                return self.screen.erase(size);
            }
            (Owner::Child, ScreenAct::SoftReset) => self.owner = Owner::Both,
            (Owner::Child, ScreenAct::Region { bottom }) if !(1..size.rows).contains(&bottom) => {
                self.owner = Owner::Both;
            }
            _ => {}
        }
        String::new()
    }

    fn print_waiting(&mut self) -> io::Result<()> {
        let childs = !self.escapes.is_at_rest() || self.owner == Owner::AlternateScreen;
        if self.own.is_empty() || (childs && self.state != TableState::Finished) {
            return Ok(());
        }
        self.abort_sequence()?;
        let mut text = std::mem::take(&mut self.own);
        if self.escapes.line != CursorLine::Fresh {
            text.insert(0, '\n');
        }
        if self.output.is_raw() {
            text = text.replace('\n', "\r\n");
        }
        self.escapes.scan(text.as_bytes(), u16::MAX);
        self.touched = true;
        self.put(&text)
    }

    /// A sequence that the child did not finish would swallow what follows.
    fn abort_sequence(&mut self) -> io::Result<()> {
        if self.escapes.is_at_rest() {
            return Ok(());
        }
        self.escapes.scan(CANCEL.as_bytes(), u16::MAX);
        self.put(CANCEL)
    }
}

/// The place for effllm's own lines between these bytes: after a newline, else before a carriage return
/// that restarts the line (a newline may still follow one at the very end).
fn end_of_line(bytes: &[u8]) -> usize {
    let carriage_return = || memchr::memchr(b'\r', bytes).filter(|at| at + 1 < bytes.len());
    memchr::memchr(b'\n', bytes).map(|at| at + 1).or_else(carriage_return).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests;
