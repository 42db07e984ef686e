//! The summary of a run as a table, for a terminal.

use console::{Style, measure_text_width};

use super::format::{known_metrics, null_metrics};
use super::gate::gate_table;
use super::layout::{Column, Grid};
use super::{RenderOptions, format};
use crate::metrics::registry::{Headline, Metric, Show};
use crate::report::{NamedReport, Report, Window};
use crate::text::sanitize::{clip, message, plain, wrapped};
use crate::text::units::{DASH, show_duration};

/// The summaries of one report or several, each with its gate's table.
pub fn render(reports: &[NamedReport], options: RenderOptions) -> String {
    let tables = reports.iter().map(|(_, report)| {
        let gate = report.gate.as_ref().map(|gate| gate_table(gate, None, options));
        summary(report, options) + &gate.unwrap_or_default()
    });
    message(&tables.collect::<Vec<_>>().join("\n"), options.colour)
}

/// The command, its metrics with the source of each, the null metrics with their reasons, and the
/// warnings.
pub fn summary(report: &Report, options: RenderOptions) -> String {
    let title = title(report, options.width.unwrap_or(usize::MAX));
    let mut lines = vec![options.paint(Style::new().bold(), &title)];
    lines.extend(metrics_table(report, options));
    lines.extend(unknown_table(report, options.width));
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

/// A row for each known metric: label, unit, over the training, over the whole run, source. Without a
/// training one column is for both.
fn metrics_table(report: &Report, options: RenderOptions) -> Vec<String> {
    let is_trained = report.window == Window::Train;
    let mut above = String::new();
    let row = |(metric, values): (&Metric, [Option<f64>; 2])| {
        let unit = format::unit(metric, &values);
        let mut from = plain(format::origin(report, metric.name));
        if let Some(outside) = outside_training(report, metric, values) {
            let separator = if from.is_empty() { "" } else { "; " };
            from += &format!("{separator}{outside} {unit} outside training");
        }
        if !from.is_empty() && from == above {
            "as above".clone_into(&mut from);
        } else if !from.is_empty() {
            above.clone_from(&from);
        }
        let unit = if unit == metric.label() { String::new() } else { unit };
        let numbers = format::numbers(metric, &values).into_iter().take(1 + usize::from(is_trained));
        [metric.label().to_owned(), unit].into_iter().chain(numbers).chain([from]).collect()
    };
    let shown = known_metrics(report).filter(|(metric, _)| metric.headline != Headline::Never);
    let rows: Vec<Vec<String>> = shown.map(row).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let heading = heading(report, is_trained);
    let numbers = vec![Column::RIGHT; heading.len() - 3];
    let columns = [&[Column::LEFT; 2], &numbers[..], &[Column::LEFT]].concat();
    let gap = match options.width {
        Some(..45) => 1,
        Some(..100) => 2,
        _ => 3,
    };
    let rows = [vec![heading], rows].concat();
    let lines = Grid { columns: &columns, indent: 1, gap }.lines(&rows, options.width).into_iter();
    let height = 1 + usize::from(is_trained);
    lines.enumerate().map(|(n, line)| if n < height { options.dim(&line) } else { line }).collect()
}

fn heading(report: &Report, is_trained: bool) -> Vec<String> {
    let mut heading = vec![String::new(); 2];
    if is_trained {
        let seconds = report.iterations.seconds.map_or(String::new(), |s| format!(", {}", show_duration(s)));
        let wall = report.command.wall_seconds.map(show_duration).unwrap_or_default();
        heading.push(format!("training\n{} it{seconds}", report.iterations.count));
        heading.push(format!("whole run\n{wall}"));
    } else {
        heading.push("whole run".to_owned());
    }
    heading.push("from".to_owned());
    heading
}

/// The energy that was not used in training.
fn outside_training(report: &Report, metric: &Metric, values: [Option<f64>; 2]) -> Option<String> {
    let [training, whole] = values;
    let outside = Some(whole? - training?).filter(|outside| *outside >= 0.0);
    let is_told = metric.show == Show::Energy && report.window == Window::Train && outside.is_some();
    is_told.then(|| format::numbers(metric, &[outside, whole]).swap_remove(0))
}

/// The fewest columns beside the labels in which a reason has a column of its own.
const REASON: usize = 24;

fn unknown_table(report: &Report, width: Option<usize>) -> Vec<String> {
    let unknown = null_metrics(report, |metric| metric.headline == Headline::Always);
    let row = |(reason, metrics): &(&str, Vec<&Metric>)| {
        let labels: Vec<&str> = metrics.iter().map(|metric| metric.label()).collect();
        vec![labels.join(", "), DASH.to_owned(), plain(reason)]
    };
    let rows: Vec<Vec<String>> = unknown.iter().map(row).collect();
    let grid = Grid { columns: &[Column::LEFT; 3], indent: 1, gap: 2 };
    let labels = Grid { columns: &[Column::LEFT; 2], ..grid }.width(&rows);
    match width {
        // Each reason follows its labels.
        Some(width) if width < labels + usize::from(grid.gap) + REASON => {
            let text: String = rows.iter().map(|row| wrapped(&row.join(" "), width - 1)).collect();
            text.lines().map(|line| format!(" {line}")).collect()
        }
        width => grid.lines(&rows, width),
    }
}

#[cfg(test)]
mod tests;
