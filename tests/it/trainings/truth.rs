//! Truth and report side by side: a figure is right within 2 %, or null with a reason.

use std::fmt;

use super::program::{Program, Truth, Work};
use super::wrap::Call;
use crate::library::Report;

/// How far a figure may be off, as a share of the truth.
const TOLERANCE: f64 = 0.02;

/// A figure of a report beside the truth.
#[derive(Debug)]
pub struct Figure {
    name: &'static str,
    /// Of all iterations, and without those whose beginning the log may not show.
    truth: f64,
    without_openings: f64,
    reported: Option<f64>,
    /// Why it is null.
    reason: Option<String>,
}

impl Figure {
    /// Whether it is right within a share of the truth, or null with a reason.
    fn is_right(&self, tolerance: f64) -> bool {
        let least = self.truth.min(self.without_openings) * (1.0 - tolerance);
        let most = self.truth.max(self.without_openings) * (1.0 + tolerance);
        self.reported.map_or(self.reason.is_some(), |reported| (least..=most).contains(&reported))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, truth, reported, reason, .. } = self;
        match (reported, reason) {
            (Some(reported), _) => write!(f, "{name}: {reported:.9} of {truth:.9}"),
            (None, Some(reason)) => write!(f, "{name}: null of {truth:.9}: {reason}"),
            (None, None) => write!(f, "{name}: null of {truth:.9}, without a reason"),
        }
    }
}

/// The metrics of some iterations, by their names.
fn metrics(work: Work) -> [(&'static str, f64); 7] {
    let Work { seconds, samples, tokens, joules, .. } = work;
    let iterations = work.iterations as f64;
    [
        ("al_seconds", seconds / iterations),
        ("tokens_per_sec", tokens / seconds),
        ("samples_per_sec", samples / seconds),
        ("tt_tokens_per_param_per_sec", work.tokens_per_parameter / seconds),
        ("st_samples_per_param_per_sec", work.samples_per_parameter / seconds),
        ("joules_per_iteration", joules / iterations),
        ("joules_per_token", joules / tokens),
    ]
}

impl Truth {
    /// The figures of a report beside this truth.
    pub fn beside(&self, report: &Report) -> Vec<Figure> {
        let Work { iterations, samples, tokens, .. } = self.work;
        let value = |name: &str| report.metrics.each().find(|(metric, _)| metric.name == name)?.1;
        let metric = |name, truth, without_openings| Figure {
            name,
            truth,
            without_openings,
            reported: value(name),
            reason: report.unavailable.get(name).cloned(),
        };
        let total = |name, truth, reported: Option<f64>, reason: Option<&str>| Figure {
            name,
            truth,
            without_openings: truth,
            reported,
            reason: reason.map(str::to_owned),
        };
        let counted = &report.iterations;
        let mut figures = vec![
            total("iterations.count", iterations as f64, Some(counted.count as f64), None),
            total("iterations.samples", samples, counted.samples, Some("as its metrics")),
            total("iterations.tokens", tokens, counted.tokens, Some("as its metrics")),
        ];
        if iterations > 0 {
            let timed = self.work.without(self.openings);
            let timed = metrics(if timed.iterations > 0 { timed } else { self.work });
            let all = metrics(self.work).into_iter().zip(timed);
            figures.extend(all.map(|((name, truth), (_, timed))| metric(name, truth, timed)));
        }
        if self.generated > 0.0 {
            let rate = self.generated / self.generating_seconds;
            let joules = self.generating_joules / self.generated;
            figures.extend([
                metric("it_tokens_per_sec", rate, rate),
                metric("joules_per_generated_token", joules, joules),
            ]);
        }
        figures
    }

    /// The figures of a report that this truth contradicts, one a line.
    pub fn wrong_in(&self, report: &Report) -> String {
        self.wrong_within(TOLERANCE, report)
    }

    /// The same with a tolerance, as a share of the truth.
    pub fn wrong_within(&self, tolerance: f64, report: &Report) -> String {
        let wrong = self.beside(report).into_iter().filter(|figure| !figure.is_right(tolerance));
        wrong.map(|figure| format!("  {figure}\n")).collect()
    }
}

/// Fails unless every figure of the report is right, or null with a reason.
#[track_caller]
pub fn assert_right_or_null(report: &Report, truth: &Truth) {
    let mut findings = Findings::default();
    findings.compare("the program", report, truth);
    findings.assert_none();
}

/// The report of `effllm run` with detection; every figure of it is right, or null with a reason.
#[track_caller]
pub fn measured(program: Program) -> Report {
    let mut findings = Findings::default();
    let report = findings.measure("the program", program);
    findings.assert_none();
    report
}

/// What is wrong in the reports of several programs.
#[derive(Debug, Default)]
pub struct Findings(String);

impl Findings {
    /// The report of `effllm run` with detection of a program that ends here.
    pub fn measure(&mut self, case: impl fmt::Display, program: Program) -> Report {
        let program = program.exit();
        let report = Call::default().run(&program);
        self.compare(case, &report, &program.truth);
        report
    }

    /// Compares a report with the truth. The test's output has all figures, the finding the wrong ones.
    pub fn compare(&mut self, case: impl fmt::Display, report: &Report, truth: &Truth) {
        println!("{case}:");
        truth.beside(report).iter().for_each(|figure| println!("  {figure}"));
        let wrong = truth.wrong_in(report);
        if !wrong.is_empty() {
            let warnings: String =
                report.warnings.iter().map(|warning| format!("  warning: {warning}\n")).collect();
            self.0 += &format!("{case}:\n{wrong}{warnings}");
        }
    }

    #[track_caller]
    pub fn assert_none(self) {
        assert!(self.0.is_empty(), "neither right nor null with a reason:\n{}", self.0);
    }
}

/// Fails if the report has a warning with a text.
#[track_caller]
pub fn assert_no_warning(report: &Report, text: &str) {
    assert!(!report.warnings.iter().any(|warning| warning.contains(text)), "{:#?}", report.warnings);
}
