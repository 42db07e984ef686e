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
    /// Its name as the value of `--format`.
    fn name(&self) -> &'static str;

    /// What it is for, in one line of `--help`.
    fn help(&self) -> &'static str;

    /// The extensions of the names of its files, the usual one first.
    fn extensions(&self) -> &'static [&'static str];

    /// Renders one report or several.
    fn render(&self, reports: &[NamedReport], options: RenderOptions) -> String;

    /// Renders reports beside each other, with each one's changes from the first; `None` if the format
    /// has no such document.
    fn comparison(&self) -> Option<fn(&[NamedReport], RenderOptions) -> String> {
        None
    }
}

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
    FORMATS.iter().copied().find(|format| format.extensions().contains(&extension))
}
