//! The requirements on a run, and the verdict on a report by them.

use super::baseline::Baselines;
use super::expression::{ConstantOutcome, Expression, Limit};
use crate::error::Error;
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
/// Iterations are asked for where the log has any; a run whose log has none is judged as the whole
/// that it is. Seconds are those of the counted iterations, or of the whole run without any.
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

    fn can_be_met(&self, expression: &Expression) -> Result<(), Error> {
        match (self.limit(expression), self.constant_outcome(expression)) {
            (Err(why), _) if !self.allow_no_data => Err(Error::usage(format!(
                "'{expression}' cannot be evaluated: {why}"
            ))
            .hint("set --baseline REPORT, or the key baseline of [gate], to the report of an earlier run")),
            (_, Some((ConstantOutcome::NeverHolds, why))) => {
                Err(Error::usage(format!("'{expression}' {why}"))
                    .hint("relax the limit, or choose another --baseline"))
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
pub mod tests {
    use super::*;
    use crate::error::Location;
    use crate::report::Status;
    use crate::report::samples::counted as report;

    /// A policy of requirements alone.
    pub fn requiring(expressions: &[&str]) -> Policy {
        policy(expressions, Baselines::default(), false).unwrap()
    }

    fn policy(expressions: &[&str], baselines: Baselines, allow_no_data: bool) -> Result<Policy, Error> {
        let requirement = |text: &&str| {
            let (level, text) = match text.strip_prefix("warn ") {
                Some(text) => (Level::Warn, text),
                None => (Level::Require, *text),
            };
            Requirement { level, expression: text.parse().unwrap() }
        };
        let requirements = expressions.iter().map(requirement).collect();
        Policy::new(requirements, baselines, Minimum::default(), allow_no_data)
    }

    #[test]
    fn a_gate_is_as_good_as_its_worst_requirement() {
        use Verdict::{Fail, NoData, Pass};
        let mut report = report(100);
        report.metrics.al_seconds = Some(1.0);
        for (expressions, allow_no_data, verdict, results) in [
            (&["al <= 1 s"][..], false, Pass, &[Pass][..]),
            (&["al < 1 s"], false, Fail, &[Fail]),
            (&["al < 2 s", "al > 2 s"], false, Fail, &[Pass, Fail]),
            (&["al < 2 s", "warn al > 2 s"], false, Pass, &[Pass, Fail]),
            (&["warn pcu > 0.5"], false, Pass, &[NoData]),
            (&["al < 2 s", "pcu > 0.5"], false, NoData, &[Pass, NoData]),
            (&["al < 2 s", "pcu > 0.5"], true, Pass, &[Pass, NoData]),
            (&["al > 2 s", "pcu > 0.5"], true, Fail, &[Fail, NoData]),
            (&["al > 2 s", "pcu > 0.5"], false, Fail, &[Fail, NoData]),
        ] {
            let gate = policy(expressions, Baselines::default(), allow_no_data).unwrap().judge(&report);
            assert_eq!(gate.verdict, verdict, "{expressions:?}");
            let each: Vec<Verdict> = gate.results.iter().map(|result| result.verdict).collect();
            assert_eq!(each, results, "{expressions:?}");
        }
    }

    #[test]
    fn before_the_minimum_there_is_no_verdict() {
        let judge = |report: &Report, minimum| {
            let mut policy = requiring(&["al <= 1.5 s"]);
            policy.minimum = minimum;
            let gate = policy.judge(report);
            (gate.verdict, gate.results[0].reason.clone())
        };
        let mut few = report(4);
        few.metrics.al_seconds = Some(1.0);
        let none = |why: &str| (Verdict::NoData, Some(why.to_owned()));
        assert_eq!(judge(&few, Minimum::default()), none("only 4 of 10 iterations"));
        assert_eq!(judge(&few, Minimum { iterations: 4, seconds: 0.0 }), (Verdict::Pass, None));
        assert_eq!(judge(&few, Minimum { iterations: 1, seconds: 90.0 }), none("only 4.0 s of 1m 30s"));
        // The warm-up took all iterations: there will be some, so it is too early.
        let mut warming = report(0);
        warming.iterations.warmup = 3;
        warming.metrics.al_seconds = Some(1.0);
        assert_eq!(judge(&warming, Minimum::default()), none("only 0 of 10 iterations"));
        // A log without iterations will never have ten.
        let mut whole = report(0);
        whole.metrics.al_seconds = Some(1.0);
        assert_eq!(judge(&whole, Minimum::default()), (Verdict::Pass, None));
        whole.command.wall_seconds = Some(5.0);
        assert_eq!(judge(&whole, Minimum { iterations: 10, seconds: 8.0 }), none("only 5.0 s of 8.0 s"));
    }

    #[test]
    fn a_run_that_failed_does_not_pass_nor_does_one_that_goes_on() {
        let mut report = report(100);
        report.metrics.al_seconds = Some(1.0);
        let judge = |report: &Report, expression, allow_no_data| {
            let gate = policy(&[expression], Baselines::default(), allow_no_data).unwrap().judge(report);
            (gate.verdict, gate.reason)
        };
        for (status, exit, verdict, reason) in [
            (Status::Completed, Some(Exit::Code(0)), Verdict::Pass, None),
            (Status::Completed, None, Verdict::Pass, None),
            (Status::Interrupted, None, Verdict::Pass, None),
            (Status::Completed, Some(Exit::Code(3)), Verdict::Fail, Some("command exit 3")),
            (
                Status::Interrupted,
                Some(Exit::Signal("SIGKILL".into())),
                Verdict::Fail,
                Some("command killed by SIGKILL"),
            ),
            (Status::Running, None, Verdict::NoData, Some("command still running")),
        ] {
            (report.status, report.command.exit) = (status, exit);
            let reason = reason.map(str::to_owned);
            assert_eq!(judge(&report, "al < 2 s", false), (verdict, reason.clone()));
            assert_eq!(judge(&report, "al < 1 s", false), (Verdict::Fail, reason));
        }
        assert_eq!(judge(&report, "al < 2 s", true).0, Verdict::Pass, "what is not known yet may be missing");
    }

    #[test]
    fn what_is_not_known_is_told_with_its_reason() {
        let mut report = report(100);
        report.unavailable.insert("it_tokens_per_sec".into(), "no generated tokens in this log".into());
        let result = requiring(&["it >= 10"]).judge(&report).results.remove(0);
        assert_eq!(result.reason.as_deref(), Some("no generated tokens in this log"));
        assert_eq!((result.expected, result.actual, result.margin_ratio), (Some(10.0), None, None));
    }

    #[test]
    fn a_result_holds_the_limit_and_the_margin() {
        let mut report = report(100);
        report.metrics.al_seconds = Some(1.412);
        let mut earlier = report.clone();
        earlier.metrics.al_seconds = Some(1.231);
        let baselines = Baselines::new(vec![("b.json".into(), earlier)]);
        let gate = policy(&["al <= baseline * 1.02"], baselines, false).unwrap().judge(&report);
        let result = &gate.results[0];
        assert_eq!(result.expected, Some(1.231 * 1.02));
        assert!((result.margin_ratio.unwrap() + 0.12454).abs() < 1e-4);
        assert_eq!(result.baseline, Some(Baseline { median: 1.231, runs: 1, spread_ratio: None }));
    }

    #[test]
    fn a_limit_within_the_noise_is_told() {
        let baseline = |al| {
            let mut report = report(100);
            report.metrics.al_seconds = Some(al);
            ("b.json".to_owned(), report)
        };
        let warned = |expression, times: &[f64]| {
            let baselines = Baselines::new(times.iter().copied().map(baseline).collect());
            let mut report = report(100);
            policy(&[expression], baselines, false).unwrap().apply(&mut report);
            report.warnings
        };
        assert_eq!(
            warned("al <= baseline * 1.05", &[0.9, 1.0, 1.1]),
            [
                "'al <= baseline * 1.05' may fail by chance: its limit is within the baselines' spread of ±10.0 %; \
              allow two or three times that"
            ]
        );
        for quiet in ["al <= baseline * 1.15", "al < 1 s"] {
            assert_eq!(warned(quiet, &[0.9, 1.0, 1.1]), Vec::<String>::new(), "{quiet}");
        }
        assert_eq!(
            warned("al <= baseline", &[1.0]),
            Vec::<String>::new(),
            "of one run the spread is not known"
        );
    }

    #[test]
    fn a_baseline_that_is_no_measure_is_told_and_a_failed_run_blames_none() {
        let run = |iterations, status, exit| {
            let mut report = report(iterations);
            (report.metrics.al_seconds, report.status, report.command.exit) = (Some(1.0), status, exit);
            report
        };
        let warned = |expression, baseline: &Report, judged: &Report| {
            let baselines = Baselines::new(vec![("b.json".to_owned(), baseline.clone())]);
            let mut judged = judged.clone();
            policy(&[expression], baselines, false).unwrap().apply(&mut judged);
            judged.warnings
        };
        let done = |iterations| run(iterations, Status::Completed, Some(Exit::Code(0)));
        let ended = run(100, Status::Interrupted, Some(Exit::Signal("SIGTERM".into())));
        let none = Vec::<String>::new();
        assert_eq!(warned("al <= baseline", &done(100), &ended), none, "its own verdict speaks of that");
        for (baseline, why) in [
            (done(4), "only 4 of 10 iterations; use the report of a longer run, or lower --min-iterations"),
            (run(100, Status::Running, None), "command still running; use the report of a successful run"),
            (ended, "command killed by SIGTERM; use the report of a successful run"),
        ] {
            let warnings = warned("al <= baseline", &baseline, &done(100));
            let start = format!("the baseline b.json may be unreliable: {why}");
            assert!(warnings.len() == 1 && warnings[0].starts_with(&start), "{warnings:?}");
            assert_eq!(warned("al < 2 s", &baseline, &done(100)), none);
        }
    }

    #[test]
    fn what_a_baseline_makes_certain_is_told() {
        let baseline = |pcu| {
            let mut report = report(100);
            (report.metrics.pcu_ratio, report.metrics.al_seconds) = (Some(pcu), Some(2.0));
            Baselines::new(vec![("b.json".to_owned(), report)])
        };
        let with = |expression, pcu| policy(&[expression], baseline(pcu), false);
        let never = with("pcu >= baseline * 1.1", 0.95).unwrap_err();
        insta::assert_snapshot!(never.to_string(), @r"
        effllm: error: --require: 'pcu >= baseline * 1.1' can never hold: pcu is never above 1, and its limit is 1.045
          relax the limit, or choose another --baseline
        ");
        assert_eq!(never.location, Some(Location::Flag("require".to_owned())));
        assert_eq!(
            with("warn al < baseline - 2 s", 0.5).unwrap_err().location,
            Some(Location::Flag("warn".to_owned()))
        );
        assert!(with("pcu >= baseline * 1.1", 0.5).unwrap().warnings().is_empty());
        assert!(with("pcu >= baseline", 1.0001).unwrap().warnings().is_empty(), "it has been so");
        assert_eq!(
            with("pcu <= baseline * 1.1", 0.95).unwrap().warnings(),
            ["'pcu <= baseline * 1.1' can never fail: pcu is never above 1, and its limit is 1.045; move \
              the limit closer to the baseline"]
        );
    }

    #[test]
    fn what_looks_like_a_slip_is_told_in_the_report() {
        let mut report = report(100);
        requiring(&["pcu >= 0.85 %"]).apply(&mut report);
        assert_eq!(report.warnings, ["'pcu >= 0.85 %': 0.85 % is 0.0085; did you mean 85 %?"]);
    }

    #[test]
    fn what_can_never_be_judged_is_an_error_at_once() {
        let error = |baselines| policy(&["pcu >= baseline"], baselines, false).unwrap_err().to_string();
        let without = error(Baselines::default());
        let lacking = error(Baselines::new(vec![("b.json".into(), report(100))]));
        insta::assert_snapshot!(format!("{without}\n\n{lacking}"));
        assert!(policy(&["pcu >= baseline"], Baselines::default(), true).is_ok());
    }
}
