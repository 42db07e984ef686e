//! A gate's outcome as a table.

use console::{Alignment, Style};

use super::columns::columns;
use super::text::plain;
use crate::model::gate::{Baseline, Gate, GateResult, Level, Verdict};
use crate::model::metric::Metric;
use crate::model::units::show;

/// One line for each expression, and what it comes to; `exit` is the status that effllm ends with
/// because of it, if it does.
pub fn gate_table(gate: &Gate, exit: Option<u8>, colour: bool) -> String {
    let style = |style: Style, text: &str| style.force_styling(colour).apply_to(text).to_string();
    let mut rows =
        vec![["gate", "require", "got", "margin"].map(|head| style(Style::new().dim(), head)).to_vec()];
    rows.extend(gate.results.iter().map(|result| {
        let word = match (result.verdict, result.level) {
            (Verdict::Pass, _) => style(Style::new().green(), "PASS"),
            (Verdict::Fail, Level::Require) => style(Style::new().red().bold(), "FAIL"),
            (Verdict::Fail, Level::Warn) => style(Style::new().yellow(), "WARN"),
            (Verdict::NoData, _) => style(Style::new().yellow(), "no data"),
        };
        let optional = if result.level == Level::Warn { " (warn)" } else { "" };
        vec![word, format!("{}{optional}", result.expression), got(result), margin(result)]
    }));
    let summary = summary(gate, exit);
    let summary = match gate.verdict {
        Verdict::Pass => style(Style::new().green(), &summary),
        Verdict::Fail | Verdict::NoData => style(Style::new().red().bold(), &summary),
    };
    columns(&rows, &[Alignment::Left; 4], "   ") + &summary + "\n"
}

/// `gate failed: 1 of 3 (exit 99)`.
pub(super) fn summary(gate: &Gate, exit: Option<u8>) -> String {
    let exit = exit.filter(|_| gate.verdict != Verdict::Pass);
    format!("gate {}{}", came_to(gate), exit.map_or(String::new(), |exit| format!(" (exit {exit})")))
}

/// `failed: 1 of 3`.
pub(super) fn came_to(gate: &Gate) -> String {
    let count = |level, verdict| {
        let is = |result: &&GateResult| result.level == level && result.verdict == verdict;
        gate.results.iter().filter(is).count()
    };
    let required = gate.results.iter().filter(|result| result.level == Level::Require).count();
    let [passed, failed, no_data] =
        [Verdict::Pass, Verdict::Fail, Verdict::NoData].map(|verdict| count(Level::Require, verdict));
    let word = if gate.verdict == Verdict::Pass { "passed" } else { "failed" };
    let mut parts = Vec::new();
    match gate.verdict {
        Verdict::Pass if required == 0 => parts.push("nothing is required".to_owned()),
        Verdict::Pass if no_data > 0 => {
            parts.push(format!("{passed} of {required}, no data for {no_data}"));
        }
        Verdict::Pass => parts.push(format!("{passed} of {required}")),
        _ if failed > 0 => parts.push(format!("{failed} of {required}")),
        _ if no_data > 0 => parts.push(format!("no data for {no_data} of {required}")),
        _ => {} // the metrics would have passed
    }
    parts.extend(gate.reason.as_deref().map(plain));
    match count(Level::Warn, Verdict::Fail) {
        0 => {}
        1 => parts.push("1 warning".to_owned()),
        n => parts.push(format!("{n} warnings")),
    }
    format!("{word}: {}", parts.join(", "))
}

/// In one line, what an expression came to.
pub(super) fn told(result: &GateResult) -> String {
    let of = if result.actual.is_some() { format!("got {}", got(result)) } else { "no data".to_owned() };
    [of, margin(result)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The value as it was measured.
pub(super) fn got(result: &GateResult) -> String {
    result.actual.map_or_else(|| "–".to_owned(), |value| with_unit(value, &result.unit))
}

/// How far the value is from its limit, or why that is not known.
pub(super) fn margin(result: &GateResult) -> String {
    match (&result.reason, &result.baseline, result.margin_ratio) {
        (Some(reason), ..) => plain(reason),
        (None, Some(baseline), _) => against(baseline, result),
        (None, None, Some(margin)) => percent(margin),
        (None, None, None) => String::new(),
    }
}

/// `limit 1.256 s; baseline 1.231 s (3 runs, ±0.6 %), 14.7 % slower`.
fn against(baseline: &Baseline, result: &GateResult) -> String {
    let limit = result.expected.filter(|limit| *limit != baseline.median);
    let limit = limit.map_or(String::new(), |limit| format!("limit {}; ", with_unit(limit, &result.unit)));
    let runs = match baseline.runs {
        1 => "1 run".to_owned(),
        runs => format!("{runs} runs"),
    };
    let spread = baseline.spread_ratio.map_or(String::new(), |spread| format!(", ±{:.1} %", spread * 100.0));
    let change =
        result.actual.map(|actual| change(actual, baseline.median, &result.unit)).unwrap_or_default();
    format!("{limit}baseline {} ({runs}{spread}){change}", with_unit(baseline.median, &result.unit))
}

fn change(actual: f64, baseline: f64, unit: &str) -> String {
    let ratio = (actual - baseline) / baseline.abs();
    let (more, less) = if unit == "s" { ("slower", "faster") } else { ("higher", "lower") };
    match ratio {
        ratio if !ratio.is_finite() => String::new(),
        ratio if ratio.abs() < 0.0005 => ", the same".to_owned(),
        ratio => format!(", {:.1} % {}", 100.0 * ratio.abs(), if ratio > 0.0 { more } else { less }),
    }
}

/// `1.412 s`.
pub(super) fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", show(value)).trim_end().to_owned()
}

/// `+16 %`, `−1.6 %`.
fn percent(ratio: f64) -> String {
    let percent = 100.0 * ratio;
    let decimals = if percent.abs() < 9.95 { 1 } else { 0 };
    format!("{percent:+.decimals$} %").replace('-', "−")
}

/// Every metric: its names, unit, the better direction and definition.
pub fn metrics_table(metrics: &[Metric]) -> String {
    let row = |metric: &Metric| {
        let short = metric.short.unwrap_or_default().to_owned();
        let unit = if metric.unit.is_empty() { "ratio" } else { metric.unit };
        vec![short, metric.name.to_owned(), unit.to_owned(), metric.definition.to_owned()]
    };
    let mut rows = vec![["short", "name", "unit", "definition"].map(str::to_owned).to_vec()];
    rows.extend(metrics.iter().map(row));
    columns(&rows, &[Alignment::Left; 4], "  ")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// One of each outcome.
    pub fn gate() -> Gate {
        let result = |expression: &str, unit: &str, expected, actual, margin, verdict| GateResult {
            expression: expression.to_owned(),
            level: Level::Require,
            metric: String::new(),
            expected: Some(expected),
            actual,
            unit: unit.to_owned(),
            margin_ratio: margin,
            baseline: None,
            verdict,
            reason: None,
        };
        let baseline = Baseline { median: 1.231, runs: 3, spread_ratio: Some(0.006) };
        let slower = result("al <= baseline * 1.02", "s", 1.2556, Some(1.412), Some(-0.1245), Verdict::Fail);
        let no_tokens = result("it >= 10", "tokens/s", 10.0, None, None, Verdict::NoData);
        let hot = result("aec <= 600 W", "W", 600.0, Some(612.4), Some(-0.0207), Verdict::Fail);
        let exact = result("al >= baseline", "s", 1.231, Some(1.2312), Some(0.0), Verdict::Pass);
        Gate {
            verdict: Verdict::Fail,
            reason: None,
            results: vec![
                result("pcu >= 0.85", "", 0.85, Some(0.987), Some(0.161), Verdict::Pass),
                GateResult { baseline: Some(baseline), ..slower },
                GateResult {
                    reason: Some("no generated tokens\u{1b}[2J in this log".to_owned()),
                    ..no_tokens
                },
                GateResult { baseline: Some(Baseline { runs: 1, spread_ratio: None, ..baseline }), ..exact },
                GateResult { level: Level::Warn, ..hot },
            ],
        }
    }

    #[test]
    fn a_table_of_each_outcome() {
        insta::assert_snapshot!(gate_table(&gate(), Some(99), false));
        assert!(gate_table(&gate(), Some(99), true).contains("\u{1b}[31m\u{1b}[1mFAIL\u{1b}[0m"));
    }

    #[test]
    fn the_last_line_says_what_it_comes_to() {
        let with = |verdict, kept: &[usize], exit| {
            let results = kept.iter().map(|i| gate().results[*i].clone()).collect();
            summary(&Gate { verdict, reason: None, results }, Some(exit))
        };
        let crashed = |kept: &[usize], exit| {
            let results = kept.iter().map(|i| gate().results[*i].clone()).collect();
            let reason = Some("the command died by SIGKILL".to_owned());
            summary(&Gate { verdict: Verdict::Fail, reason, results }, Some(exit))
        };
        assert_eq!(summary(&gate(), None), "gate failed: 1 of 4, 1 warning");
        assert_eq!(crashed(&[0], 99), "gate failed: the command died by SIGKILL (exit 99)");
        assert_eq!(crashed(&[0, 1], 137), "gate failed: 1 of 2, the command died by SIGKILL (exit 137)");
        assert_eq!(with(Verdict::Pass, &[0], 0), "gate passed: 1 of 1");
        assert_eq!(with(Verdict::Pass, &[0, 4], 0), "gate passed: 1 of 1, 1 warning");
        assert_eq!(with(Verdict::Pass, &[0, 2], 0), "gate passed: 1 of 2, no data for 1");
        assert_eq!(with(Verdict::Fail, &[0, 1, 2], 99), "gate failed: 1 of 3 (exit 99)");
        assert_eq!(with(Verdict::NoData, &[0, 2], 99), "gate failed: no data for 1 of 2 (exit 99)");
        assert_eq!(with(Verdict::Fail, &[1], 3), "gate failed: 1 of 1 (exit 3)");
    }
}
