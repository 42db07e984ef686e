//! Rows of cells as lines of text.

use console::{Alignment, pad_str};

/// Lays rows out in columns as wide as their widest cell, colours not counted; the last column is as
/// long as it is. One alignment a column.
pub fn columns(rows: &[Vec<String>], alignments: &[Alignment], gap: &str) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| console::measure_text_width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..alignments.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(alignments);
        let padded = cells.map(|((cell, width), alignment)| pad_str(cell, *width, *alignment, None));
        padded.collect::<Vec<_>>().join(gap).trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
