//! The terminal while a command runs: the live table below the child's output, and the console
//! lines where there is no terminal.
//!
//! The rest of effllm sees [`Terminal`]. Below it, [`shared_terminal`] decides who may write now,
//! [`screen`] composes the bytes of the table, [`escape_parser`] parses the child's bytes, and
//! [`frame()`] makes a report into the table's lines.

mod console_lines;
mod descriptor;
mod escape_parser;
mod frame;
mod gpu_rows;
mod progress;
mod screen;
mod shared_terminal;
mod writer;

use std::env;
use std::io::{self, IsTerminal};

use crate::config::LiveMode;

use crate::output::RenderOptions;

pub use console_lines::console_lines;
pub use descriptor::is_pipe;
pub use progress::{HINT, needs_hint};
pub use writer::Terminal;

/// The display that a mode stands for: never `Auto`, and a table only on a terminal that can draw it.
pub fn display(mode: LiveMode, can_draw: bool) -> LiveMode {
    match mode {
        LiveMode::Auto | LiveMode::Table if can_draw => LiveMode::Table,
        LiveMode::Auto | LiveMode::Table => LiveMode::Log,
        LiveMode::Log | LiveMode::Off => mode,
    }
}

/// Whether standard error is a terminal that can position the cursor.
pub fn stderr_can_draw() -> bool {
    io::stderr().is_terminal() && env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// The options for a text on standard output.
pub fn stdout_options() -> RenderOptions {
    let width = terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| usize::from(columns.0));
    RenderOptions { width, colour: console::colors_enabled() }
}

/// The options for a text on standard error.
pub fn stderr_options() -> RenderOptions {
    let width = terminal_size::terminal_size_of(io::stderr()).map(|(columns, _)| usize::from(columns.0));
    RenderOptions { width, colour: console::colors_enabled_stderr() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_needs_a_terminal() {
        for (mode, can_draw, shown) in [
            (LiveMode::Auto, true, LiveMode::Table),
            (LiveMode::Auto, false, LiveMode::Log),
            (LiveMode::Table, false, LiveMode::Log),
            (LiveMode::Log, true, LiveMode::Log),
            (LiveMode::Off, true, LiveMode::Off),
        ] {
            assert_eq!(display(mode, can_draw), shown);
        }
    }
}
