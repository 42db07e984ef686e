//! Reports side by side, as a table, as Markdown and as JSON.

use console::{Alignment, Style, measure_text_width};

use super::columns::columns;
use super::markdown::cell;
use crate::compare::Comparison;
use crate::compare::{Change, Direction, IterationTest, Row};
use crate::metrics::registry::Metric;
use crate::text::sanitize::{Names, plain, wrapped};
use crate::text::units::show;

/// The columns of a table that is for no terminal.
const PAGE: usize = 100;

/// A line for each metric, a column for each report, and the changes coloured by what they mean.
///
/// `width` is the terminal's, if the text is for one. What does not fit beside each other is said
/// more shortly, then stands in several tables below each other.
pub fn comparison_table(comparison: &Comparison, width: Option<usize>, colour: bool) -> String {
    let room = width.unwrap_or(PAGE);
    let names = Names::within(&comparison.reports, (room / 5).clamp(8, 18));
    let table = |form| Table::of(comparison, &names.shown, form, colour);
    let (mut form, mut laid) = (Form::Long, table(Form::Long));
    for shorter in [Form::Short, Form::Bare] {
        let needed = if form == Form::Long { laid.whole() } else { laid.narrowest() };
        if needed > room {
            (form, laid) = (shorter, table(shorter));
        }
    }
    let mut notes = notes(comparison, &names.shown, form);
    notes.extend(names.legend());
    let label = |text: &str| Style::new().yellow().force_styling(colour).apply_to(text).to_string();
    let differences =
        comparison.differences.iter().map(|what| format!("{} {}", label("not alike:"), plain(what)));
    notes.extend(differences);
    laid.lines(room) + &notes.iter().map(|note| wrapped(note, room)).collect::<String>()
}

/// The same for a comment on a merge request.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut names = comparison.reports.iter().map(|name| cell(name));
    let mut heading = vec!["metric".to_owned(), "unit".to_owned()];
    heading.extend(names.next());
    names.for_each(|name| heading.extend([name, "change".to_owned(), String::new()]));
    let ruler: Vec<String> = (0..heading.len())
        .map(|i| if i < 2 || i > 2 && i % 3 == 2 { "---" } else { "--:" }.to_owned())
        .collect();
    let rows = comparison.metrics.iter().map(|row| line(&markdown_cells(row)));
    let mut notes = notes(comparison, &comparison.reports, Form::Long);
    notes.extend(comparison.differences.iter().map(|what| format!("not alike: {what}")));
    let notes = notes.iter().map(|note| format!("\n{}\n", cell(note)));
    line(&heading) + &line(&ruler) + &rows.collect::<String>() + &notes.collect::<String>()
}

fn markdown_cells(row: &Row) -> Vec<String> {
    let mut cells = vec![format!("`{}`", row.name), row.unit.to_owned()];
    cells.extend(row.values.first().map(value));
    for (after, change) in row.values.iter().skip(1).zip(&row.changes) {
        let worse = change.is_some_and(|change| change.direction == Direction::Worse);
        let bold = |text: String| if worse { format!("**{text}**") } else { text };
        cells.extend([
            value(after),
            bold(ratio(*change)),
            bold(cell(&change.map(meaning).unwrap_or_default())),
        ]);
    }
    cells
}

/// How much is said of each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With the probability.
    Long,
    /// In a word.
    Short,
    /// In a word, and without the values.
    Bare,
}

/// The cells of a column from top to bottom.
type Column = Vec<String>;

/// The columns: what each line is of with the first report, then two of each other report: its value
/// with the change, and what that means.
struct Table {
    first: Vec<Column>,
    others: Vec<[Column; 2]>,
}

impl Table {
    fn of(comparison: &Comparison, names: &[String], form: Form, colour: bool) -> Self {
        let rows = &comparison.metrics;
        let mut first = vec![column("metric", rows.iter().map(label))];
        if form != Form::Bare {
            let values = rows.iter().map(|row| row.values.first().map_or_else(String::new, value));
            first.push(column(names.first().map_or("", String::as_str), values));
        }
        let others = names.iter().skip(1).enumerate();
        Self { first, others: others.map(|(i, name)| Self::other(rows, i, name, form, colour)).collect() }
    }

    /// The columns of the report whose changes stand at a place.
    fn other(rows: &[Row], i: usize, name: &str, form: Form, colour: bool) -> [Column; 2] {
        let change = |row: &Row| row.changes.get(i).copied().flatten();
        let says = |change: Change| match (form, change.direction) {
            (Form::Long, Direction::Undecided) => UNDECIDED.to_owned(), // its p stands below
            (Form::Long, _) => meaning(change),
            (Form::Short | Form::Bare, _) => word(change).to_owned(),
        };
        let meanings =
            rows.iter().map(|row| paint(change(row), &change(row).map(says).unwrap_or_default(), colour));

        let (above_value, above_ratio) = if form == Form::Long { (name, "change") } else { ("", "") };
        let values = rows.iter().map(|row| row.values.get(i + 1).map_or_else(String::new, value));
        let values = padded(column(above_value, values));
        let ratios = padded(column(above_ratio, rows.iter().map(|row| ratio(change(row)))));
        let painted = rows.iter().zip(ratios.iter().skip(1));
        let painted = painted.map(|(row, ratio)| paint(change(row), ratio, colour));
        let head = match ratios.first() {
            Some(head) if form == Form::Long => head,
            _ => name, // above both
        };
        let mut changed = column(head, painted);
        if form != Form::Bare {
            let above = usize::from(form == Form::Short);
            let beside = changed.iter_mut().zip(&values).skip(above);
            beside.for_each(|(ratio, value)| *ratio = format!("{value}  {ratio}"));
        }
        [changed, column("", meanings)]
    }

    /// The columns that all of it takes.
    fn whole(&self) -> usize {
        self.needed(&self.others)
    }

    /// The columns that one report takes beside the first.
    fn narrowest(&self) -> usize {
        self.others.chunks(1).map(|other| self.needed(other)).max().unwrap_or(0)
    }

    fn needed(&self, others: &[[Column; 2]]) -> usize {
        let columns = self.first.iter().chain(others.iter().flatten());
        columns.map(|column| width(column) + GAP.len()).sum::<usize>().saturating_sub(GAP.len())
    }

    /// As many reports beside each other as there is room for, the others below.
    fn lines(&self, room: usize) -> String {
        let (mut blocks, mut rest) = (Vec::new(), self.others.as_slice());
        loop {
            let fitting =
                (2..=rest.len()).take_while(|n| self.needed(rest.get(..*n).unwrap_or(rest)) <= room);
            let n = fitting.last().unwrap_or(1).min(rest.len());
            let (block, below) = rest.split_at(n);
            blocks.push(self.block(block));
            rest = below;
            if rest.is_empty() {
                return blocks.join("\n");
            }
        }
    }

    fn block(&self, others: &[[Column; 2]]) -> String {
        let all: Vec<&Column> = self.first.iter().chain(others.iter().flatten()).collect();
        let rows = (0..self.first.first().map_or(0, Vec::len))
            .map(|i| all.iter().map(|column| column.get(i).cloned().unwrap_or_default()).collect::<Vec<_>>());
        let mut alignments = vec![Alignment::Left];
        alignments.resize(self.first.len(), Alignment::Right);
        others.iter().for_each(|_| alignments.extend([Alignment::Right, Alignment::Left]));
        columns(&rows.collect::<Vec<_>>(), &alignments, GAP)
    }
}

const GAP: &str = "  ";

fn column(head: &str, cells: impl Iterator<Item = String>) -> Column {
    [head.to_owned()].into_iter().chain(cells).collect()
}

fn width(column: &Column) -> usize {
    column.iter().map(|cell| measure_text_width(cell)).max().unwrap_or(0)
}

/// The cells at the right edge of their column.
fn padded(column: Column) -> Column {
    let width = width(&column);
    column.iter().map(|cell| console::pad_str(cell, width, Alignment::Right, None).into_owned()).collect()
}

fn paint(change: Option<Change>, text: &str, colour: bool) -> String {
    let style = match change.map(|change| change.direction) {
        Some(Direction::Better) => Style::new().green(),
        Some(Direction::Worse) => Style::new().red(),
        Some(Direction::Undecided | Direction::Same) => Style::new().dim(),
        Some(Direction::Untested) | None => return text.to_owned(),
    };
    style.force_styling(colour).apply_to(text).to_string()
}

/// `AL (s)`; a name that is no abbreviation says its unit itself.
fn label(row: &Row) -> String {
    match Metric::named(row.name).and_then(|metric| metric.short).map(str::to_uppercase) {
        Some(short) if row.unit.is_empty() => short,
        Some(short) => format!("{short} ({})", row.unit),
        None => row.name.to_owned(),
    }
}

fn value(value: &Option<f64>) -> String {
    value.map_or("–".to_owned(), show)
}

fn ratio(change: Option<Change>) -> String {
    change.and_then(|change| change.ratio).map_or("–".to_owned(), percent)
}

/// What a change means, in words; nothing where no test speaks for it.
pub(super) fn meaning(change: Change) -> String {
    let p = change.rank_test.map(|test| format!(" ({})", probability(test))).unwrap_or_default();
    match change.direction {
        Direction::Better => format!("better{p}"),
        Direction::Worse => format!("worse{p}"),
        Direction::Same => "the same".to_owned(),
        Direction::Undecided => format!("{UNDECIDED}{p}"),
        Direction::Untested => String::new(),
    }
}

fn word(change: Change) -> &'static str {
    match change.direction {
        Direction::Better => "better",
        Direction::Worse => "worse",
        Direction::Same => "same",
        Direction::Undecided => "chance?",
        Direction::Untested => "",
    }
}

/// `p < 0.001`.
fn probability(test: IterationTest) -> String {
    match test.test.p {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p if p < 0.1 => format!("p = {p:.3}"),
        p => format!("p = {p:.2}"),
    }
}

/// What stands where no line does.
const NO_METRIC: &str = "none of these reports has a metric; 'effllm report REPORT' says of each why";

/// What an undecided change is.
const UNDECIDED: &str = "no difference that these runs can show";

/// What an untested change is.
pub(super) const UNTESTED: &str = "no test speaks for it, so it may be chance";

/// What a verdict is not of.
const OF_THESE_RUNS: &str =
    "better, worse: between these runs; what runs of one job differ by, one run of each cannot tell";

/// What stands behind the words, once for all lines.
fn notes(comparison: &Comparison, names: &[String], form: Form) -> Vec<String> {
    let test = |(i, name): (usize, &String)| {
        let change = |row: &Row| row.changes.get(i).copied().flatten();
        let test = comparison.metrics.iter().find_map(|row| change(row)?.rank_test)?;
        let [before, after] = test.counts;
        let p = probability(test);
        Some(format!("{}: {p} by a rank test of {before} vs {after} iteration times", plain(name)))
    };
    let mut notes: Vec<String> = names.iter().skip(1).enumerate().filter_map(test).collect();
    if comparison.metrics.is_empty() {
        notes.push(NO_METRIC.to_owned());
    }
    let any = |direction| {
        let mut changes = comparison.metrics.iter().flat_map(|row| row.changes.iter().flatten());
        changes.any(|change| change.direction == direction)
    };
    if any(Direction::Better) || any(Direction::Worse) {
        notes.push(OF_THESE_RUNS.to_owned());
    }
    if form != Form::Long && any(Direction::Undecided) {
        notes.push(format!("chance?: {UNDECIDED}"));
    }
    if any(Direction::Untested) {
        notes.push(format!("a change without a word: {UNTESTED}"));
    }
    notes
}

/// `−3.6 %`; a change that would be written as none with two decimals, and none as `0.0 %`.
pub(super) fn percent(ratio: f64) -> String {
    let percent = 100.0 * ratio;
    if percent.abs() < 0.005 {
        return "0.0 %".to_owned();
    }
    let decimals = match percent.abs() {
        ..0.05 => 2,
        ..999.95 => 1,
        _ => 0,
    };
    format!("{percent:+.decimals$} %").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{compare, tests::noisy, tests::run};
    use crate::report::Report;

    fn three() -> [Report; 3] {
        let mut before = run(&noisy(1.231, 0.01, 500));
        let mut faster = run(&noisy(1.187, 0.01, 500));
        let mut alike = run(&noisy(1.2312, 0.01, 480));
        for (metrics, factor) in [(&mut before, 1.0), (&mut faster, 0.964), (&mut alike, 1.002)]
            .map(|(report, factor)| (&mut report.metrics, factor))
        {
            metrics.joules_per_iteration = Some(74_000.0 * factor);
            metrics.tensor_activity_ratio = Some(0.4321 * factor);
            metrics.tt_tokens_per_param_per_sec = metrics.tokens_per_sec.map(|rate| rate / 1.4e8);
        }
        before.model.global_batch_size.value = Some(32.0);
        faster.model.global_batch_size.value = Some(64.0);
        [before, faster, alike]
    }

    /// The first of the three, then the others in turn.
    fn of(names: &[&str]) -> Comparison {
        let three = three();
        let report = |i: usize| three[if i < 3 { i } else { 1 + i % 2 }].clone();
        let named = names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), report(i)));
        compare(&named.collect::<Vec<_>>())
    }

    const LONG: [&str; 6] = [
        "/data/runs/baseline-of-the-seventh-of-november/effllm-report.json",
        "/data/runs/b/effllm-report.json",
        "/data/runs/c/effllm-report.json",
        "/data/runs/d/effllm-report.json",
        "/data/runs/e/effllm-report.json",
        "/data/runs/f/effllm-report.json",
    ];

    #[test]
    fn three_reports_side_by_side() {
        let comparison = of(&["baseline.json", "new.json", "again.json"]);
        insta::assert_snapshot!("table", comparison_table(&comparison, None, false));
        insta::assert_snapshot!("markdown", comparison_markdown(&comparison));
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&comparison).unwrap() + "\n");
        let coloured = comparison_table(&comparison, None, true);
        assert!(coloured.contains("\u{1b}[32m−3.6 %\u{1b}[0m"), "{coloured}");
        assert!(coloured.contains("71336  −3.6 %  "), "what is not tested has no colour: {coloured}");
    }

    #[test]
    fn two_reports_have_room_for_the_probability() {
        insta::assert_snapshot!(comparison_table(&of(&["a.json", "b.json"]), None, false));
    }

    #[test]
    fn it_fits_the_terminal_whatever_the_names() {
        for (names, narrowest) in [(&LONG[..2], 40), (&LONG[..3], 40), (&LONG[..], 40)] {
            let comparison = of(names);
            for width in (narrowest..200).map(Some).chain([None]) {
                let shown = comparison_table(&comparison, width, false);
                let tables = shown.lines().take_while(|line| !line.contains(" rank test "));
                for line in tables {
                    assert!(measure_text_width(line) <= width.unwrap_or(PAGE), "{width:?}: {line}\n{shown}");
                }
                assert!(names.iter().all(|name| shown.contains(name)), "{shown}");
                assert_eq!(shown.matches("tensor_activity_ratio").count(), shown.matches("metric").count());
            }
        }
        insta::assert_snapshot!("six", comparison_table(&of(&LONG), None, false));
        insta::assert_snapshot!("three_45", comparison_table(&of(&LONG[..3]), Some(45), false));
    }
}
