//! Reports side by side, as a table.

use console::Style;

use super::RenderOptions;
use super::comparison::{meaning, notes, ratio, value, word};
use super::layout::{Column, Grid, paint_cells};
use super::names::Names;
use crate::compare::{Change, Comparison, Direction, MetricComparison, compare};
use crate::metrics::registry::Metric;
use crate::report::NamedReport;
use crate::text::sanitize::{plain, wrapped};

/// The columns of a table that is for no terminal.
const PAGE: usize = 100;

pub fn render(reports: &[NamedReport], options: RenderOptions) -> String {
    comparison_table(&compare(reports), options)
}

/// A line for each metric, columns for each report, and the changes coloured by what they mean. In too
/// little room the changes lose their probabilities, then there are several tables below each other, then
/// they lose their values.
fn comparison_table(comparison: &Comparison, options: RenderOptions) -> String {
    let room = options.width.unwrap_or(PAGE);
    let names = Names::within(&comparison.reports, (room / 5).clamp(8, 18));
    let (text, detail) = tables(comparison, &names.shown, room, options);
    let mut notes = notes(comparison, &names.shown);
    if detail != Detail::Probability && comparison.any(Direction::Undecided) {
        notes.push("n.s.: not significant".to_owned());
    }
    notes.extend(names.legend());
    let label = options.paint(Style::new().yellow(), "runs differ in:");
    notes.extend(comparison.differences.iter().map(|difference| format!("{label} {}", plain(difference))));
    text + &notes.iter().map(|note| wrapped(note, room)).collect::<String>()
}

/// How much is said of each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Probability,
    Value,
    ChangeAlone,
}

fn tables(
    comparison: &Comparison,
    names: &[String],
    room: usize,
    options: RenderOptions,
) -> (String, Detail) {
    let others: Vec<usize> = (1..names.len()).collect();
    let table = |detail, others: &[usize]| {
        let cells = rows(comparison, names, others, detail);
        let text = |row: &Vec<(String, Style)>| row.iter().map(|(text, _)| text.clone()).collect();
        let rows: Vec<Vec<String>> = cells.iter().map(text).collect();
        (rows, cells, columns(others.len(), detail))
    };
    let fits = |detail, count: usize| {
        others.chunks(count.max(1)).all(|others| {
            let (rows, _, columns) = table(detail, others);
            Grid { columns: &columns, indent: 0, gap: 2 }.width(&rows) <= room
        })
    };
    let detail = match () {
        () if fits(Detail::Probability, others.len()) => Detail::Probability,
        () if fits(Detail::Value, 1) => Detail::Value,
        () => Detail::ChangeAlone,
    };
    let most = others.len().min(room / 8);
    let count = (1..=most).rev().find(|count| fits(detail, *count)).unwrap_or(1);
    let tables = others.chunks(count).map(|others| {
        let (rows, cells, columns) = table(detail, others);
        let lines = Grid { columns: &columns, indent: 0, gap: 2 }.lines(&rows, None);
        let painted = lines.iter().zip(&cells).map(|(line, row)| paint_cells(line, row, options) + "\n");
        painted.collect::<String>()
    });
    (tables.collect::<Vec<_>>().join("\n"), detail)
}

fn columns(others: usize, detail: Detail) -> Vec<Column> {
    let (first, other): (&[Column], &[Column]) = match detail {
        Detail::ChangeAlone => (&[Column::LEFT], &[Column::RIGHT, Column::LEFT]),
        _ => (&[Column::LEFT, Column::RIGHT], &[Column::RIGHT, Column::RIGHT, Column::LEFT]),
    };
    [first, &other.repeat(others)].concat()
}

/// The heading and a row for each metric: its label, its value in the first report, and for each of the
/// others its value, its change and the meaning of that.
fn rows(
    comparison: &Comparison,
    names: &[String],
    others: &[usize],
    detail: Detail,
) -> Vec<Vec<(String, Style)>> {
    let with_values = detail != Detail::ChangeAlone;
    let unpainted = |text: String| (text, Style::new());
    let name = |i: usize| unpainted(names.get(i).cloned().unwrap_or_default());
    let mut heading = vec![unpainted("metric".to_owned())];
    heading.extend(with_values.then(|| name(0)));
    for i in others {
        heading.push(name(*i));
        heading.extend(with_values.then(|| unpainted("change".to_owned())));
        heading.push(unpainted(String::new()));
    }
    let row = |row: &MetricComparison| {
        let value = |i: usize| unpainted(value(row.values.get(i).copied().flatten()));
        let mut cells = vec![unpainted(label(row))];
        cells.extend(with_values.then(|| value(0)));
        for i in others {
            let change = row.changes.get(i - 1).copied().flatten();
            let says = |change| match detail {
                Detail::Probability => meaning(change),
                Detail::Value | Detail::ChangeAlone => word(change).to_owned(),
            };
            let meaning = change.map(says).unwrap_or_default();
            cells.extend(with_values.then(|| value(*i)));
            cells.extend([ratio(change), meaning].map(|text| (text, style(change))));
        }
        cells
    };
    [heading].into_iter().chain(comparison.metrics.iter().map(row)).collect()
}

fn style(change: Option<Change>) -> Style {
    match change.map(|change| change.direction) {
        Some(Direction::Better) => Style::new().green(),
        Some(Direction::Worse) => Style::new().red(),
        Some(Direction::Undecided | Direction::Same) => Style::new().dim(),
        Some(Direction::Untested) | None => Style::new(),
    }
}

/// `AL (s)`; a name that is no abbreviation states its unit.
fn label(row: &MetricComparison) -> String {
    match Metric::named(row.name).and_then(|metric| metric.short).map(str::to_uppercase) {
        Some(short) if row.unit.is_empty() => short,
        Some(short) => format!("{short} ({})", row.unit),
        None => row.name.to_owned(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::compare::{tests::noisy, tests::run};
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

    pub fn three_reports() -> Comparison {
        of(&["baseline.json", "new.json", "again.json"])
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
        let comparison = three_reports();
        insta::assert_snapshot!("table", comparison_table(&comparison, RenderOptions::default()));
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&comparison).unwrap() + "\n");
        let coloured = comparison_table(&comparison, RenderOptions { width: None, colour: true });
        assert!(coloured.contains("\u{1b}[32m−3.6 %\u{1b}[0m"), "{coloured}");
        assert!(coloured.contains("71336  −3.6 %  "), "what is not tested has no colour: {coloured}");
    }

    #[test]
    fn two_reports_have_room_for_the_probability() {
        insta::assert_snapshot!(comparison_table(&of(&["a.json", "b.json"]), RenderOptions::default()));
    }

    #[test]
    fn it_fits_the_terminal_whatever_the_names() {
        for (names, narrowest) in [(&LONG[..2], 40), (&LONG[..3], 40), (&LONG[..], 40)] {
            let comparison = of(names);
            for width in (narrowest..200).map(Some).chain([None]) {
                let shown = comparison_table(&comparison, RenderOptions { width, colour: false });
                let tables = shown.lines().take_while(|line| !line.contains(" rank test "));
                for line in tables {
                    assert!(
                        console::measure_text_width(line) <= width.unwrap_or(PAGE),
                        "{width:?}: {line}\n{shown}"
                    );
                }
                assert!(names.iter().all(|name| shown.contains(name)), "{shown}");
                assert_eq!(shown.matches("tensor_activity_ratio").count(), shown.matches("metric").count());
            }
        }
        insta::assert_snapshot!("six", comparison_table(&of(&LONG), RenderOptions::default()));
        insta::assert_snapshot!(
            "three_45",
            comparison_table(&of(&LONG[..3]), RenderOptions { width: Some(45), colour: false })
        );
    }
}
