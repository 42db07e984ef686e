//! The bottom rows of a terminal, reserved for the table by a scroll region.
//!
//! The child writes straight to the terminal and scrolls in the rows above, so its output costs no
//! redraw and the table does not flicker. Nothing here writes: each function returns the bytes to write,
//! before any others and only between the child's sequences. No function needs to know the position of
//! the child's cursor, and each leaves it unchanged.

use std::fmt::Write as _;

use console::measure_text_width;

/// A terminal's size in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// The part of the screen that is effllm's.
#[derive(Debug, Default)]
pub struct Screen {
    table: Option<DrawnTable>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DrawnTable {
    /// The terminal's size when it was drawn.
    size: Size,
    rows: u16,
}

impl DrawnTable {
    fn child_rows(self) -> u16 {
        self.size.rows.saturating_sub(self.rows)
    }
}

impl Screen {
    /// Draws the table, making room for it first where it has too little. It never shrinks while
    /// the terminal keeps its size: that would leave a gap in the child's lines.
    pub fn draw(&mut self, size: Size, lines: &[String]) -> String {
        let mut bytes =
            if self.table.is_some_and(|table| table.size != size) { self.erase(size) } else { String::new() };
        let before = self.table.map_or(0, |table| table.rows);
        let rows = before.max(u16::try_from(lines.len()).unwrap_or(u16::MAX));
        if rows == 0 || rows >= size.rows {
            return bytes + &self.erase(size);
        }
        let table = DrawnTable { size, rows };
        self.table = Some(table);
        if rows > before {
            // IND keeps the column and scrolls at the bottom, so that rows below become free; the
            // way back up is as long wherever the cursor stood.
            let more = rows - before;
            bytes.extend((0..more).map(|_| "\x1bD"));
            let _ = write!(bytes, "\x1b[{more}A");
        }
        // Setting the region moves the cursor; saving it keeps colours and character set as well.
        let _ = write!(bytes, "\x1b7\x1b[1;{}r", table.child_rows());
        for row in 0..rows {
            let line = lines.get(usize::from(row)).map_or("", String::as_str);
            let _ = write!(bytes, "\x1b[{};1H\x1b[m\x1b(B\x0f{line}", table.child_rows() + 1 + row);
            if measure_text_width(line) < usize::from(size.columns) {
                // After a full line this would erase its last character.
                bytes.push_str("\x1b[m\x1b[K");
            }
        }
        bytes.push_str("\x1b8");
        bytes
    }

    /// Takes the table away without a trace.
    pub fn erase(&mut self, size: Size) -> String {
        match self.table.take() {
            None => String::new(),
            Some(table) if table.size == size => {
                format!("\x1b7\x1b[r\x1b[m\x1b[{};1H\x1b[J\x1b8", table.child_rows() + 1)
            }
            // A resized terminal has moved, wrapped or cut its lines in a way of its own, but what
            // was below the cursor still is. Down and up again makes sure that there is a row
            // below, for otherwise the child's own would be erased.
            Some(_) => "\x1b7\x1b[r\x1b8\x1bD\x1b[A\x1b7\x1b[B\r\x1b[m\x1b[J\x1b8".to_owned(),
        }
    }

    /// The rows of the child while the table is on the screen.
    pub fn child_rows(&self) -> Option<u16> {
        self.table.map(DrawnTable::child_rows)
    }

    /// Whether the table is on the screen, drawn for a terminal of this size.
    pub fn is_drawn_for(&self, size: Size) -> bool {
        self.table.is_some_and(|table| table.size == size)
    }

    /// Gives the whole screen to the child, which draws on the alternate screen now; the table stays.
    pub fn release_region(&self) -> &'static str {
        if self.table.is_some() { "\x1b7\x1b[r\x1b8" } else { "" }
    }

    /// Takes the region back, from the alternate screen or after the child's soft reset.
    pub fn restore_region(&mut self, size: Size) -> String {
        if self.is_drawn_for(size) { format!("\x1b7{}\x1b8", self.set_region()) } else { self.erase(size) }
    }

    /// Sets the region again, just after the child did, while the cursor is home anyway.
    pub fn reclaim_from_home(&mut self, size: Size) -> String {
        if self.is_drawn_for(size) { self.set_region() } else { self.erase(size) }
    }

    fn set_region(&self) -> String {
        self.child_rows().map_or(String::new(), |rows| format!("\x1b[1;{rows}r"))
    }

    /// Takes the table away just after the child set a region of its own, which is left alone; it
    /// moved the cursor home.
    pub fn yield_from_home(&mut self) -> String {
        self.table
            .take()
            .map_or_else(String::new, |table| format!("\x1b[{};1H\x1b[J\x1b[H", table.child_rows() + 1))
    }

    /// The terminal was reset: the table is gone.
    pub fn forget(&mut self) {
        self.table = None;
    }
}
