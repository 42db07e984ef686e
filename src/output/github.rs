//! A gate's outcome in the forms that GitHub Actions shows: annotations and the job summary.

use std::fmt::Write;

use super::gate::{got, margin, summary, told};
use crate::report::gate::{Gate, GateResult, Level, Verdict};

/// Workflow commands, a line for each expression that does not hold: an error where it fails the
/// gate, a warning where it does not, a notice where data may be missing.
pub fn github_annotations(gate: &Gate) -> String {
    let annotation = |result: &GateResult| {
        let command = match (result.verdict, result.level) {
            (Verdict::Pass, _) => return None,
            (Verdict::Fail, Level::Require) => "error",
            (Verdict::NoData, Level::Require) if gate.verdict != Verdict::Pass => "error",
            (Verdict::Fail, Level::Warn) => "warning",
            (Verdict::NoData, _) => "notice",
        };
        let message = format!("{}: {}", result.expression, told(result));
        Some(format!("::{command} title=effllm gate::{}\n", escape(&message)))
    };
    let of_the_run = gate.reason.as_ref().filter(|_| gate.verdict != Verdict::Pass);
    let of_the_run = of_the_run.map(|why| format!("::error title=effllm gate::{}\n", escape(why)));
    gate.results.iter().filter_map(annotation).chain(of_the_run).collect()
}

/// Markdown for the page of the job.
pub fn github_summary(gate: &Gate, exit: u8) -> String {
    format!("### {}\n\n{}\n", summary(gate, Some(exit)), table(gate))
}

/// A row for each expression.
pub(super) fn table(gate: &Gate) -> String {
    let mut text = "| | require | got | margin |\n|---|---|---|---|\n".to_owned();
    for result in &gate.results {
        let word = match (result.verdict, result.level) {
            (Verdict::Pass, _) => "✅ pass",
            (Verdict::Fail, Level::Require) => "❌ **fail**",
            (Verdict::Fail, Level::Warn) => "⚠️ warn",
            (Verdict::NoData, _) => "❔ no data",
        };
        let (got, margin) = (markdown(&got(result)), markdown(&margin(result)));
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {word} | `{}` | {got} | {margin} |", result.expression);
    }
    text
}

/// As the runner reads the message of a workflow command.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text from a log or a report as text, whatever Markdown or HTML it looks like.
pub(super) fn markdown(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::gate::tests::gate;

    #[test]
    fn annotations_and_summary_of_each_outcome() {
        insta::assert_snapshot!(github_annotations(&gate()) + "\n" + &github_summary(&gate(), 99));
    }

    #[test]
    fn text_of_a_log_is_text() {
        assert_eq!(escape("5 %\n::error::x"), "5 %25%0A::error::x");
        assert_eq!(markdown("a|b<img>`c`"), r"a\|b&lt;img>\`c\`");
    }
}
