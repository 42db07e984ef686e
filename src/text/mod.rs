//! Text: numbers with their units, and text from outside made safe to show.

pub mod sanitize;
pub mod units;

use std::io::{self, Write};

/// Prints on stderr. If stderr cannot be written, the exit status still reports a failure.
pub fn say(text: &str) {
    let text = sanitize::message(text, console::colors_enabled_stderr());
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
