//! A gate's outcome in the forms that GitHub Actions shows: annotations and the job summary.

use super::gate::{summary_line, verdict_line};
use super::markdown::gate_rows;
use crate::report::gate::{Gate, GateResult, Level, Verdict};
use crate::text::sanitize::{markdown, workflow_message};

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
        let message = format!("{}: {}", result.expression, verdict_line(result));
        Some(format!("::{command} title=effllm gate::{}\n", workflow_message(&message)))
    };
    let run = gate.reason.as_ref().filter(|_| gate.verdict != Verdict::Pass);
    let run = run.map(|why| format!("::error title=effllm gate::{}\n", workflow_message(why)));
    gate.results.iter().filter_map(annotation).chain(run).collect()
}

/// Markdown for the page of the job.
pub fn github_summary(gate: &Gate, exit: u8) -> String {
    format!("### {}\n\n{}\n", markdown(&summary_line(gate, Some(exit))), gate_rows(gate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::gate::tests::gate;

    #[test]
    fn annotations_and_summary_of_each_outcome() {
        insta::assert_snapshot!(github_annotations(&gate()) + "\n" + &github_summary(&gate(), 99));
    }
}
