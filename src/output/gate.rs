//! A gate's outcome in words and as a table.

use console::Style;

use super::RenderOptions;
use super::layout::{Column, Grid, paint_cells};
use crate::metrics::registry::Metric;
use crate::report::gate::{Baseline, Gate, GateResult, Level, Verdict};
use crate::text::sanitize::plain;
use crate::text::units::{or_dash, show_count, with_unit};

/// A line for each expression, and the verdict; `exit` is the status that effllm exits with because of
/// it, if it does.
pub fn gate_table(gate: &Gate, exit: Option<u8>, options: RenderOptions) -> String {
    let mut rows = vec![["gate", "require", "got", "margin"].map(str::to_owned).to_vec()];
    let mut verdicts = Vec::new();
    for result in &gate.results {
        let mark = mark(result.verdict, result.level);
        let word =
            if result.verdict == Verdict::NoData { mark.word.to_owned() } else { mark.word.to_uppercase() };
        let optional = if result.level == Level::Warn { " (warn)" } else { "" };
        let expression = format!("{}{optional}", plain(&result.expression));
        rows.push(vec![word.clone(), expression, got(result), margin(result)]);
        verdicts.push((word, mark.style));
    }
    let lines = Grid { columns: &[Column::LEFT; 4], indent: 0, gap: 3 }.lines(&rows, options.width);
    let mut verdicts = verdicts.iter();
    let painted = lines.iter().enumerate().map(|(n, line)| match n {
        0 => options.dim(line),
        _ if line.starts_with(' ') => line.clone(), // goes on with a row
        _ => paint_cells(line, verdicts.next(), options),
    });
    let text = painted.collect::<Vec<_>>().join("\n");
    let verdict = if gate.verdict == Verdict::Pass { Verdict::Pass } else { Verdict::Fail };
    let style = mark(verdict, Level::Require).style;
    text + &format!("\n{}\n", options.paint(style, &summary_line(gate, exit)))
}

/// The looks of a verdict: a word, a sign in Markdown, a class of the style sheet, a style on a terminal.
pub(super) struct Mark {
    pub word: &'static str,
    pub sign: &'static str,
    pub class: &'static str,
    style: Style,
}

pub(super) fn mark(verdict: Verdict, level: Level) -> Mark {
    let of = |word, sign, class, style| Mark { word, sign, class, style };
    match (verdict, level) {
        (Verdict::Pass, _) => of("pass", "✅", "good", Style::new().green()),
        (Verdict::Fail, Level::Require) => of("fail", "❌", "bad", Style::new().red().bold()),
        (Verdict::Fail, Level::Warn) => of("warn", "⚠️", "uncertain", Style::new().yellow()),
        (Verdict::NoData, _) => of("no data", "❔", "uncertain", Style::new().yellow()),
    }
}

/// `gate failed: 1 of 3 (exit 99)`.
pub(super) fn summary_line(gate: &Gate, exit: Option<u8>) -> String {
    let exit = exit.filter(|_| gate.verdict != Verdict::Pass);
    format!("gate {}{}", verdict(gate), exit.map_or(String::new(), |exit| format!(" (exit {exit})")))
}

/// `failed: 1 of 4, no data for 1, 2 warnings`.
pub(super) fn verdict(gate: &Gate) -> String {
    let count = |level, verdict| {
        let is = |result: &&GateResult| result.level == level && result.verdict == verdict;
        gate.results.iter().filter(is).count()
    };
    let [passed, failed, no_data] =
        [Verdict::Pass, Verdict::Fail, Verdict::NoData].map(|verdict| count(Level::Require, verdict));
    let required = passed + failed + no_data;
    // A gate that fails by the end of the command alone has no failed requirement.
    let (word, counted) = match gate.verdict {
        Verdict::Pass => ("passed", passed),
        Verdict::Fail | Verdict::NoData => ("failed", failed),
    };
    let mut parts = Vec::new();
    if required == 0 && gate.verdict == Verdict::Pass {
        parts.push("nothing is required".to_owned());
    }
    if counted > 0 {
        parts.push(format!("{counted} of {required}"));
    }
    if no_data > 0 {
        let of = if counted == 0 { format!(" of {required}") } else { String::new() };
        parts.push(format!("no data for {no_data}{of}"));
    }
    parts.extend(gate.reason.as_deref().map(plain));
    for (verdict, without_data) in [(Verdict::Fail, ""), (Verdict::NoData, " without data")] {
        let warned = Some(count(Level::Warn, verdict)).filter(|warned| *warned > 0);
        parts.extend(warned.map(|n| show_count(n as u64, "warning") + without_data));
    }
    format!("{word}: {}", parts.join(", "))
}

/// The value and the margin of an expression in one line.
pub(super) fn verdict_line(result: &GateResult) -> String {
    let of = if result.actual.is_some() { format!("got {}", got(result)) } else { "no data".to_owned() };
    [of, margin(result)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The value as it was measured.
pub(super) fn got(result: &GateResult) -> String {
    or_dash(result.actual, |value| with_unit(value, &result.unit))
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
    let runs = show_count(baseline.runs as u64, "run");
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

/// `+16 %`, `−1.6 %`, `−0.003 %`: as many decimals as show that it is not 0; 0 has no sign.
fn percent(ratio: f64) -> String {
    let percent = 100.0 * ratio;
    let decimals = match percent.abs() {
        size if size < 1e-7 => return "0 %".to_owned(), // equal, by the comparisons
        size if size < 0.095 => (-size.log10()).ceil() as usize,
        size if size < 9.95 => 1,
        _ => 0,
    };
    format!("{percent:+.decimals$} %").replace('-', "−")
}

/// Every metric: its names, unit and definition.
pub fn metrics_table(metrics: &[Metric]) -> String {
    let row = |metric: &Metric| {
        let unit = if metric.unit.is_empty() { "ratio" } else { metric.unit };
        [metric.short.unwrap_or_default(), metric.name, unit, metric.definition].map(str::to_owned).to_vec()
    };
    let mut rows = vec![["short", "name", "unit", "definition"].map(str::to_owned).to_vec()];
    rows.extend(metrics.iter().map(row));
    Grid { columns: &[Column::LEFT; 4], indent: 0, gap: 2 }.lines(&rows, None).join("\n") + "\n"
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
        insta::assert_snapshot!(gate_table(&gate(), Some(99), RenderOptions::default()));
        assert!(
            gate_table(&gate(), Some(99), RenderOptions { width: None, colour: true })
                .contains("\u{1b}[31m\u{1b}[1mFAIL\u{1b}[0m")
        );
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        let with = |verdict, kept: &[usize], exit| {
            let results = kept.iter().map(|i| gate().results[*i].clone()).collect();
            summary_line(&Gate { verdict, reason: None, results }, Some(exit))
        };
        let crashed = |kept: &[usize], exit| {
            let results = kept.iter().map(|i| gate().results[*i].clone()).collect();
            let reason = Some("command killed by SIGKILL".to_owned());
            summary_line(&Gate { verdict: Verdict::Fail, reason, results }, Some(exit))
        };
        assert_eq!(summary_line(&gate(), None), "gate failed: 1 of 4, no data for 1, 1 warning");
        assert_eq!(crashed(&[0], 99), "gate failed: command killed by SIGKILL (exit 99)");
        assert_eq!(crashed(&[0, 1], 137), "gate failed: 1 of 2, command killed by SIGKILL (exit 137)");
        assert_eq!(with(Verdict::Fail, &[1], 3), "gate failed: 1 of 1 (exit 3)");
    }

    #[test]
    fn every_mix_of_outcomes_is_counted() {
        use Verdict::{Fail, NoData, Pass};
        let line = |outcome, required: [usize; 3], warned: [usize; 3]| {
            let of = |level, [passed, failed, no_data]: [usize; 3]| {
                let outcomes = [(Pass, passed), (Fail, failed), (NoData, no_data)];
                let results = outcomes.into_iter().flat_map(|(verdict, n)| vec![verdict; n]);
                results.map(move |verdict| GateResult { level, verdict, ..gate().results[0].clone() })
            };
            let results = of(Level::Require, required).chain(of(Level::Warn, warned)).collect();
            verdict(&Gate { verdict: outcome, reason: None, results })
        };
        let none = [0; 3];
        // Passed, failed and without data: of what is required, and of what is warned of.
        for (outcome, required, warned, shown) in [
            (Pass, [1, 0, 0], none, "passed: 1 of 1"),
            (Pass, [2, 0, 0], [1, 0, 0], "passed: 2 of 2"),
            (Pass, [1, 0, 1], none, "passed: 1 of 2, no data for 1"),
            (Pass, [0, 0, 1], none, "passed: no data for 1 of 1"),
            (Pass, [1, 0, 0], [0, 1, 0], "passed: 1 of 1, 1 warning"),
            (Pass, [1, 0, 0], [0, 0, 1], "passed: 1 of 1, 1 warning without data"),
            (
                Pass,
                [1, 0, 2],
                [1, 2, 3],
                "passed: 1 of 3, no data for 2, 2 warnings, 3 warnings without data",
            ),
            (Pass, none, [1, 0, 0], "passed: nothing is required"),
            (Pass, none, [0, 1, 1], "passed: nothing is required, 1 warning, 1 warning without data"),
            (Fail, [0, 1, 0], none, "failed: 1 of 1"),
            (Fail, [2, 1, 0], none, "failed: 1 of 3"),
            (Fail, [2, 1, 1], none, "failed: 1 of 4, no data for 1"),
            (Fail, [0, 1, 1], [0, 1, 1], "failed: 1 of 2, no data for 1, 1 warning, 1 warning without data"),
            (NoData, [1, 0, 1], none, "failed: no data for 1 of 2"),
            (NoData, [0, 0, 2], [0, 0, 1], "failed: no data for 2 of 2, 1 warning without data"),
        ] {
            assert_eq!(line(outcome, required, warned), shown);
        }
    }

    #[test]
    fn a_margin_that_is_not_zero_shows_and_zero_has_no_sign() {
        for (ratio, shown) in [
            (0.161, "+16 %"),
            (-0.0161, "−1.6 %"),
            (0.0, "0 %"),
            (-0.0, "0 %"),
            (-1e-10, "0 %"),
            (-0.0003, "−0.03 %"),
            (0.000_96, "+0.1 %"),
            (-0.000_000_5, "−0.00005 %"),
        ] {
            assert_eq!(percent(ratio), shown, "{ratio}");
        }
    }
}
