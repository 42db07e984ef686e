//! A terminal emulator for the tests, and the same terminal without the table.

use std::num::NonZeroU16;

use super::super::*;

/// A terminal behind a line discipline that turns newlines into CR LF, as every terminal has.
pub struct Fake {
    pub terminal: vt100::Parser,
    pub writes: usize,
}

impl Output for Fake {
    fn put(&mut self, _: Stream, bytes: &mut &[u8]) -> io::Result<()> {
        self.writes += usize::from(!bytes.is_empty());
        let mut before = 0;
        for byte in std::mem::take(bytes) {
            match (before, byte) {
                (_, b'\n') => self.terminal.process(b"\r\n"),
                // The emulator has no IND; a vertical tab does the same.
                (0x1b, b'D') => self.terminal.process(b"\x18\x0b"),
                (_, byte) => self.terminal.process(&[*byte]),
            }
            before = *byte;
        }
        Ok(())
    }

    fn is_raw(&self) -> bool {
        false
    }
}

/// A surface on a fake terminal, and the same terminal had the child been alone on it.
pub struct Pair {
    pub surface: SharedTerminal<Fake>,
    pub alone: vt100::Parser,
    pub size: Size,
}

pub const SIZE: Size = Size { rows: 12, columns: 20 };

pub fn emulator(size: Size) -> vt100::Parser {
    let cells = |n| NonZeroU16::new(n).unwrap();
    vt100::Parser::new(cells(size.rows), cells(size.columns), 10_000)
}

impl Pair {
    pub fn new() -> Self {
        let output = Fake { terminal: emulator(SIZE), writes: 0 };
        Self { surface: SharedTerminal::new(output), alone: emulator(SIZE), size: SIZE }
    }

    pub fn child(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.surface.child(Stream::Stdout, &mut &bytes[..], Some(self.size)).unwrap();
        for byte in bytes {
            self.alone.process(if *byte == b'\n' { b"\r\n" } else { std::slice::from_ref(byte) });
        }
        self
    }

    pub fn tick(&mut self, table: &[&str]) -> &mut Self {
        let lines = table.iter().map(|line| (*line).to_owned()).collect();
        self.surface.tick(lines, self.size).unwrap();
        self
    }

    pub fn resize(&mut self, rows: u16, columns: u16) -> &mut Self {
        self.size = Size { rows, columns };
        let (rows, columns) = (NonZeroU16::new(rows).unwrap(), NonZeroU16::new(columns).unwrap());
        self.surface.output.terminal.set_size(rows, columns);
        self.alone.set_size(rows, columns);
        self
    }

    pub fn finish(&mut self) -> &mut Self {
        self.surface.finish(Some(self.size)).unwrap();
        self
    }

    /// The rows of the screen.
    pub fn screen(&self) -> Vec<String> {
        self.surface.output.terminal.screen().rows(0, self.size.columns).collect()
    }

    pub fn cursor(&self) -> (u16, u16) {
        self.surface.output.terminal.screen().cursor_position()
    }

    /// Everything that the child wrote stands, nothing else does, and the cursor is in its place.
    pub fn assert_no_trace(&mut self) {
        let with = everything(&mut self.surface.output.terminal, self.size);
        let alone = everything(&mut self.alone, self.size);
        assert_eq!(with, alone);
    }
}

/// All rows from the first that ever scrolled away, with their colours, less the empty end; and
/// where the cursor is among them.
pub fn everything(terminal: &mut vt100::Parser, size: Size) -> (Vec<String>, (usize, u16)) {
    let screen = terminal.screen_mut();
    let above = screen.scrollback_len();
    let mut rows = Vec::new();
    for back in (1..=above).rev() {
        screen.set_scrollback(back);
        rows.push(cells(screen, 0, size.columns));
    }
    screen.set_scrollback(0);
    rows.extend((0..size.rows).map(|row| cells(screen, row, size.columns)));
    while rows.last().is_some_and(String::is_empty) {
        rows.pop();
    }
    let (row, column) = screen.cursor_position();
    (rows, (above + usize::from(row), column))
}

/// A row's text, with a mark wherever its colour changes.
pub fn cells(screen: &vt100::Screen, row: u16, columns: u16) -> String {
    let mut text = String::new();
    let mut colour = vt100::Color::Default;
    for cell in (0..columns).filter_map(|column| screen.cell(row, column)) {
        if cell.has_contents() && cell.fgcolor() != colour {
            colour = cell.fgcolor();
            text.push_str(&format!("{colour:?}:"));
        }
        text.push_str(if cell.has_contents() { cell.contents() } else { " " });
    }
    text.trim_end().to_owned()
}
