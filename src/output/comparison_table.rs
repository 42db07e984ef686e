//! Reports side by side, as a table.

use console::{Style, measure_text_width};

use super::RenderOptions;
use super::comparison::{meaning, notes, ratio, value, word};
use super::layout::{Column, Grid, paint_cells};
use super::report_names::Names;
use crate::compare::{Change, Comparison, Direction, MetricComparison, compare};
use crate::metrics::registry::Metric;
use crate::report::NamedReport;
use crate::text::sanitize::{message, plain, wrapped};

/// The columns of a table that is for no terminal.
const PAGE: usize = 100;

pub fn render(reports: &[NamedReport], options: RenderOptions) -> String {
    message(&comparison_table(&compare(reports), options), options.colour)
}

/// A line for each metric, columns for each report, and the changes coloured by what they mean. In too
/// little room the changes lose their probabilities, then there are several tables below each other, then
/// they lose their values.
fn comparison_table(comparison: &Comparison, options: RenderOptions) -> String {
    let room = options.width.unwrap_or(PAGE);
    let names = Names::within(&comparison.reports, (room / 5).clamp(8, 18));
    let others: Vec<usize> = (1..names.shown.len()).collect();
    let tables = |detail, most: usize| -> Vec<Vec<String>> {
        others.chunks(most).map(|others| table(comparison, &names.shown, others, detail, options)).collect()
    };
    let fewer = |detail| (1..=others.len()).rev().map(move |most| (detail, most));
    let forms = [(Detail::Probability, others.len().max(1))].into_iter();
    let mut forms = forms.chain(fewer(Detail::Value)).chain(fewer(Detail::ChangeAlone));
    let fits = |line: &String| measure_text_width(line) <= room;
    let (detail, most) = forms
        .find(|(detail, most)| tables(*detail, *most).iter().flatten().all(fits))
        .unwrap_or((Detail::ChangeAlone, 1));
    let text: Vec<String> = tables(detail, most).iter().map(|lines| lines.join("\n") + "\n").collect();
    let mut notes = notes(comparison, &names.shown);
    if detail != Detail::Probability && comparison.any(Direction::Undecided) {
        notes.push("n.s.: not significant".to_owned());
    }
    notes.extend(names.legend());
    let label = options.paint(Style::new().yellow(), "runs differ in:");
    notes.extend(comparison.differences.iter().map(|difference| format!("{label} {}", plain(difference))));
    text.join("\n") + &notes.iter().map(|note| wrapped(note, room)).collect::<String>()
}

/// How much is said of each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Probability,
    Value,
    ChangeAlone,
}

/// The lines of a table of the first report and some others.
fn table(
    comparison: &Comparison,
    names: &[String],
    others: &[usize],
    detail: Detail,
    options: RenderOptions,
) -> Vec<String> {
    let mut columns = Vec::new();
    let mut rows: Vec<Vec<(String, Style)>> = vec![Vec::new(); comparison.metrics.len() + 1];
    let mut add = |column, heading: &str, cell: &dyn Fn(&MetricComparison) -> (String, Style)| {
        columns.push(column);
        let heading = (heading.to_owned(), Style::new());
        let cells = std::iter::once(heading).chain(comparison.metrics.iter().map(cell));
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
    };
    let value = |row: &MetricComparison, i: usize| value(row.values.get(i).copied().flatten());
    let has_values = detail != Detail::ChangeAlone;
    add(Column::LEFT, "metric", &|row| (label(row), Style::new()));
    for (i, name) in names.iter().enumerate().filter(|(i, _)| *i == 0 || others.contains(i)) {
        if has_values {
            add(Column::RIGHT, name, &|row| (value(row, i), Style::new()));
        }
        let Some(before) = i.checked_sub(1) else { continue };
        let change = |row: &MetricComparison| row.changes.get(before).copied().flatten();
        let says = if detail == Detail::Probability { meaning } else { |change| word(change).to_owned() };
        let heading = if has_values { "change" } else { name };
        add(Column::RIGHT, heading, &|row| (ratio(change(row)), style(change(row))));
        add(Column::LEFT, "", &|row| (change(row).map(says).unwrap_or_default(), style(change(row))));
    }
    let text = |row: &Vec<(String, Style)>| row.iter().map(|(text, _)| text.clone()).collect();
    let texts: Vec<Vec<String>> = rows.iter().map(text).collect();
    let lines = Grid { columns: &columns, indent: 0, gap: 2 }.lines(&texts, None);
    lines.iter().zip(&rows).map(|(line, row)| paint_cells(line, row, options)).collect()
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
