//! The layout of every table and of a line of several parts: what fits into a number of columns.
//!
//! Cells are plain text: a table is laid out first and coloured then.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, Table, Width};
use console::{Style, measure_text_width};

use super::RenderOptions;

/// The fewest columns in which a text is wrapped, between words.
const WRAPPED: usize = 24;
/// The fewest in which a clipped text still says something.
const CLIPPED: usize = 12;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    alignment: CellAlignment,
    /// Its least width: it does not move with every digit more or less.
    least: u16,
}

impl Column {
    pub const LEFT: Self = Self { alignment: CellAlignment::Left, least: 0 };
    pub const RIGHT: Self = Self { alignment: CellAlignment::Right, least: 0 };

    pub const fn at_least(self, least: u16) -> Self {
        Self { least, ..self }
    }
}

/// The columns of a table, from left to right, and the room around them.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    pub columns: &'a [Column],
    /// Before the first column.
    pub indent: u16,
    /// Between two columns.
    pub gap: u16,
}

impl Grid<'_> {
    /// The columns that the rows need for all that they hold.
    pub fn width(&self, rows: &[Vec<String>]) -> usize {
        width(&self.table(rows))
    }

    /// The rows as lines. In less room than they need, the last column is wrapped, or clipped, if it is
    /// a text; else it is left out.
    pub fn lines(&self, rows: &[Vec<String>], room: Option<usize>) -> Vec<String> {
        let mut table = self.table(rows);
        if let (Some(room), [others @ .., last]) = (room.filter(|room| width(&table) > *room), self.columns)
            && !others.is_empty()
        {
            let narrower = Grid { columns: others, ..*self };
            let left = room.saturating_sub(narrower.width(rows) + usize::from(self.gap));
            if last.alignment != CellAlignment::Left || left < CLIPPED {
                return narrower.lines(rows, Some(room));
            }
            let width = Width::Fixed(self.gap.saturating_add(u16::try_from(left).unwrap_or(u16::MAX)));
            table.column_iter_mut().last().map(|last| last.set_constraint(ColumnConstraint::Absolute(width)));
            if left < WRAPPED {
                table.set_delimiter('\n'); // a word may be cut
                for (clipped, row) in table.row_iter_mut().zip(rows) {
                    clipped.max_height(row.iter().map(|cell| cell.lines().count()).max().unwrap_or(1));
                }
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn table(&self, rows: &[Vec<String>]) -> Table {
        let mut table = Table::new();
        table.load_style(NOTHING).add_rows(rows.iter().map(|row| row.iter().take(self.columns.len())));
        for (shown, column) in table.column_iter_mut().zip(self.columns) {
            let before = if shown.index == 0 { self.indent } else { self.gap };
            shown.set_padding((before, 0)).set_cell_alignment(column.alignment);
            if column.least > 0 {
                shown.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(before + column.least)));
            }
        }
        table
    }
}

/// The columns of the screen that a table takes.
fn width(table: &Table) -> usize {
    table.lines().next().map_or(0, |line| measure_text_width(&line))
}

/// A line of a table with its cells, from left to right, in their styles.
pub fn paint_cells<'a>(
    line: &str,
    cells: impl IntoIterator<Item = &'a (String, Style)>,
    options: RenderOptions,
) -> String {
    let (mut painted, mut rest) = (String::new(), line);
    for (cell, style) in cells {
        let Some((before, after)) = rest.split_once(cell.as_str()) else { break };
        painted += before;
        painted += &options.paint(style.clone(), cell);
        rest = after;
    }
    painted + rest
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
        let rows = [["name", "12.5", "from a long text of many words"], ["x", "3", "–"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let grid = Grid { columns: &[Column::LEFT, Column::RIGHT, Column::LEFT], indent: 1, gap: 2 };
        let lines = |room| grid.lines(&rows, room).join("\n");
        assert_eq!(grid.width(&rows), 43);
        assert_eq!(lines(None), " name  12.5  from a long text of many words\n x        3  –");
        assert!(lines(Some(40)).starts_with(" name  12.5  from a long text of many\n             words\n"));
        assert!(lines(Some(26)).starts_with(" name  12.5  from a long …\n"));
        assert!(lines(Some(20)).starts_with(" name  12.5\n"));
        assert!(lines(Some(9)).starts_with(" name\n"));
    }

    #[test]
    fn a_cell_is_painted_where_the_line_has_it() {
        let cells = ["1", "12", "2"].map(str::to_owned).into_iter();
        let cells: Vec<_> = cells.zip([Style::new(), Style::new().bold(), Style::new().red()]).collect();
        let painted = |colour| paint_cells(" 1  12  2", &cells, RenderOptions { width: None, colour });
        assert_eq!(painted(true), " 1  \u{1b}[1m12\u{1b}[0m  \u{1b}[31m2\u{1b}[0m");
        assert_eq!(painted(false), " 1  12  2");
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
