//! The terminal while a command runs: the live table below the child's output, and the console
//! lines where there is no terminal.
//!
//! The rest of effllm sees [`Terminal`]. Below it, [`shared_terminal`] decides who may write now,
//! [`screen`] composes the bytes of the table, [`escape_parser`] parses the child's bytes, and
//! [`frame()`] makes a report into the table's lines.

mod console_lines;
mod escape_parser;
mod frame;
mod gpu_rows;
mod output;
mod progress;
mod screen;
mod shared_terminal;
mod ticker;
mod writer;

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use crate::output::RenderOptions;

pub use crate::process::Stream;
pub use console_lines::console_lines;
pub use frame::frame;
pub use output::Unwritten;
pub use screen::Size;
pub use ticker::Ticker;
pub use writer::Terminal;

/// The value of `--live`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LiveMode {
    /// The table on a terminal, else console lines.
    #[default]
    Auto,
    Table,
    Log,
    Off,
}

/// The display while the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// The table, redrawn in place.
    Table,
    /// Console lines every few iterations.
    Log,
    /// Nothing.
    Off,
}

impl LiveMode {
    /// The display that is possible: a table needs a terminal that it can be drawn on.
    pub fn resolve(self, stderr_can_draw: bool) -> Live {
        match self {
            Self::Off => Live::Off,
            Self::Auto | Self::Table if stderr_can_draw => Live::Table,
            Self::Auto | Self::Table | Self::Log => Live::Log,
        }
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

impl FromStr for LiveMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "table" => Ok(Self::Table),
            "log" => Ok(Self::Log),
            "off" => Ok(Self::Off),
            _ => Err("is none of auto, table, log and off".to_owned()),
        }
    }
}

impl fmt::Display for LiveMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Table => "table",
            Self::Log => "log",
            Self::Off => "off",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_needs_a_terminal() {
        for (asked, can_draw, live) in [
            ("auto", true, Live::Table),
            ("auto", false, Live::Log),
            ("table", false, Live::Log),
            ("log", true, Live::Log),
            ("off", true, Live::Off),
        ] {
            let mode: LiveMode = asked.parse().unwrap();
            assert_eq!((mode.resolve(can_draw), mode.to_string().as_str()), (live, asked));
        }
        assert!("tables".parse::<LiveMode>().is_err());
    }
}
