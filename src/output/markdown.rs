//! A report as Markdown, for pull requests: one table; of several reports, one that compares them.

use std::fmt::Write;

use crate::compare::compare;
use crate::metrics::registry::METRICS;
use crate::report::{NamedReport, Report, Window};
use crate::text::units::{show, show_duration};

use super::compare::comparison_markdown;
use super::format::{command, ending};
use super::gate::came_to;
use super::github;
use super::{RenderOptions, ReportFormat};
use crate::text::sanitize::plain;

/// The metrics of one report with the source of each, or the metrics of several side by side.
#[derive(Debug)]
pub struct Markdown;

impl ReportFormat for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn help(&self) -> &'static str {
        "Tables for a pull request"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["md", "markdown"]
    }

    fn render(&self, reports: &[NamedReport], _: RenderOptions) -> String {
        match reports {
            [(_, report)] => one(report),
            reports => comparison(reports),
        }
    }

    fn comparison(&self) -> Option<fn(&[NamedReport], RenderOptions) -> String> {
        Some(|reports, _| comparison(reports))
    }
}

fn comparison(reports: &[NamedReport]) -> String {
    comparison_markdown(&compare(reports)) + &runs(reports)
}

fn one(report: &Report) -> String {
    let trained = report.window == Window::Train;
    let mut text = format!("**{}** · {}\n\n", code(&command(report)), facts(report));
    let rows = METRICS.iter().zip(report.metrics.each().zip(report.metrics_whole_run.each()));
    if trained {
        text += "| metric | unit | training | whole run | from |\n|---|---|--:|--:|---|\n";
    } else {
        text += "| metric | unit | whole run | from |\n|---|---|--:|---|\n";
    }
    let mut unknown: Vec<(&str, Vec<&str>)> = Vec::new();
    for (metric, ((_, headline), (_, whole))) in rows {
        let why = report.unavailable.get(metric.name).map_or("", String::as_str);
        let from = report.provenance.get(metric.name).map_or("", String::as_str);
        let shown = |value: Option<f64>| value.map_or("–".to_owned(), show);
        match headline.or(whole) {
            None => match unknown.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) => names.push(metric.name),
                None => unknown.push((why, vec![metric.name])),
            },
            Some(_) => {
                let values =
                    if trained { format!("{} | {}", shown(headline), shown(whole)) } else { shown(headline) };
                let from = if headline.is_some() { from } else { why };
                line(
                    &mut text,
                    format_args!("| `{}` | {} | {values} | {} |", metric.name, metric.unit, cell(from)),
                );
            }
        }
    }
    if !unknown.is_empty() {
        text += "\nNot known:\n\n";
        for (why, names) in unknown {
            line(&mut text, format_args!("- `{}`: {}", names.join("`, `"), cell(why)));
        }
    }
    if let Some(gate) = &report.gate {
        line(
            &mut text,
            format_args!("\nGate {}\n\n{}", cell(&came_to(gate)), github::table(gate).trim_end()),
        );
    }
    for warning in &report.warnings {
        line(&mut text, format_args!("\n> **Warning:** {}", cell(warning)));
    }
    text
}

/// What was run.
fn runs(reports: &[NamedReport]) -> String {
    let mut text = "\n".to_owned();
    for (name, report) in reports {
        line(&mut text, format_args!("- {}: {} · {}", cell(name), code(&command(report)), facts(report)));
        for warning in &report.warnings {
            line(&mut text, format_args!("  - **Warning:** {}", cell(warning)));
        }
    }
    text
}

fn facts(report: &Report) -> String {
    let seconds = report.command.wall_seconds.map(show_duration);
    let iterations = Some(report.iterations.count).filter(|n| *n > 0).map(|n| format!("{n} iterations"));
    let ending = Some(cell(&ending(report)));
    ending.into_iter().chain(seconds).chain(iterations).collect::<Vec<_>>().join(" · ")
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

/// Text from outside as part of a line or a cell: nothing in it is markup.
pub(super) fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '@' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text from outside as code, fenced by more backquotes than it has in a row.
fn code(text: &str) -> String {
    let text = plain(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
