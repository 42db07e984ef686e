//! A line of the live table: how its parts are styled, and which of them fit.

use console::{measure_text_width, style};

/// Styles, where they are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    pub colour: bool,
}

impl Paint {
    /// For what names a value and is not the value.
    pub fn dim(self, text: &str) -> String {
        style(text).dim().force_styling(self.colour).to_string()
    }
}

/// As many of the parts as fit, from the left: three columns apart, or two.
pub fn spread(parts: &[String], columns: usize) -> String {
    let fits = |line: &String| measure_text_width(line) <= columns;
    (1..=parts.len())
        .rev()
        .flat_map(|count| [(count, "   "), (count, "  ")])
        .map(|(count, gap)| format!(" {}", parts.iter().take(count).cloned().collect::<Vec<_>>().join(gap)))
        .find(fits)
        .or_else(|| parts.first().map(|part| format!(" {part}")))
        .unwrap_or_default()
}
