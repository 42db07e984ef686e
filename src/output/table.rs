//! The summary of a run as a table, for a terminal.

use console::{Style, measure_text_width};

use super::comparison_table::comparison_table;
use super::gate::gate_table;
use super::layout::{Column, Grid};
use super::{About, Render, RenderOptions, ReportFormat, format};
use crate::compare::compare;
use crate::metrics::registry::{Headline, METRICS, Metric, Show};
use crate::report::{NamedReport, Report, Window};
use crate::text::sanitize::{clip, plain, wrapped};
use crate::text::units::{DASH, show_duration};

/// The summaries of one report or several, each with its gate's table.
#[derive(Debug)]
pub struct Table;

impl ReportFormat for Table {
    fn about(&self) -> About {
        About { name: "table", help: "Text for a terminal", extensions: &["txt"] }
    }

    fn render(&self, reports: &[NamedReport], options: RenderOptions) -> String {
        let gate = |report: &Report| {
            report.gate.as_ref().map_or(String::new(), |gate| gate_table(gate, None, options))
        };
        let tables = reports.iter().map(|(_, report)| summary(report, options) + &gate(report));
        tables.collect::<Vec<_>>().join("\n")
    }

    fn comparison(&self) -> Option<Render> {
        Some(|reports, options| comparison_table(&compare(reports), options))
    }
}

/// The command, its metrics with the source of each, the null metrics with their reasons, and the
/// warnings.
pub fn summary(report: &Report, options: RenderOptions) -> String {
    let title = title(report, options.width.unwrap_or(usize::MAX));
    let mut lines = vec![options.paint(Style::new().bold(), &title)];
    let (rows, unknown) = rows(report);
    if !rows.is_empty() {
        let table = metrics_table(report, rows, options.width);
        let heading = heading(report).iter().map(|cell| cell.lines().count()).max().unwrap_or(0);
        let table = table.into_iter().enumerate();
        lines.extend(table.map(|(n, line)| if n < heading { options.dim(&line) } else { line }));
    }
    lines.extend(unknown_table(unknown, options.width));
    let label = options.paint(Style::new().yellow(), "warning:");
    lines.extend(report.warnings.iter().map(|warning| format!("{label} {}", plain(warning))));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The command, how it ended and how long it took, within a number of columns.
fn title(report: &Report, columns: usize) -> String {
    let wall = report.command.wall_seconds.map(show_duration);
    let end: String = report.ending().into_iter().chain(wall).map(|part| format!(" · {part}")).collect();
    let command = match (&report.command.argv[..], &report.job.host) {
        ([], Some(host)) => format!("GPUs of {}", plain(host)), // nothing else was measured
        _ => plain(&format::command(report)),
    };
    let start = format!("effllm · {command}");
    clip(&start, columns.saturating_sub(measure_text_width(&end)).max(20)) + &end
}

/// The null metrics: a reason, and the metrics that are null for it.
type Unknown = Vec<(String, Vec<&'static str>)>;

/// A row for each metric: label, unit, over the training, over the whole run, source.
fn rows(report: &Report) -> (Vec<Vec<String>>, Unknown) {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut unknown = Unknown::new();
    let mut source = String::new();
    for metric in METRICS.iter().filter(|metric| metric.headline != Headline::Never) {
        match row(report, metric) {
            Some(mut row) => {
                if let Some(from) = row.last_mut().filter(|from| !from.is_empty()) {
                    let before = std::mem::replace(&mut source, from.clone());
                    if before == source {
                        "as above".clone_into(from);
                    }
                }
                rows.push(row);
            }
            None if metric.headline == Headline::Always => {
                let reason = reason(report, metric);
                match unknown.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, labels)) => labels.push(metric.label()),
                    None => unknown.push((reason, vec![metric.label()])),
                }
            }
            None => {}
        }
    }
    (rows, unknown)
}

fn row(report: &Report, metric: &Metric) -> Option<Vec<String>> {
    let values = [report.metrics.get(metric), report.metrics_whole_run.get(metric)];
    let [training, whole] = values;
    training.or(whole)?;
    let unit = format::unit(metric, &values);
    let unit = if unit == metric.label() { String::new() } else { unit };
    let mut from = match training {
        Some(_) => report.provenance.get(metric.name).map_or(String::new(), |how| plain(how)),
        None => reason(report, metric),
    };
    if let (Show::Energy, Window::Train, Some(training), Some(whole)) =
        (metric.show, report.window, training, whole)
        && training <= whole
    {
        let outside = format::numbers(metric, &[Some(whole - training), Some(whole)]).swap_remove(0);
        let separator = if from.is_empty() { "" } else { "; " };
        from += &format!("{separator}{outside} {unit} outside training");
    }
    let cells = [metric.label().to_owned(), unit].into_iter();
    Some(cells.chain(format::numbers(metric, &values)).chain([from]).collect())
}

fn reason(report: &Report, metric: &Metric) -> String {
    report.unavailable.get(metric.name).map_or("no reason was recorded".to_owned(), |why| plain(why))
}

fn metrics_table(report: &Report, rows: Vec<Vec<String>>, width: Option<usize>) -> Vec<String> {
    let mut lines = vec![heading(report)];
    lines.extend(rows);
    let mut columns = vec![Column::LEFT, Column::LEFT, Column::RIGHT, Column::RIGHT, Column::LEFT];
    if report.window != Window::Train {
        // The headline window is the whole run: one column holds both.
        columns.remove(WHOLE_RUN);
        lines.iter_mut().for_each(|line| drop(line.remove(WHOLE_RUN)));
    }
    let gap = match width {
        Some(..45) => 1,
        Some(..100) => 2,
        _ => 3,
    };
    Grid { columns: &columns, indent: 1, gap }.lines(&lines, width)
}

/// The place of the whole run in a row.
const WHOLE_RUN: usize = 3;

fn heading(report: &Report) -> Vec<String> {
    let whole = "whole run".to_owned();
    let (training, whole) = if report.window == Window::Train {
        let iterations = &report.iterations;
        let seconds = iterations.seconds.map_or(String::new(), |s| format!(", {}", show_duration(s)));
        let wall = report.command.wall_seconds.map(show_duration).unwrap_or_default();
        (format!("training\n{} it{seconds}", iterations.count), format!("{whole}\n{wall}"))
    } else {
        (whole, String::new())
    };
    vec![String::new(), String::new(), training, whole, "from".to_owned()]
}

/// The fewest columns beside the labels in which a reason has a column of its own.
const REASON: usize = 24;

fn unknown_table(unknown: Unknown, width: Option<usize>) -> Vec<String> {
    let rows: Vec<Vec<String>> = unknown
        .into_iter()
        .map(|(reason, labels)| vec![labels.join(", "), DASH.to_owned(), reason])
        .collect();
    let grid = Grid { columns: &[Column::LEFT; 3], indent: 1, gap: 2 };
    let labels = Grid { columns: &[Column::LEFT; 2], ..grid }.width(&rows);
    match width {
        // Each reason follows its labels.
        Some(width) if width < labels + usize::from(grid.gap) + REASON => rows
            .iter()
            .flat_map(|row| {
                wrapped(&row.join(" "), width - 1).lines().map(|line| format!(" {line}")).collect::<Vec<_>>()
            })
            .collect(),
        width => grid.lines(&rows, width),
    }
}

#[cfg(test)]
mod tests;
