//! The table at the end of a run.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, presets};
use console::{measure_text_width, style};

use super::compare::comparison_table;
use super::gate::gate_table;
use super::{RenderOptions, ReportFormat, format};
use crate::compare::compare;
use crate::metrics::registry::{Headline, METRICS, Metric, Show};
use crate::report::{NamedReport, Report, Window};
use crate::text::sanitize::{clip, plain, title};
use crate::text::units::show_duration;

/// The summaries of one report or several, each with its gate's table.
#[derive(Debug)]
pub struct Table;

impl ReportFormat for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn help(&self) -> &'static str {
        "Text for a terminal"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["txt"]
    }

    fn render(&self, reports: &[NamedReport], RenderOptions { width, colour }: RenderOptions) -> String {
        let gate = |report: &Report| {
            report.gate.as_ref().map_or(String::new(), |gate| gate_table(gate, None, colour))
        };
        let tables = reports.iter().map(|(_, report)| summary(report, width, colour) + &gate(report));
        tables.collect::<Vec<_>>().join("\n")
    }

    fn comparison(&self) -> Option<fn(&[NamedReport], RenderOptions) -> String> {
        Some(|reports, options| comparison_table(&compare(reports), options.width, options.colour))
    }
}

/// What was run, its metrics with where each came from, and what could not be known and why.
///
/// `width` is the terminal's, if the text is for one; long texts are then wrapped in their column.
pub fn summary(report: &Report, width: Option<usize>, colour: bool) -> String {
    let bold = style(title(report, width.unwrap_or(usize::MAX))).bold().force_styling(colour);
    let mut text = format!("{bold}\n");
    let (rows, unknown) = rows(report);
    if !rows.is_empty() {
        let mut lines = metrics_table(report, rows, width).into_iter();
        let heading = if report.window == Window::Train { 2 } else { 1 };
        for line in lines.by_ref().take(heading) {
            push_line(&mut text, &style(line).dim().force_styling(colour).to_string());
        }
        lines.for_each(|line| push_line(&mut text, &line));
    }
    for line in unknown_table(unknown, width) {
        push_line(&mut text, &line);
    }
    for warning in &report.warnings {
        let label = style("warning:").yellow().force_styling(colour);
        push_line(&mut text, &format!("{label} {}", plain(warning)));
    }
    text
}

/// A metric's row: name, unit, over the training, over the whole run, from.
type Row = [String; 5];

/// What could not be known: the reason, and the metrics that it is the reason for.
type Unknown = Vec<(String, Vec<&'static str>)>;

fn rows(report: &Report) -> (Vec<Row>, Unknown) {
    let mut rows = Vec::new();
    let mut unknown = Unknown::new();
    for metric in METRICS.iter().filter(|metric| metric.headline != Headline::Never) {
        match row(report, metric) {
            Some(row) => push_row(&mut rows, row),
            None if metric.headline == Headline::Always => add_unknown(&mut unknown, report, metric),
            None => {}
        }
    }
    (rows, unknown)
}

/// Adds a row; the first of several in a row from one source names it.
fn push_row(rows: &mut Vec<Row>, mut row: Row) {
    let [.., from] = &mut row;
    let source = rows.iter().map(|[.., from]| from).rfind(|from| *from != AS_ABOVE);
    if source == Some(from) && !from.is_empty() {
        *from = AS_ABOVE.to_owned();
    }
    rows.push(row);
}

const AS_ABOVE: &str = "as above";

fn row(report: &Report, metric: &Metric) -> Option<Row> {
    let values = [report.metrics.get(metric), report.metrics_whole_run.get(metric)];
    let [training, whole] = values;
    training.or(whole)?;
    let unit = format::unit(metric, &values);
    let unit = if unit == metric.label() { String::new() } else { unit };
    let mut from = match training {
        Some(_) => provenance(report, metric.name),
        None => reason(report, metric.name),
    };
    if let (Show::Energy, Window::Train, Some(training), Some(whole)) =
        (metric.show, report.window, training, whole)
        && training <= whole
    {
        let outside = format::numbers(metric, &[Some(whole - training), Some(whole)]).swap_remove(0);
        let separator = if from.is_empty() { "" } else { "; " };
        from += &format!("{separator}{outside} {unit} outside training");
    }
    let mut numbers = format::numbers(metric, &values).into_iter();
    let mut next = || numbers.next().unwrap_or_default();
    Some([metric.label().to_owned(), unit, next(), next(), from])
}

fn metrics_table(report: &Report, rows: Vec<Row>, width: Option<usize>) -> Vec<String> {
    let mut lines = vec![heading(report)];
    lines.extend(rows);
    let mut lines: Vec<Vec<String>> = lines.into_iter().map(Vec::from).collect();
    if report.window != Window::Train {
        // The headline window is the whole run: one column says it all.
        lines.iter_mut().for_each(|line| drop(line.remove(WHOLE_RUN)));
    }
    let from = last_column(&lines);
    let gap = match width {
        Some(..45) => 1,
        Some(..100) => 2,
        _ => 3,
    };
    let lines = width.map_or(lines.clone(), |width| fitting(lines, width, gap));
    let columns = lines.first().map_or(0, Vec::len);
    // Without a last column that can be wrapped, nothing is.
    let mut table = borderless(width.filter(|_| columns > from));
    let mut lines = lines.into_iter();
    table.set_header(lines.next().unwrap_or_default());
    table.add_rows(lines);
    for column in table.column_iter_mut() {
        let (is_first, is_last) = (column.index == 0, column.index + 1 == columns);
        column.set_padding((u16::from(is_first), if is_last { 0 } else { gap }));
        if column.index != from {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if (2..from).contains(&column.index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Where the whole run stands in a [`Row`].
const WHOLE_RUN: usize = 3;

fn heading(report: &Report) -> Row {
    let whole = "whole run".to_owned();
    let (training, whole) = if report.window == Window::Train {
        let iterations = &report.iterations;
        let seconds = iterations.seconds.map_or(String::new(), |s| format!(", {}", show_duration(s)));
        let wall = report.command.wall_seconds.map(show_duration).unwrap_or_default();
        (format!("training\n{} it{seconds}", iterations.count), format!("{whole}\n{wall}"))
    } else {
        (whole, String::new())
    };
    [String::new(), String::new(), training, whole, "from".to_owned()]
}

/// The fewest columns in which a text is wrapped, between words.
const WRAPPED: usize = 24;
/// The fewest in which what is left of one still says something.
const CLIPPED: usize = 12;

/// The lines without what a terminal is too narrow for, the right-most first: where a number comes
/// from, then that of the whole run.
fn fitting(mut lines: Vec<Vec<String>>, width: usize, gap: u16) -> Vec<Vec<String>> {
    let last = last_column(&lines);
    let needed = |lines: &[Vec<String>], columns| {
        1 + (0..columns).map(|i| widest(lines, i) + usize::from(gap)).sum::<usize>()
    };
    let room = width.saturating_sub(needed(&lines, last));
    if room >= WRAPPED {
        return lines;
    }
    let keep = |lines: &mut [Vec<String>], columns| lines.iter_mut().for_each(|line| line.truncate(columns));
    if room >= CLIPPED {
        lines.iter_mut().filter_map(|line| line.last_mut()).for_each(|from| *from = clip(from, room));
        return lines;
    }
    keep(&mut lines, last);
    if needed(&lines, last) > width + usize::from(gap) {
        keep(&mut lines, WHOLE_RUN);
    }
    lines
}

fn last_column(lines: &[Vec<String>]) -> usize {
    lines.first().map_or(0, Vec::len).saturating_sub(1)
}

/// The width of a column's widest line.
fn widest(lines: &[Vec<String>], column: usize) -> usize {
    let cells = lines.iter().filter_map(|line| line.get(column));
    cells.flat_map(|cell| cell.lines()).map(measure_text_width).max().unwrap_or(0)
}

fn unknown_table(unknown: Unknown, width: Option<usize>) -> Vec<String> {
    if unknown.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<Vec<String>> =
        unknown.into_iter().map(|(reason, names)| vec![names.join(", "), "–".to_owned(), reason]).collect();
    let beside = " ".len() + widest(&lines, 0) + "  –  ".chars().count();
    if width.is_some_and(|width| width < beside + WRAPPED) {
        // Too narrow for a column of reasons: each follows its names.
        lines.iter_mut().for_each(|line| *line = vec![line.join(" ")]);
    }
    let reasons = last_column(&lines);
    let mut table = borderless(width);
    table.add_rows(lines);
    for column in table.column_iter_mut() {
        column.set_padding((1, 1));
        if column.index != reasons {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn borderless(width: Option<usize>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    table
}

fn add_unknown(unknown: &mut Unknown, report: &Report, metric: &Metric) {
    let reason = reason(report, metric.name);
    match unknown.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, names)) => names.push(metric.label()),
        None => unknown.push((reason, vec![metric.label()])),
    }
}

fn provenance(report: &Report, name: &str) -> String {
    report.provenance.get(name).map_or(String::new(), |how| plain(how))
}

fn reason(report: &Report, name: &str) -> String {
    report.unavailable.get(name).map_or("no reason was recorded".to_owned(), |why| plain(why))
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests;
