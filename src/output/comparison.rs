//! The words for the changes between reports.

use crate::compare::{Change, Comparison, Direction, IterationTest, MetricComparison};
use crate::text::sanitize::plain;
use crate::text::units::{or_dash, show};

/// The note on reports without a metric.
const NO_METRIC: &str = "none of these reports has a metric; 'effllm report REPORT' shows the reasons";

/// The limit of what the test covers.
const OF_THESE_RUNS: &str = "better, worse: these runs alone; repeat the runs to see how much they vary";

pub const UNTESTED: &str = "not tested";

pub fn value(value: Option<f64>) -> String {
    or_dash(value, show)
}

/// A change relative to the first value.
pub fn ratio(change: Option<Change>) -> String {
    or_dash(change.and_then(|change| change.ratio), percent)
}

/// The meaning of a change; nothing if it is untested.
pub fn word(change: Change) -> &'static str {
    match change.direction {
        Direction::Better => "better",
        Direction::Worse => "worse",
        Direction::Same => "same",
        Direction::Undecided => "n.s.",
        Direction::Untested => "",
    }
}

/// The same at length, with the probability.
pub fn meaning(change: Change) -> String {
    let p = change.rank_test.map(|test| format!(" ({})", probability(test))).unwrap_or_default();
    match change.direction {
        Direction::Same => "the same".to_owned(),
        Direction::Undecided => format!("not significant{p}"),
        _ => word(change).to_owned() + &p,
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

/// The notes below a comparison. `names` are those of the reports.
pub fn notes(comparison: &Comparison, names: &[String]) -> Vec<String> {
    let test = |(i, name): (usize, &String)| {
        let change = |row: &MetricComparison| row.changes.get(i).copied().flatten();
        let test = comparison.metrics.iter().find_map(|row| change(row)?.rank_test)?;
        let [before, after] = test.counts;
        let p = probability(test);
        Some(format!("{}: {p} by a rank test of {before} vs {after} iteration times", plain(name)))
    };
    let mut notes: Vec<String> = names.iter().skip(1).enumerate().filter_map(test).collect();
    if comparison.metrics.is_empty() {
        notes.push(NO_METRIC.to_owned());
    }
    if comparison.any(Direction::Better) || comparison.any(Direction::Worse) {
        notes.push(OF_THESE_RUNS.to_owned());
    }
    if comparison.any(Direction::Untested) {
        notes.push("unlabelled changes were not tested".to_owned());
    }
    notes
}

/// `−3.6 %`; a change that would be written as none with two decimals, and none as `0.0 %`.
fn percent(ratio: f64) -> String {
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
