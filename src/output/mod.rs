//! A report as text: one file a format, and [`FORMATS`], the table of them.

pub mod ci;
mod comparison;
mod comparison_table;
mod csv;
pub mod events;
pub mod format;
mod gate;
mod github;
mod gitlab;
mod html;
mod json;
mod junit;
pub mod layout;
mod markdown;
mod names;
mod table;

use std::fmt::Debug;

use console::Style;

pub use gate::{gate_table, metrics_table};
pub use github::{github_annotations, github_summary};
pub use gitlab::gitlab_metrics;
pub use json::json;
pub use junit::junit;
pub use table::summary;

use crate::report::NamedReport;

/// Every format, the default first. A new format is one file and one line here.
pub const FORMATS: &[&dyn ReportFormat] =
    &[&table::Table, &markdown::Markdown, &html::Html, &csv::Csv, &junit::JUnit, &json::Json];

/// A document that reports are rendered as.
pub trait ReportFormat: Debug + Sync {
    fn about(&self) -> About;

    /// Renders one report or several.
    fn render(&self, reports: &[NamedReport], options: RenderOptions) -> String;

    /// Renders reports beside each other, with each one's changes from the first; `None` if the format
    /// has no such document.
    fn comparison(&self) -> Option<Render> {
        None
    }
}

/// How `--format` and the names of files choose a format.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The value of `--format`.
    pub name: &'static str,
    /// A line of `--help`.
    pub help: &'static str,
    /// The extensions of file names, the usual one first.
    pub extensions: &'static [&'static str],
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

/// The format whose files have this extension, in lower case.
pub fn format_of_extension(extension: &str) -> Option<&'static dyn ReportFormat> {
    FORMATS.iter().copied().find(|format| format.about().extensions.contains(&extension))
}
