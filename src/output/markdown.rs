//! Reports as Markdown, for pull requests: one table; of several reports, one that compares them.

use super::comparison::{meaning, notes, ratio, value};
use super::format::{command, ending};
use super::gate::{got, margin, mark, verdict};
use super::{RenderOptions, format};
use crate::compare::{Comparison, Direction, MetricComparison, compare};
use crate::report::gate::Gate;
use crate::report::{NamedReport, Report, Window};
use crate::text::sanitize::{markdown, markdown_code};
use crate::text::units::{show_count, show_duration};

/// The metrics of one report with the source of each, or the metrics of several side by side.
pub fn render(reports: &[NamedReport], options: RenderOptions) -> String {
    match reports {
        [(_, report)] => one(report),
        reports => comparison(reports, options),
    }
}

pub fn comparison(reports: &[NamedReport], _: RenderOptions) -> String {
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
    let rows = gate.results.iter().map(|result| {
        let mark = mark(result.verdict, result.level);
        let word = if mark.word == "fail" { "**fail**" } else { mark.word };
        table_row(&[
            format!("{} {word}", mark.sign),
            markdown_code(&result.expression),
            markdown(&got(result)),
            markdown(&margin(result)),
        ])
    });
    "| | require | got | margin |\n|---|---|---|---|\n".to_owned() + &rows.collect::<String>()
}

fn one(report: &Report) -> String {
    let trained = report.window == Window::Train;
    let mut text = format!("**{}** · {}\n\n", markdown_code(&command(report)), facts(report));
    text += if trained {
        "| metric | unit | training | whole run | from |\n|---|---|--:|--:|---|\n"
    } else {
        "| metric | unit | whole run | from |\n|---|---|--:|---|\n"
    };
    let rows = format::known_metrics(report).map(|(metric, [headline, whole])| {
        let mut cells = vec![format!("`{}`", metric.name), metric.unit.to_owned(), value(headline)];
        cells.extend(trained.then(|| value(whole)));
        cells.push(markdown(format::origin(report, metric.name)));
        table_row(&cells)
    });
    text.extend(rows);
    let unknown = format::null_metrics(report, |_| true);
    if !unknown.is_empty() {
        text += "\nNull metrics and their reasons:\n\n";
    }
    text.extend(unknown.iter().map(|(why, metrics)| {
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name).collect();
        format!("- `{}`: {}\n", names.join("`, `"), markdown(why))
    }));
    if let Some(gate) = &report.gate {
        text += &format!("\nGate {}\n\n{}", markdown(&verdict(gate)), gate_rows(gate));
    }
    let warnings = report.warnings.iter();
    text.extend(warnings.map(|warning| format!("\n> **Warning:** {}\n", markdown(warning))));
    text
}

/// The commands of the runs, and how they ended.
fn runs(reports: &[NamedReport]) -> String {
    let mut text = "\n".to_owned();
    for (name, report) in reports {
        text += &format!("- {}: {} · {}\n", markdown(name), markdown_code(&command(report)), facts(report));
        let warnings = report.warnings.iter();
        text.extend(warnings.map(|warning| format!("  - **Warning:** {}\n", markdown(warning))));
    }
    text
}

fn facts(report: &Report) -> String {
    let seconds = report.command.wall_seconds.map(show_duration);
    let iterations = Some(report.iterations.count).filter(|n| *n > 0).map(|n| show_count(n, "iteration"));
    let ending = Some(markdown(&ending(report)));
    ending.into_iter().chain(seconds).chain(iterations).collect::<Vec<_>>().join(" · ")
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
