//! A gate's outcome as JUnit XML, which every CI reads: one test case for each expression.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::gate::verdict_line;
use super::{About, RenderOptions, ReportFormat};
use crate::report::gate::{Gate, GateResult, Level, Verdict};
use crate::report::{NamedReport, Report};

#[derive(Debug)]
pub struct JUnit;

impl ReportFormat for JUnit {
    fn about(&self) -> About {
        About { name: "junit", help: "The verdicts of the gate as JUnit XML", extensions: &["xml"] }
    }

    fn render(&self, reports: &[NamedReport], _: RenderOptions) -> String {
        junit(reports.iter().map(|(name, report)| (name.as_str(), report)))
    }
}

/// A test suite for each report, by its name.
///
/// A requirement that failed is a failure, one without data an error, and either is only noted on
/// the test case where it does not fail the gate: data may be missing there, or the level is `warn`.
pub fn junit<'a>(reports: impl IntoIterator<Item = (&'a str, &'a Report)>) -> String {
    let mut document = Document::new("effllm");
    document.add_test_suites(reports.into_iter().map(|(name, report)| suite(name, report)));
    // Fails only where writing to memory does.
    let text = document.to_string().unwrap_or_default();
    // The schema by which Jenkins checks has no such attribute of all suites together, which come first.
    text.replacen(&format!(" skipped=\"{}\"", document.skipped), "", 1)
}

fn suite(name: &str, report: &Report) -> TestSuite {
    let mut suite = TestSuite::new(name);
    if let Some(gate) = &report.gate {
        suite.add_test_cases(gate.results.iter().map(|result| test_case(result, gate)));
        suite.add_test_cases(run_case(gate));
    }
    if let Some(Ok(wall)) = report.command.wall_seconds.map(Duration::try_from_secs_f64) {
        suite.set_time(wall);
    }
    suite
}

/// A failed test case for a command that failed or has not ended.
fn run_case(gate: &Gate) -> Option<TestCase> {
    let why = gate.reason.as_deref().filter(|_| gate.verdict != Verdict::Pass)?;
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(why).set_type("run");
    let mut case = TestCase::new("the run", status);
    case.set_classname("effllm.gate");
    Some(case)
}

fn test_case(result: &GateResult, gate: &Gate) -> TestCase {
    let line = verdict_line(result);
    let of_kind = |kind, name: &str| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(line.clone()).set_type(name);
        status
    };
    let skipped = || {
        let mut status = TestCaseStatus::skipped();
        status.set_message(line.clone());
        status
    };
    let status = match (result.verdict, result.level) {
        (Verdict::Fail, Level::Require) => of_kind(NonSuccessKind::Failure, "fail"),
        (Verdict::NoData, Level::Require) if gate.verdict != Verdict::Pass => {
            of_kind(NonSuccessKind::Error, "no_data")
        }
        (Verdict::NoData, _) => skipped(),
        (Verdict::Pass, _) | (Verdict::Fail, Level::Warn) => TestCaseStatus::success(),
    };
    let noted = match (result.verdict, result.level) {
        (Verdict::Pass, _) => Some(line),
        (Verdict::Fail, Level::Warn) => Some(format!("warning: {line}")),
        _ => None,
    };
    let mut case = TestCase::new(result.expression.clone(), status);
    case.set_classname("effllm.gate");
    if let Some(noted) = noted {
        case.set_system_out(noted);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::gate::tests::gate;
    use crate::report::samples::training;

    #[test]
    fn a_document_of_each_outcome() {
        let report = Report { gate: Some(gate()), ..training(1) };
        insta::assert_snapshot!(junit([("effllm gate", &report)]));
    }

    #[test]
    fn what_is_skipped_is_counted_in_each_suite_and_not_above_them() {
        let mut gate = gate();
        gate.verdict = Verdict::Pass;
        let text = junit([("skipped=\"1\"", &Report { gate: Some(gate), ..training(1) })]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "<testsuites name=\"effllm\" tests=\"5\" failures=\"1\" errors=\"0\">");
        assert!(lines[2].contains(" tests=\"5\" skipped=\"1\" errors=\"0\""), "{}", lines[2]);
        assert!(quick_junit::Report::deserialize_from_str(&text).is_ok());
    }

    #[test]
    fn without_a_gate_there_are_no_test_cases() {
        assert!(junit([("effllm gate", &training(1))]).contains("tests=\"0\""));
    }
}
