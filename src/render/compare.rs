//! Reports side by side, as a table, as Markdown and as JSON.

use console::{Alignment, Style};

use super::columns::columns;
use super::github::markdown;
use super::text::plain;
use crate::gate::Comparison;
use crate::gate::compare::{Change, Direction, IterationTest, Row};
use crate::model::metric::Metric;
use crate::model::units::show;

/// A line for each metric, a column for each report, and the changes coloured by what they mean.
pub fn comparison_table(comparison: &Comparison, colour: bool) -> String {
    let paint = |direction, text: &str| {
        let style = match direction {
            Some(Direction::Better) => Style::new().green(),
            Some(Direction::Worse) => Style::new().red(),
            Some(Direction::Undecided | Direction::Same) => Style::new().dim(),
            None => return text.to_owned(),
        };
        style.force_styling(colour).apply_to(text).to_string()
    };
    let mut rows = vec![heading(comparison)];
    rows.extend(comparison.metrics.iter().map(|row| cells(row, &paint)));
    let mut alignments = vec![Alignment::Left, Alignment::Left, Alignment::Right];
    for _ in comparison.reports.iter().skip(1) {
        alignments.extend([Alignment::Right, Alignment::Right, Alignment::Left]);
    }
    let warning = Style::new().yellow().force_styling(colour).apply_to("not alike:").to_string();
    let not_alike = comparison.not_alike.iter().map(|what| format!("{warning} {}\n", plain(what)));
    columns(&rows, &alignments, "  ") + &not_alike.collect::<String>()
}

/// The same for a comment on a merge request.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heading: Vec<String> = heading(comparison).iter().map(|cell| markdown(cell)).collect();
    let ruler: Vec<String> =
        (0..heading.len()).map(|column| if column < 2 { "---" } else { "---:" }.to_owned()).collect();
    let bold = |direction, text: &str| match direction {
        Some(Direction::Worse) if !text.is_empty() => format!("**{text}**"),
        _ => text.to_owned(),
    };
    let rows = comparison.metrics.iter().map(|row| line(&cells(row, &bold)));
    let not_alike = comparison.not_alike.iter().map(|what| format!("\nnot alike: {}\n", markdown(what)));
    line(&heading) + &line(&ruler) + &rows.collect::<String>() + &not_alike.collect::<String>()
}

pub fn comparison_json(comparison: &Comparison) -> String {
    serde_json::to_string_pretty(comparison).unwrap_or_default() + "\n"
}

/// The first report's column, then three of each other's: value, change, and what it means.
fn heading(comparison: &Comparison) -> Vec<String> {
    let mut names = comparison.reports.iter().map(|name| plain(name));
    let mut heading = vec!["metric".to_owned(), String::new(), names.next().unwrap_or_default()];
    names.for_each(|name| heading.extend([name, "change".to_owned(), String::new()]));
    heading
}

fn cells(row: &Row, paint: &impl Fn(Option<Direction>, &str) -> String) -> Vec<String> {
    let value = |value: &Option<f64>| value.map_or("–".to_owned(), show);
    let label = Metric::named(row.name).and_then(|metric| metric.short).map(str::to_uppercase);
    let mut cells = vec![label.unwrap_or_else(|| row.name.to_owned()), row.unit.to_owned()];
    cells.extend(row.values.first().map(value));
    for (after, change) in row.values.iter().skip(1).zip(&row.changes) {
        let direction = change.map(|change| change.direction);
        let ratio = change.and_then(|change| change.ratio).map_or("–".to_owned(), percent);
        let meaning = change.map(meaning).unwrap_or_default();
        cells.extend([value(after), paint(direction, &ratio), paint(direction, &meaning)]);
    }
    cells
}

/// What a change means, in words.
pub(super) fn meaning(change: Change) -> String {
    let tested = change.rank_test.map(tested).unwrap_or_default();
    match change.direction {
        Direction::Better => format!("better{tested}"),
        Direction::Worse => format!("worse{tested}"),
        Direction::Same => "the same".to_owned(),
        Direction::Undecided => format!("no difference that these runs can show{tested}"),
    }
}

/// ` (p < 0.001, 500 vs 500 iterations)`.
fn tested(test: IterationTest) -> String {
    let p = match test.test.p {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p if p < 0.1 => format!("p = {p:.3}"),
        p => format!("p = {p:.2}"),
    };
    let [before, after] = test.counts;
    format!(" ({p}, {before} vs {after} iterations)")
}

/// `−3.6 %`; a change that would be written as none with two decimals, and none as `0.0 %`.
pub(super) fn percent(ratio: f64) -> String {
    let percent = 100.0 * ratio;
    if percent.abs() < 0.005 {
        return "0.0 %".to_owned();
    }
    let decimals = if percent.abs() < 0.05 { 2 } else { 1 };
    format!("{percent:+.decimals$} %").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::compare::{compare, tests::noisy, tests::run};

    fn comparison() -> Comparison {
        let mut before = run(&noisy(1.231, 0.01, 500));
        let mut faster = run(&noisy(1.187, 0.01, 500));
        let alike = run(&noisy(1.2312, 0.01, 480));
        before.metrics.joules_per_token = Some(0.74);
        faster.metrics.joules_per_token = Some(0.75);
        before.model.global_batch_size.value = Some(32.0);
        faster.model.global_batch_size.value = Some(64.0);
        compare(&[
            ("baseline.json".into(), before),
            ("new.json".into(), faster),
            ("again.json".into(), alike),
        ])
    }

    #[test]
    fn three_reports_side_by_side() {
        let comparison = comparison();
        insta::assert_snapshot!("table", comparison_table(&comparison, false));
        insta::assert_snapshot!("markdown", comparison_markdown(&comparison));
        insta::assert_snapshot!("json", comparison_json(&comparison));
        assert!(comparison_table(&comparison, true).contains("\u{1b}[32m−3.6 %\u{1b}[0m"));
    }
}
