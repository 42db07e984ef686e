//! A gate's outcome as JUnit XML, which every CI reads: one test case for each expression.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::RenderOptions;
use super::format::name_of;
use super::gate::verdict_line;
use crate::report::gate::{Gate, GateResult, Verdict};
use crate::report::{NamedReport, Report};

pub fn render(reports: &[NamedReport], _: RenderOptions) -> String {
    junit(reports.iter().map(|(name, report)| (name.as_str(), report)))
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
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(gate.failure()?).set_type("run");
    Some(case("the run", status))
}

fn test_case(result: &GateResult, gate: &Gate) -> TestCase {
    let line = verdict_line(result);
    let fails = gate.fails_by(result);
    let mut status = match result.verdict {
        Verdict::Fail if fails => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::NoData if fails => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::NoData => TestCaseStatus::skipped(),
        Verdict::Pass | Verdict::Fail => {
            let warning = if result.verdict == Verdict::Fail { "warning: " } else { "" };
            let mut case = case(&result.expression, TestCaseStatus::success());
            case.set_system_out(format!("{warning}{line}"));
            return case;
        }
    };
    status.set_message(line);
    if fails {
        status.set_type(name_of(&result.verdict));
    }
    case(&result.expression, status)
}

fn case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname("effllm.gate");
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
