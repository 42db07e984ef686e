//! The requirements on a run, and the verdict on a report by them.

use super::baseline::baseline;
use super::expression::{Expression, Limit};
use crate::compare::differences;
use crate::error::Error;
use crate::metrics::Metric;
use crate::report::gate::{Baseline, Gate, GateResult, Level, Verdict};
use crate::report::{Exit, NamedReport, Report, Window};
use crate::text::units::{show_duration, with_unit};

/// The requirements on a report with their baselines.
#[derive(Debug, Clone)]
pub struct Policy {
    pub require: Vec<Expression>,
    pub warn: Vec<Expression>,
    /// Reports of earlier runs, by the names of their files.
    pub baselines: Vec<NamedReport>,
    /// The least that a run must have measured before its averages mean anything.
    ///
    /// Iterations are required where the log has any; a run whose log has none is judged as a whole.
    pub min_iterations: u64,
    /// Of the counted iterations, or of the whole run without any.
    pub min_seconds: f64,
    pub allow_no_data: bool,
}

impl Policy {
    /// All expressions, in the order of the results.
    pub fn expressions(&self) -> impl Iterator<Item = (Level, &Expression)> {
        let required = self.require.iter().map(|expression| (Level::Require, expression));
        required.chain(self.warn.iter().map(|expression| (Level::Warn, expression)))
    }

    /// Finds what can never be judged before a command has run for days.
    ///
    /// # Errors
    /// With its baseline, an expression can never hold. Or, unless no data is allowed, an expression needs
    /// a baseline and there is none with its metric, or a requirement needs a metric that is never known.
    pub fn check(&self, never_known: impl Fn(&Metric) -> Option<String>) -> Result<(), Error> {
        self.expressions().try_for_each(|(level, expression)| {
            let key = if level == Level::Require { "require" } else { "warn" };
            let error = |why: &str, help: &str| {
                Err(Error::usage(format!("'{expression}' {why}")).of_flag(key).help(help))
            };
            let needs_data = !self.allow_no_data;
            if let (Err(why), true) = (self.limit(expression), needs_data) {
                let help =
                    "set --baseline REPORT, or the key baseline of [gate], to the report of an earlier run";
                return error(&format!("cannot be evaluated: {why}"), help);
            }
            if let Some((false, why)) = self.constant_outcome(expression) {
                return error(&why, "relax the limit, or choose another --baseline");
            }
            match never_known(expression.metric).filter(|_| needs_data && level == Level::Require) {
                Some(why) => error(
                    &format!("cannot be evaluated: {why}"),
                    "drop it, or pass --allow-no-data to let it pass without a value",
                ),
                None => Ok(()),
            }
        })
    }

    /// Whether an expression holds with its baseline, and why, if that is certain.
    fn constant_outcome(&self, expression: &Expression) -> Option<(bool, String)> {
        let (limit, baseline) = self.limit(expression).ok()?;
        // A baseline beyond the metric's range shows that errors of measurement lead there.
        let is_possible = baseline.is_none_or(|baseline| expression.metric_can_be(baseline.median));
        let (holds, why) = expression.constant_outcome(limit).filter(|_| is_possible)?;
        Some((holds, format!("{why}, and its limit is {}", with_unit(limit, expression.metric.unit))))
    }

    /// Warnings about requirements that are likely not meant, and about their baselines.
    pub fn warnings(&self) -> Vec<String> {
        let vacuous = |expression: &Expression| {
            let (_, why) = self.constant_outcome(expression)?;
            Some(format!("'{expression}' {why}; move the limit closer to the baseline"))
        };
        let unlikely =
            |(_, expression): (_, &Expression)| expression.likely_typo().or_else(|| vacuous(expression));
        let typos = self.expressions().filter_map(unlikely);
        let noisy = self.expressions().filter_map(|(_, expression)| self.within_noise(expression));
        typos.chain(noisy).chain(self.unreliable_baselines()).collect()
    }

    /// A warning for each baseline of a run that failed, had not ended, or was too short for a verdict of
    /// its own.
    fn unreliable_baselines(&self) -> impl Iterator<Item = String> {
        self.compared().filter_map(|(name, report)| {
            let why = match (run_verdict(report), self.too_early(report)) {
                (Some((_, why)), _) => format!("{why}; use the report of a successful run"),
                (None, Some(why)) => {
                    format!(
                        "{why}; use the report of a longer run, or lower --min-iterations or --min-seconds"
                    )
                }
                (None, None) => return None,
            };
            Some(format!("the baseline {name} may be unreliable: {why}"))
        })
    }

    /// The differences of a run from its baselines, but for the metrics and how the run ended, which the
    /// verdict covers.
    fn differences(&self, report: &Report) -> Vec<String> {
        let differences = |(name, baseline): &NamedReport| {
            let differences = differences(&[baseline, report]).join(", ");
            (!differences.is_empty()).then(|| {
                format!("the run differs from the baseline {name} in: {differences}; use a baseline of an equal run")
            })
        };
        self.compared().filter_map(differences).collect()
    }

    /// The baselines, if an expression needs them.
    fn compared(&self) -> impl Iterator<Item = &NamedReport> {
        let is_needed = self.expressions().any(|(_, expression)| expression.limit.needs_baseline());
        self.baselines.iter().filter(move |_| is_needed)
    }

    /// The warning about a limit that is closer to the baseline than its runs are to each other.
    fn within_noise(&self, expression: &Expression) -> Option<String> {
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
        let judge = |(level, expression)| self.judge_one(level, expression, report, too_early.as_deref());
        let results: Vec<GateResult> = self.expressions().map(judge).collect();
        let (run, reason) = run_verdict(report).unzip();
        let required = results.iter().filter(|result| result.level == Level::Require);
        let verdicts: Vec<_> = required.map(|result| result.verdict).chain(run).collect();
        let verdict = match () {
            () if verdicts.contains(&Verdict::Fail) => Verdict::Fail,
            () if verdicts.contains(&Verdict::NoData) && !self.allow_no_data => Verdict::NoData,
            () => Verdict::Pass,
        };
        Gate { verdict, reason, results }
    }

    /// Why the run is too short for a verdict, if it is.
    fn too_early(&self, report: &Report) -> Option<String> {
        let iterations = &report.iterations;
        let (counted, least) = (iterations.count, self.min_iterations);
        if counted < least && counted + iterations.warmup > 0 {
            return Some(format!("only {counted} of {least} iterations"));
        }
        let seconds = match report.window {
            Window::Train => iterations.seconds,
            Window::Generate | Window::Run => report.command.wall_seconds,
        };
        let (seconds, least) = (seconds.unwrap_or(0.0), self.min_seconds);
        (seconds < least).then(|| format!("only {} of {}", show_duration(seconds), show_duration(least)))
    }

    fn judge_one(
        &self,
        level: Level,
        expression: &Expression,
        report: &Report,
        too_early: Option<&str>,
    ) -> GateResult {
        let (metric, comparison) = (expression.metric, expression.comparison);
        let actual = report.metrics.get(metric).filter(|actual| actual.is_finite());
        let limit = self.limit(expression);
        let unavailable = report.unavailable.get(metric.name);
        let judged = match (too_early, &limit, actual) {
            (_, _, None) => Err(unavailable.map_or("its value is unknown", String::as_str)),
            (Some(why), ..) => Err(why),
            (_, Err(why), _) => Err(why.as_str()),
            (None, Ok((limit, _)), Some(actual)) => Ok((actual, *limit)),
        };
        let (verdict, margin_ratio) = match judged {
            Err(_) => (Verdict::NoData, None),
            Ok((actual, limit)) => {
                let holds = comparison.holds(actual, limit);
                (if holds { Verdict::Pass } else { Verdict::Fail }, comparison.margin(actual, limit))
            }
        };
        let reason = judged.err().map(str::to_owned);
        let (expected, baseline) = limit.ok().unzip();
        GateResult {
            expression: expression.to_string(),
            level,
            metric: metric.name.to_owned(),
            expected,
            actual,
            unit: metric.unit.to_owned(),
            margin_ratio,
            baseline: baseline.flatten(),
            verdict,
            reason,
        }
    }

    /// The number that an expression compares with, and the baseline that it comes from.
    fn limit(&self, expression: &Expression) -> Result<(f64, Option<Baseline>), String> {
        if let Limit::Number(number) = expression.limit {
            return Ok((number, None));
        }
        let baseline = baseline(&self.baselines, expression.metric)?;
        Ok((expression.limit.of(baseline.median), Some(baseline)))
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
