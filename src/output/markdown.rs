//! Reports as Markdown, for pull requests: one table; of several reports, one that compares them.

use std::fmt::Write;

use super::comparison::{meaning, notes, ratio, value};
use super::format::{command, ending};
use super::gate::{got, margin, verdict, word};
use super::{About, Render, RenderOptions, ReportFormat};
use crate::compare::{Comparison, Direction, MetricComparison, compare};
use crate::metrics::registry::METRICS;
use crate::report::gate::{Gate, Level, Verdict};
use crate::report::{NamedReport, Report, Window};
use crate::text::sanitize::{markdown, markdown_code};
use crate::text::units::{show_count, show_duration};

/// The metrics of one report with the source of each, or the metrics of several side by side.
#[derive(Debug)]
pub struct Markdown;

impl ReportFormat for Markdown {
    fn about(&self) -> About {
        About { name: "markdown", help: "Tables for a pull request", extensions: &["md", "markdown"] }
    }

    fn render(&self, reports: &[NamedReport], _: RenderOptions) -> String {
        match reports {
            [(_, report)] => one(report),
            reports => comparison(reports),
        }
    }

    fn comparison(&self) -> Option<Render> {
        Some(|reports, _| comparison(reports))
    }
}

fn comparison(reports: &[NamedReport]) -> String {
    comparison_table(&compare(reports)) + &runs(reports)
}

fn comparison_table(comparison: &Comparison) -> String {
    let mut names = comparison.reports.iter().map(|name| markdown(name));
    let mut heading = vec!["metric".to_owned(), "unit".to_owned()];
    heading.extend(names.next());
    names.for_each(|name| heading.extend([name, "change".to_owned(), String::new()]));
    let ruler: Vec<String> = (0..heading.len())
        .map(|i| if i < 2 || i > 2 && i % 3 == 2 { "---" } else { "--:" }.to_owned())
        .collect();
    let rows = comparison.metrics.iter().map(|row| table_row(&compared_cells(row)));
    let mut notes = notes(comparison, &comparison.reports);
    notes.extend(comparison.differences.iter().map(|difference| format!("runs differ in: {difference}")));
    let notes = notes.iter().map(|note| format!("\n{}\n", markdown(note)));
    table_row(&heading) + &table_row(&ruler) + &rows.collect::<String>() + &notes.collect::<String>()
}

fn table_row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn compared_cells(row: &MetricComparison) -> Vec<String> {
    let mut cells = vec![format!("`{}`", row.name), row.unit.to_owned()];
    cells.extend(row.values.first().copied().map(value));
    for (after, change) in row.values.iter().skip(1).zip(&row.changes) {
        let worse = change.is_some_and(|change| change.direction == Direction::Worse);
        let bold = |text: String| if worse { format!("**{text}**") } else { text };
        let meaning = markdown(&change.map(meaning).unwrap_or_default());
        cells.extend([value(*after), bold(ratio(*change)), bold(meaning)]);
    }
    cells
}

/// A gate's results as a table.
pub(super) fn gate_rows(gate: &Gate) -> String {
    let mut text = "| | require | got | margin |\n|---|---|---|---|\n".to_owned();
    for result in &gate.results {
        let mark = match (result.verdict, result.level) {
            (Verdict::Pass, _) => "✅",
            (Verdict::Fail, Level::Require) => "❌",
            (Verdict::Fail, Level::Warn) => "⚠️",
            (Verdict::NoData, _) => "❔",
        };
        text += &table_row(&[
            match mark {
                "❌" => format!("{mark} **{}**", word(result)),
                _ => format!("{mark} {}", word(result)),
            },
            markdown_code(&result.expression),
            markdown(&got(result)),
            markdown(&margin(result)),
        ]);
    }
    text
}

fn one(report: &Report) -> String {
    let trained = report.window == Window::Train;
    let mut text = format!("**{}** · {}\n\n", markdown_code(&command(report)), facts(report));
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
        match headline.or(whole) {
            None => match unknown.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) => names.push(metric.name),
                None => unknown.push((why, vec![metric.name])),
            },
            Some(_) => {
                let values =
                    if trained { format!("{} | {}", value(headline), value(whole)) } else { value(headline) };
                let from = if headline.is_some() { from } else { why };
                line(
                    &mut text,
                    format_args!("| `{}` | {} | {values} | {} |", metric.name, metric.unit, markdown(from)),
                );
            }
        }
    }
    if !unknown.is_empty() {
        text += "\nNull metrics and their reasons:\n\n";
        for (why, names) in unknown {
            line(&mut text, format_args!("- `{}`: {}", names.join("`, `"), markdown(why)));
        }
    }
    if let Some(gate) = &report.gate {
        line(
            &mut text,
            format_args!("\nGate {}\n\n{}", markdown(&verdict(gate)), gate_rows(gate).trim_end()),
        );
    }
    for warning in &report.warnings {
        line(&mut text, format_args!("\n> **Warning:** {}", markdown(warning)));
    }
    text
}

/// The commands of the runs, and how they ended.
fn runs(reports: &[NamedReport]) -> String {
    let mut text = "\n".to_owned();
    for (name, report) in reports {
        line(
            &mut text,
            format_args!("- {}: {} · {}", markdown(name), markdown_code(&command(report)), facts(report)),
        );
        for warning in &report.warnings {
            line(&mut text, format_args!("  - **Warning:** {}", markdown(warning)));
        }
    }
    text
}

fn facts(report: &Report) -> String {
    let seconds = report.command.wall_seconds.map(show_duration);
    let iterations = Some(report.iterations.count).filter(|n| *n > 0).map(|n| show_count(n, "iteration"));
    let ending = Some(markdown(&ending(report)));
    ending.into_iter().chain(seconds).chain(iterations).collect::<Vec<_>>().join(" · ")
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::super::comparison_table::tests::three_reports;
    use super::*;

    #[test]
    fn three_reports_side_by_side() {
        insta::assert_snapshot!("markdown", comparison_table(&three_reports()));
    }
}
