//! The requirements on a run, and the verdict on a report by them.

use super::baseline::Baselines;
use super::expression::{ConstantOutcome, Expression, Limit};
use crate::error::Error;
use crate::metrics::Metric;
use crate::report::gate::{Baseline, Gate, GateResult, Level, Verdict};
use crate::report::{Exit, Report, Window};
use crate::text::units::{show_duration, with_unit};

/// The requirements on a report with their baselines, checked to fit each other.
#[derive(Debug, Clone)]
pub struct Policy {
    requirements: Vec<Requirement>,
    baselines: Baselines,
    minimum: Minimum,
    allow_no_data: bool,
}

/// An expression and how much it matters.
#[derive(Debug, Clone)]
pub struct Requirement {
    pub level: Level,
    pub expression: Expression,
}

/// The least that a run must have measured before its averages mean anything.
///
/// Iterations are required where the log has any; a run whose log has none is judged as a whole. Seconds are those of the counted iterations, or of the whole run without any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minimum {
    pub iterations: u64,
    pub seconds: f64,
}

impl Default for Minimum {
    fn default() -> Self {
        Self { iterations: 10, seconds: 0.0 }
    }
}

impl Policy {
    /// # Errors
    /// An expression needs a baseline and there is none, or, unless `allow_no_data`, none has its
    /// metric: found before a command has run for days.
    pub fn new(
        requirements: Vec<Requirement>,
        baselines: Baselines,
        minimum: Minimum,
        allow_no_data: bool,
    ) -> Result<Self, Error> {
        let policy = Self { requirements, baselines, minimum, allow_no_data };
        for Requirement { level, expression } in &policy.requirements {
            let key = match level {
                Level::Require => "require",
                Level::Warn => "warn",
            };
            policy.can_be_met(expression).map_err(|error| error.of_flag(key))?;
        }
        Ok(policy)
    }

    /// # Errors
    /// A requirement, unless no data is allowed, needs a metric that the run can never have.
    pub fn check_metrics(&self, never_known: impl Fn(&Metric) -> Option<String>) -> Result<(), Error> {
        let required = self.requirements.iter().filter(|requirement| requirement.level == Level::Require);
        for Requirement { expression, .. } in required.filter(|_| !self.allow_no_data) {
            if let Some(why) = never_known(expression.metric) {
                return Err(Error::usage(format!("'{expression}' cannot be evaluated: {why}"))
                    .of_flag("require")
                    .help("drop it, or pass --allow-no-data to let it pass without a value"));
            }
        }
        Ok(())
    }

    fn can_be_met(&self, expression: &Expression) -> Result<(), Error> {
        match (self.limit(expression), self.constant_outcome(expression)) {
            (Err(why), _) if !self.allow_no_data => Err(Error::usage(format!(
                "'{expression}' cannot be evaluated: {why}"
            ))
            .help("set --baseline REPORT, or the key baseline of [gate], to the report of an earlier run")),
            (_, Some((ConstantOutcome::NeverHolds, why))) => {
                Err(Error::usage(format!("'{expression}' {why}"))
                    .help("relax the limit, or choose another --baseline"))
            }
            _ => Ok(()),
        }
    }

    /// The outcome of an expression with its baseline, and why, if it is certain.
    fn constant_outcome(&self, expression: &Expression) -> Option<(ConstantOutcome, String)> {
        let (limit, baseline) = self.limit(expression).ok()?;
        // A baseline beyond the metric's range shows that errors of measurement lead there.
        let (constant_outcome, why) = expression
            .constant_outcome(limit)
            .filter(|_| baseline.is_none_or(|baseline| expression.metric_can_be(baseline.median)))?;
        Some((
            constant_outcome,
            format!("{why}, and its limit is {}", with_unit(limit, expression.metric.unit)),
        ))
    }

    /// Warnings about requirements that are likely not meant, and about their baselines.
    pub fn warnings(&self) -> Vec<String> {
        let each = |Requirement { expression, .. }: &Requirement| {
            let constant_outcome = self.constant_outcome(expression);
            let vacuous = constant_outcome
                .map(|(_, why)| format!("'{expression}' {why}; move the limit closer to the baseline"));
            expression.likely_typo().or(vacuous)
        };
        let typos = self.requirements.iter().filter_map(each);
        typos.chain(self.within_noise()).chain(self.unreliable_baselines()).collect()
    }

    /// Baselines of runs that failed, had not ended, or were too short for a verdict of their own.
    fn unreliable_baselines(&self) -> Vec<String> {
        if !self.needs_baseline() {
            return Vec::new();
        }
        self.baselines.unreliable(|report| {
            let ended_badly =
                run_verdict(report).map(|(_, why)| format!("{why}; use the report of a successful run"));
            let too_short = || {
                let why = self.too_early(report)?;
                Some(format!(
                    "{why}; use the report of a longer run, or lower --min-iterations or --min-seconds"
                ))
            };
            ended_badly.or_else(too_short)
        })
    }

    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// The differences of the run from its baselines.
    fn differences(&self, report: &Report) -> Vec<String> {
        if self.needs_baseline() { self.baselines.differences(report) } else { Vec::new() }
    }

    fn needs_baseline(&self) -> bool {
        self.requirements.iter().any(|requirement| requirement.expression.limit.needs_baseline())
    }

    /// Warnings about limits that are closer to the baseline than its runs are to each other.
    fn within_noise(&self) -> impl Iterator<Item = String> {
        self.requirements.iter().filter_map(|Requirement { expression, .. }| {
            let (limit, baseline) = self.limit(expression).ok()?;
            let (median, spread) = (baseline?.median, baseline?.spread_ratio?);
            let percent = 100.0 * spread;
            let within = (limit - median).abs() < spread * median.abs();
            within.then(|| {
                format!(
                    "'{expression}' may fail by chance: its limit is within the baselines' spread of \
                     ±{percent:.1} %; allow two or three times that"
                )
            })
        })
    }

    /// Writes the verdict on a report into it.
    pub fn apply(&self, report: &mut Report) {
        report.warnings.extend(self.differences(report));
        report.warnings.extend(self.warnings());
        report.gate = Some(self.judge(report));
    }

    /// The verdict on a report.
    pub fn judge(&self, report: &Report) -> Gate {
        let too_early = self.too_early(report);
        let judge = |requirement| self.judge_one(requirement, report, too_early.as_deref());
        let results: Vec<GateResult> = self.requirements.iter().map(judge).collect();
        let any = |verdict| {
            results.iter().any(|result| result.level == Level::Require && result.verdict == verdict)
        };
        let run = run_verdict(report);
        let run_is = |verdict| run.as_ref().is_some_and(|(run_verdict, _)| *run_verdict == verdict);
        let verdict = match () {
            () if any(Verdict::Fail) || run_is(Verdict::Fail) => Verdict::Fail,
            () if (any(Verdict::NoData) || run_is(Verdict::NoData)) && !self.allow_no_data => Verdict::NoData,
            () => Verdict::Pass,
        };
        Gate { verdict, reason: run.map(|(_, reason)| reason), results }
    }

    /// Why the run is too short for a verdict, if it is.
    fn too_early(&self, report: &Report) -> Option<String> {
        let iterations = &report.iterations;
        let (counted, least) = (iterations.count, self.minimum.iterations);
        if counted < least && counted + iterations.warmup > 0 {
            return Some(format!("only {counted} of {least} iterations"));
        }
        let seconds = match report.window {
            Window::Train => iterations.seconds,
            Window::Generate | Window::Run => report.command.wall_seconds,
        };
        let (seconds, least) = (seconds.unwrap_or(0.0), self.minimum.seconds);
        (seconds < least).then(|| format!("only {} of {}", show_duration(seconds), show_duration(least)))
    }

    fn judge_one(&self, requirement: &Requirement, report: &Report, too_early: Option<&str>) -> GateResult {
        let expression = &requirement.expression;
        let metric = expression.metric;
        let actual = report.metrics.get(metric).filter(|actual| actual.is_finite());
        let limit = self.limit(expression);
        let judged = match (too_early, &limit, actual) {
            (_, _, None) => Err(report
                .unavailable
                .get(metric.name)
                .map_or("its value is unknown", String::as_str)
                .to_owned()),
            (Some(why), ..) => Err(why.to_owned()),
            (_, Err(why), _) => Err(why.clone()),
            (None, Ok((limit, _)), Some(actual)) => Ok((*limit, actual)),
        };
        let verdict = match judged {
            Err(_) => Verdict::NoData,
            Ok((limit, actual)) if expression.comparison.holds(actual, limit) => Verdict::Pass,
            Ok(_) => Verdict::Fail,
        };
        let (expected, baseline) = limit.ok().unzip();
        GateResult {
            expression: expression.to_string(),
            level: requirement.level,
            metric: metric.name.to_owned(),
            expected,
            actual,
            unit: metric.unit.to_owned(),
            margin_ratio: judged
                .as_ref()
                .ok()
                .and_then(|(limit, actual)| expression.comparison.margin(*actual, *limit)),
            baseline: baseline.flatten(),
            verdict,
            reason: judged.err(),
        }
    }

    /// The number that an expression compares with, and the baseline that it comes from.
    fn limit(&self, expression: &Expression) -> Result<(f64, Option<Baseline>), String> {
        match &expression.limit {
            Limit::Quantity(quantity) => Ok((quantity.value(), None)),
            Limit::Baseline(change) => {
                let baseline = self.baselines.of(expression.metric)?;
                Ok((change.apply(baseline.median), Some(baseline)))
            }
        }
    }
}

/// The verdict on a run whatever its metrics are, and why: a command that failed has not met its
/// requirements, and of one that runs they are not known yet.
fn run_verdict(report: &Report) -> Option<(Verdict, String)> {
    let verdict = match (&report.command.exit, report.status) {
        (Some(Exit::Code(0)), _) => return None,
        (Some(_), _) => Verdict::Fail,
        (None, _) => Verdict::NoData,
    };
    report.ending().map(|ending| (verdict, format!("command {ending}")))
}

#[cfg(test)]
pub mod tests;
