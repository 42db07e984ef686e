//! The layout of every table and of a line of several parts: what fits into a number of columns.
//!
//! Colour codes in a cell take no room.

use console::{Alignment, measure_text_width, pad_str};

use crate::text::sanitize::{clip, wrapped};

/// The fewest columns in which a text is wrapped, between words.
const WRAPPED: usize = 24;
/// The fewest in which a clipped text still says something.
const CLIPPED: usize = 12;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    alignment: Alignment,
    /// Its least width: it does not move with every digit more or less.
    least: usize,
}

impl Column {
    pub const LEFT: Self = Self { alignment: Alignment::Left, least: 0 };
    pub const RIGHT: Self = Self { alignment: Alignment::Right, least: 0 };

    pub const fn at_least(self, least: usize) -> Self {
        Self { least, ..self }
    }
}

/// The columns of a table, from left to right, and the room around them.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    pub columns: &'a [Column],
    /// Before the first column.
    pub indent: usize,
    /// Between two columns.
    pub gap: usize,
}

impl Grid<'_> {
    /// The columns that the rows need for all that they hold.
    pub fn width(&self, rows: &[Vec<String>]) -> usize {
        self.sum(&self.widths(rows))
    }

    /// The rows as lines. In less room than they need, the last column is wrapped, or clipped, if it is
    /// a text; else columns are left out, the right-most first.
    pub fn lines(&self, rows: &[Vec<String>], room: Option<usize>) -> Vec<String> {
        let mut widths = self.widths(rows);
        let room = room.unwrap_or(usize::MAX);
        let mut wraps = false;
        if self.sum(&widths) > room
            && let Some((last, others)) = widths.split_last_mut()
            && !others.is_empty()
            && matches!(self.columns.get(others.len()), Some(Column { alignment: Alignment::Left, .. }))
        {
            let left = room.saturating_sub(self.sum(others) + self.gap);
            wraps = left >= WRAPPED;
            if left >= CLIPPED {
                *last = left;
            }
        }
        while widths.len() > 1 && self.sum(&widths) > room {
            widths.pop();
        }
        rows.iter().flat_map(|row| self.row(row, &widths, wraps)).collect()
    }

    /// The lines of a row: as many as its highest cell has.
    fn row(&self, row: &[String], widths: &[usize], wraps: bool) -> Vec<String> {
        let last = widths.len().saturating_sub(1);
        let cell = |(i, (cell, width)): (usize, (&String, &usize))| -> Vec<String> {
            let text = if wraps && i == last { wrapped(cell, *width) } else { cell.clone() };
            text.lines().map(|line| if wraps { line.to_owned() } else { clip(line, *width) }).collect()
        };
        let cells: Vec<Vec<String>> = row.iter().zip(widths).enumerate().map(cell).collect();
        let line = |n: usize| {
            let padded = cells.iter().zip(widths).zip(self.columns).map(|((cell, width), column)| {
                let line = cell.get(n).map_or("", String::as_str);
                pad_str(line, *width, column.alignment, None)
            });
            let line = padded.collect::<Vec<_>>().join(&" ".repeat(self.gap));
            format!("{}{line}", " ".repeat(self.indent)).trim_end().to_owned()
        };
        (0..cells.iter().map(Vec::len).max().unwrap_or(0)).map(line).collect()
    }

    fn widths(&self, rows: &[Vec<String>]) -> Vec<usize> {
        let width = |(i, column): (usize, &Column)| {
            let lines = rows.iter().filter_map(|row| row.get(i)).flat_map(|cell| cell.lines());
            lines.map(measure_text_width).max().unwrap_or(0).max(column.least)
        };
        self.columns.iter().enumerate().map(width).collect()
    }

    fn sum(&self, widths: &[usize]) -> usize {
        self.indent + widths.iter().sum::<usize>() + self.gap * widths.len().saturating_sub(1)
    }
}

/// As many of the parts as fit on a line, from the left, three columns apart or two; `None` if none fits.
pub fn line_of_parts(parts: &[String], room: usize) -> Option<String> {
    (1..=parts.len())
        .rev()
        .flat_map(|count| [(count, "   "), (count, "  ")])
        .map(|(count, gap)| parts.iter().take(count).cloned().collect::<Vec<_>>().join(gap))
        .find(|line| measure_text_width(line) <= room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_table_wraps_clips_and_drops_the_last_column_first() {
        let rows = [["name", "12.5", "from a long text of many words"], ["\u{1b}[1mx\u{1b}[0m", "3", "–"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let grid = Grid { columns: &[Column::LEFT, Column::RIGHT, Column::LEFT], indent: 1, gap: 2 };
        let lines = |room| grid.lines(&rows, room).join("\n");
        assert_eq!(grid.width(&rows), 43);
        assert_eq!(
            lines(None),
            " name  12.5  from a long text of many words\n \u{1b}[1mx\u{1b}[0m        3  –"
        );
        assert!(lines(Some(40)).starts_with(" name  12.5  from a long text of many\n             words\n"));
        assert!(lines(Some(26)).starts_with(" name  12.5  from a long …\n"));
        assert!(lines(Some(20)).starts_with(" name  12.5\n"));
        assert!(lines(Some(9)).starts_with(" name\n"));
    }

    #[test]
    fn parts_that_do_not_fit_are_left_out() {
        let parts = ["one", "two", "three"].map(str::to_owned);
        for (room, line) in [
            (17, Some("one   two   three")),
            (16, Some("one  two  three")),
            (14, Some("one   two")),
            (3, Some("one")),
            (2, None),
        ] {
            assert_eq!(line_of_parts(&parts, room).as_deref(), line, "{room}");
        }
    }
}
