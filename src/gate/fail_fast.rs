//! Whether a run that has not ended can still pass.

use std::time::Duration;

use super::policy::Policy;
use crate::metrics::registry::{MeanOver, Metric};
use crate::report::Report;
use crate::report::Window;
use crate::report::gate::Verdict;
use crate::text::units::show_duration;

/// Stretches that the patience is divided into.
const STRETCHES: u32 = 3;

/// Watches for a breach that lasts.
///
/// After the policy's minimum of iterations, a requirement cannot be met any more once every check for
/// [`patience`](Self::new) has found it in breach, and so was each third of that time by itself. The
/// latter spares a run that recovers from a slow start or a pause, which weigh on its averages for long.
/// A third lasts until it has a progress record: a run is not ended by fewer than three.
#[derive(Debug)]
pub struct FailFast {
    policy: Policy,
    patience: Duration,
    breaches: Vec<Option<Breach>>,
}

/// A requirement's breach that lasts.
#[derive(Debug, Clone, Copy)]
struct Breach {
    since: f64,
    /// Stretches that were in breach by themselves.
    stretches: u32,
    /// The start of the present stretch.
    start: Observation,
}

/// One metric at one check.
#[derive(Debug, Clone, Copy)]
struct Observation {
    at: f64,
    records: u64,
    value: f64,
    /// The weight of the value in a later average over the whole.
    weight: Option<f64>,
}

impl FailFast {
    pub fn new(policy: Policy, patience: Duration) -> Self {
        let breaches = vec![None; policy.require.len()];
        Self { policy, patience, breaches }
    }

    /// Checks the run so far, at a moment in seconds. Answers why it cannot pass any more, if it cannot.
    pub fn check(&mut self, at: f64, report: &Report) -> Option<String> {
        if report.window != Window::Train {
            return None; // start-up has no training to judge
        }
        let gate = self.policy.judge(report);
        let stretch = (self.patience / STRETCHES).as_secs_f64();
        let requirements = self.policy.require.iter().zip(gate.results).zip(&mut self.breaches);
        for ((requirement, result), breach) in requirements {
            let (Verdict::Fail, Some(value), Some(limit)) = (result.verdict, result.actual, result.expected)
            else {
                *breach = None;
                continue;
            };
            let metric = requirement.metric;
            let now = Observation { at, records: report.log.records, value, weight: weight(metric, report) };
            let seen_now = Breach { since: at, stretches: 0, start: now };
            let going_on = breach.get_or_insert(seen_now);
            let start = going_on.start;
            if at - start.at < stretch || now.records == start.records {
                continue;
            }
            if requirement.comparison.holds(between(start, now), limit) {
                *going_on = seen_now; // the run recovers
                continue;
            }
            *going_on = Breach { stretches: going_on.stretches + 1, start: now, ..*going_on };
            if going_on.stretches == STRETCHES {
                let lasted = show_duration(at - going_on.since);
                return Some(format!("'{}' was not met for {lasted}", result.expression));
            }
        }
        None
    }
}

/// The metric over the time between two checks alone.
fn between(first: Observation, now: Observation) -> f64 {
    match (first.weight, now.weight) {
        (Some(before), Some(after)) if after > before => {
            (now.value * after - first.value * before) / (after - before)
        }
        _ => now.value,
    }
}

/// The weight of a mean so far; `None` for a percentile, a peak or a total, which is judged as it is.
fn weight(metric: &Metric, report: &Report) -> Option<f64> {
    match metric.mean_over {
        MeanOver::Iterations => Some(report.iterations.count as f64),
        MeanOver::Time => report.iterations.seconds,
        MeanOver::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::policy::tests::requiring;
    use crate::report::samples::counted as report;

    /// A run whose iterations take these times, looked at after each; the time at which it is ended.
    fn ended(expression: &str, times: &[f64]) -> Option<f64> {
        let mut watch = FailFast::new(requiring(&[expression]), Duration::from_secs(30));
        let mut seconds = 0.0;
        times.iter().zip(1..).find_map(|(time, count)| {
            seconds += time;
            let mut report = report(count);
            report.log.records = count;
            report.iterations.seconds = Some(seconds);
            report.metrics.al_seconds = Some(seconds / count as f64);
            report.metrics.tokens_per_sec = Some(100.0 * count as f64 / seconds);
            watch.check(seconds, &report).map(|_| seconds)
        })
    }

    #[test]
    fn a_breach_that_lasts_ends_the_run() {
        // Ten iterations make the minimum, then thirty seconds.
        assert_eq!(ended("al < 1.5 s", &[2.0; 100]), Some(20.0 + 30.0));
        assert_eq!(ended("tokens_per_sec > 60", &[2.0; 100]), Some(20.0 + 30.0));
        // Slow iterations: three records take longer than thirty seconds.
        assert_eq!(ended("al < 1.5 s", &[40.0; 100]), Some(400.0 + 120.0));
    }

    #[test]
    fn a_run_that_may_pass_is_left_alone() {
        let good = [1.0; 1000];
        let slow_start = |seconds| [&[seconds], &good[..]].concat();
        let slow_middle = [&good[..20], &[8.0, 8.0], &good[..]].concat();
        for (what, times) in [
            ("it passes", good.to_vec()),
            ("compiling weighs on the average for minutes", slow_start(120.0)),
            ("a pause", slow_middle),
            ("before the minimum", vec![60.0; 9]),
        ] {
            assert_eq!(ended("al < 1.2 s", &times), None, "{what}");
            assert_eq!(ended("tokens_per_sec > 90", &times), None, "{what}");
        }
    }

    #[test]
    fn a_run_that_recovers_and_falls_back_is_ended() {
        let times = [&[120.0][..], &[1.0; 100], &[2.0; 100]].concat();
        let end = ended("al < 1.2 s", &times).unwrap();
        assert!(end > 220.0, "not while it recovers: {end}");
    }

    #[test]
    fn warnings_missing_data_and_start_up_end_nothing() {
        for iterations in [0, 100] {
            let mut watch = FailFast::new(requiring(&["pcu > 0.5", "it > 1"]), Duration::ZERO);
            let mut report = report(iterations);
            report.metrics.pcu_ratio = (iterations == 0).then_some(0.0); // nothing runs yet
            for at in 0..100 {
                report.log.records = at;
                assert_eq!(watch.check(at as f64, &report), None);
            }
        }
    }
}
