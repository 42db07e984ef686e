//! A report as text: one file a format, and [`FORMATS`], the table of them.

pub mod ci;
mod comparison;
mod comparison_table;
mod csv;
pub mod events;
pub mod format;
mod gate;
mod html;
mod json;
mod junit;
pub mod layout;
mod markdown;
mod report_names;
mod table;

use console::Style;

pub use gate::{gate_table, metrics_table};
pub use json::json;
pub use junit::junit;
pub use table::summary;

use crate::report::NamedReport;

/// Every format, the default first. A new format is one file and one entry here.
pub static FORMATS: &[Format] = &[
    Format {
        name: "table",
        help: "Text for a terminal",
        extensions: &["txt"],
        render: table::render,
        comparison: Some(comparison_table::render),
    },
    Format {
        name: "markdown",
        help: "Tables for a pull request",
        extensions: &["md", "markdown"],
        render: markdown::render,
        comparison: Some(markdown::comparison),
    },
    Format {
        name: "html",
        help: "A web page in one file",
        extensions: &["html", "htm"],
        render: html::render,
        comparison: Some(html::render),
    },
    Format {
        name: "csv",
        help: "A row for each report",
        extensions: &["csv"],
        render: csv::render,
        comparison: None,
    },
    Format {
        name: "junit",
        help: "The verdicts of the gate as JUnit XML",
        extensions: &["xml"],
        render: junit::render,
        comparison: None,
    },
    Format {
        name: "json",
        help: "The report itself, for programs",
        extensions: &["json"],
        render: json::render,
        comparison: Some(json::comparison),
    },
];

/// A kind of document that reports are rendered as.
#[derive(Debug)]
pub struct Format {
    /// The value of `--format`.
    pub name: &'static str,
    /// A line of `--help`.
    pub help: &'static str,
    /// The extensions of file names, the usual one first.
    pub extensions: &'static [&'static str],
    /// Renders one report or several.
    pub render: Render,
    /// Renders reports beside each other, with each one's changes from the first; `None` if the format
    /// has no such document.
    pub comparison: Option<Render>,
}

/// Renders reports as a document.
pub type Render = fn(&[NamedReport], RenderOptions) -> String;

/// The place that a document is rendered for.
#[derive(Debug, Clone, Copy, Default)]
pub struct RenderOptions {
    /// The columns of a terminal; `None` for a file or a pipe.
    pub width: Option<usize>,
    pub colour: bool,
}

impl RenderOptions {
    /// The text in a style, where colours are wanted.
    pub fn paint(self, style: Style, text: &str) -> String {
        style.force_styling(self.colour).apply_to(text).to_string()
    }

    /// A text that names a value and is not the value.
    pub fn dim(self, text: &str) -> String {
        self.paint(Style::new().dim(), text)
    }
}
