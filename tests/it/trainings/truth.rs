//! Truth and report side by side: a figure is right within 2 %, or null with a reason.

use std::fmt;

use super::program::{Program, Truth};
use super::wrap::Call;
use crate::library::Report;

/// How far a figure may be off, as a share of the truth.
const TOLERANCE: f64 = 0.02;

/// A figure of a report beside the truth.
#[derive(Debug)]
pub struct Figure {
    name: &'static str,
    truth: f64,
    reported: Option<f64>,
    /// Why it is null.
    reason: Option<String>,
}

impl Figure {
    /// Whether it is right, or null with a reason.
    pub fn is_right(&self) -> bool {
        match self.reported {
            Some(reported) => (reported - self.truth).abs() <= TOLERANCE * self.truth.abs(),
            None => self.reason.is_some(),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, truth, reported, reason } = self;
        match (reported, reason) {
            (Some(reported), _) => write!(f, "{name}: {reported} of {truth}"),
            (None, Some(reason)) => write!(f, "{name}: null of {truth}: {reason}"),
            (None, None) => write!(f, "{name}: null of {truth}, without a reason"),
        }
    }
}

impl Truth {
    /// The metrics that it implies, by their names.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let Self { iterations, seconds, samples, tokens, joules, .. } = *self;
        let iterations = iterations as f64;
        let mut metrics = Vec::new();
        if seconds > 0.0 {
            metrics.extend([
                ("al_seconds", seconds / iterations),
                ("tokens_per_sec", tokens / seconds),
                ("samples_per_sec", samples / seconds),
                ("tt_tokens_per_param_per_sec", self.tokens_per_parameter / seconds),
                ("st_samples_per_param_per_sec", self.samples_per_parameter / seconds),
                ("joules_per_iteration", joules / iterations),
                ("joules_per_token", joules / tokens),
            ]);
        }
        if self.generated > 0.0 {
            metrics.extend([
                ("it_tokens_per_sec", self.generated / self.generating_seconds),
                ("joules_per_generated_token", self.generating_joules / self.generated),
            ]);
        }
        metrics
    }

    /// The figures of a report beside this truth.
    pub fn beside(&self, report: &Report) -> Vec<Figure> {
        let value = |name: &str| report.metrics.each().find(|(metric, _)| metric.name == name)?.1;
        let why = |name: &str| report.unavailable.get(name).cloned();
        let metrics = self.metrics().into_iter();
        let metrics = metrics.map(|(name, truth)| (name, truth, value(name), why(name)));
        let counted = &report.iterations;
        let unknown = || Some("as its metrics".to_owned());
        let totals = [
            ("iterations.count", self.iterations as f64, Some(counted.count as f64), None),
            ("iterations.samples", self.samples, counted.samples, unknown()),
            ("iterations.tokens", self.tokens, counted.tokens, unknown()),
        ];
        let figure = |(name, truth, reported, reason)| Figure { name, truth, reported, reason };
        totals.into_iter().chain(metrics).map(figure).collect()
    }

    /// The figures of a report that this truth contradicts, one a line.
    pub fn wrong_in(&self, report: &Report) -> String {
        let wrong = self.beside(report).into_iter().filter(|figure| !figure.is_right());
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
