//! Reports side by side: what changed, whether for the better, and whether by more than chance.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rank_test::{RankTest, mann_whitney_u_of_series};
use crate::model::Report;
use crate::model::metric::{Better, METRICS, Metric};
use crate::model::report::{Exit, Model, Sourced, Window};
use crate::model::units::show;

/// Several reports, each compared with the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The reports by name.
    pub reports: Vec<String>,
    /// Those metrics that at least one report has.
    pub metrics: Vec<Row>,
    /// In what the runs differ besides their metrics, as in `global batch size 32 vs 64`.
    pub not_alike: Vec<String>,
}

/// One metric of all reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub name: &'static str,
    pub unit: &'static str,
    pub better: Better,
    /// In the order of the reports.
    pub values: Vec<Option<f64>>,
    /// Of each report after the first; null where either value is.
    pub changes: Vec<Option<Change>>,
}

/// A metric's change from the first report to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The difference over the first value; null for a first value of 0.
    pub ratio: Option<f64>,
    pub direction: Direction,
    /// Null where the metric does not follow from the times of single iterations.
    pub rank_test: Option<IterationTest>,
}

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Better,
    Worse,
    Same,
    /// There is a change, but it may be chance: the iterations differ among themselves too much, or
    /// it is smaller than runs of the same job differ by.
    Undecided,
}

/// The times of two runs' iterations, compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct IterationTest {
    #[serde(flatten)]
    pub test: RankTest,
    /// How many times of either run were compared.
    pub counts: [usize; 2],
}

/// Below this probability a difference is not put down to chance. A comparison is of many metrics and
/// often of many runs: at 0.05 one of twenty would mislead.
const SIGNIFICANT: f64 = 0.01;

/// A change smaller than this, of a metric that no test speaks for, is not told from chance.
const NEGLIGIBLE: f64 = 0.01;

/// Not even the second decimal of a percentage shows a change smaller than this.
const EQUAL: f64 = 5e-5;

/// Compares each report with the first.
pub fn compare(reports: &[(String, Report)]) -> Comparison {
    let all: Vec<&Report> = reports.iter().map(|(_, report)| report).collect();
    let (first, others) = match all.split_first() {
        Some((first, others)) => (*first, others),
        None => return Comparison { reports: Vec::new(), metrics: Vec::new(), not_alike: Vec::new() },
    };
    let tests: Vec<Option<IterationTest>> = others.iter().map(|other| iteration_test(first, other)).collect();
    let row = |metric: &'static Metric| {
        let change = |(other, test): (&&Report, &Option<IterationTest>)| {
            let test = test.filter(|_| follows_from_iteration_time(metric, first, other));
            Some(change(metric, first.metrics.get(metric)?, other.metrics.get(metric)?, test))
        };
        Row {
            name: metric.name,
            unit: metric.unit,
            better: metric.better,
            values: all.iter().map(|report| report.metrics.get(metric)).collect(),
            changes: others.iter().zip(&tests).map(change).collect(),
        }
    };
    Comparison {
        reports: reports.iter().map(|(name, _)| name.clone()).collect(),
        metrics: METRICS.iter().map(row).filter(|row| row.values.iter().any(Option::is_some)).collect(),
        not_alike: not_alike(&all),
    }
}

fn change(metric: &Metric, before: f64, after: f64, rank_test: Option<IterationTest>) -> Change {
    let ratio = (after - before) / before.abs();
    let by_chance = match rank_test {
        Some(test) => test.test.p >= SIGNIFICANT,
        None => ratio.abs() < NEGLIGIBLE,
    };
    let direction = match () {
        () if after == before || ratio.abs() < EQUAL => Direction::Same,
        () if by_chance => Direction::Undecided,
        () if (after < before) == (metric.better == Better::Lower) => Direction::Better,
        () => Direction::Worse,
    };
    Change { ratio: ratio.is_finite().then_some(ratio), direction, rank_test }
}

/// Whether a test of iteration times speaks for a metric: the mean time, and the rates that it makes
/// with the same work in each iteration.
fn follows_from_iteration_time(metric: &Metric, a: &Report, b: &Report) -> bool {
    match metric.name {
        "al_seconds" | "al_p50_seconds" => true,
        "tokens_per_sec"
        | "samples_per_sec"
        | "tt_tokens_per_param_per_sec"
        | "st_samples_per_param_per_sec" => {
            let alike = |size: fn(&Model) -> &Sourced| match (size(&a.model).value, size(&b.model).value) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            };
            alike(|model| &model.parameters)
                && alike(|model| &model.sequence_length)
                && alike(|model| &model.global_batch_size)
        }
        _ => false,
    }
}

fn iteration_test(a: &Report, b: &Report) -> Option<IterationTest> {
    let (mut a, mut b) = (Times::of(a), Times::of(b));
    let coarser = a.records_per_point.max(b.records_per_point);
    a.thin(coarser);
    b.thin(coarser);
    let counts = [a.seconds.len(), b.seconds.len()];
    Some(IterationTest { test: mann_whitney_u_of_series(&a.seconds, &b.seconds)?, counts })
}

/// The times of a run's counted iterations, as far as its history kept them.
struct Times {
    seconds: Vec<f64>,
    /// A power of two: as a history grows its points are merged in pairs.
    records_per_point: u64,
}

impl Times {
    fn of(report: &Report) -> Self {
        let series = &report.series.iterations;
        let first = report.iterations.first.map_or(f64::NEG_INFINITY, |first| first as f64);
        let counted = |iteration: Option<f64>| iteration.is_none_or(|iteration| iteration >= first);
        let points = series.iteration.iter().zip(&series.latency_seconds);
        let seconds =
            points.filter(|(iteration, _)| counted(**iteration)).filter_map(|(_, seconds)| *seconds);
        Self {
            seconds: seconds.filter(|seconds| seconds.is_finite()).collect(),
            records_per_point: series.records_per_point.max(1),
        }
    }

    /// Merges points as the history does, each into the highest of them, so that like is compared
    /// with like: the highest of four times is no match for a single one.
    fn thin(&mut self, records_per_point: u64) {
        let merged = usize::try_from(records_per_point / self.records_per_point).unwrap_or(usize::MAX).max(1);
        let highest = |points: &[f64]| points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.seconds = self.seconds.chunks(merged).map(highest).collect();
        self.records_per_point = records_per_point;
    }
}

/// In what runs differ besides their metrics: what makes a comparison one of two things at once.
/// What is not known of one of them is no difference.
pub fn not_alike(reports: &[&Report]) -> Vec<String> {
    let number =
        |value: Option<f64>| value.map(|value| if value < 1e6 { value.to_string() } else { show(value) });
    let whole = |value: Option<u64>| value.map(|value| value.to_string());
    type Property<'a> = (&'a str, &'a dyn Fn(&Report) -> Option<String>);
    let properties: [Property<'_>; 9] = [
        ("exit", &exit),
        ("GPUs", &gpus),
        ("world size", &|report| whole(report.job.world_size)),
        ("sequence length", &|report| number(report.model.sequence_length.value)),
        ("global batch size", &|report| number(report.model.global_batch_size.value)),
        ("parameters", &|report| number(report.model.parameters.value)),
        ("profile", &|report| report.log.profile.clone()),
        ("warm-up", &|report| (report.window == Window::Train).then(|| report.iterations.warmup.to_string())),
        ("window", &|report| {
            Some(if report.window == Window::Train { "training" } else { "whole run" }.to_owned())
        }),
    ];
    let difference = |(name, of): &Property<'_>| {
        let values: Vec<String> = reports.iter().filter_map(|report| of(report)).collect();
        values
            .windows(2)
            .any(|pair| pair.first() != pair.last())
            .then(|| format!("{name} {}", values.join(" vs ")))
    };
    properties.iter().filter_map(difference).collect()
}

/// A run that failed is not like one that did not.
fn exit(report: &Report) -> Option<String> {
    match report.command.exit.as_ref()? {
        Exit::Code(code) => Some(code.to_string()),
        Exit::Signal(signal) => Some(signal.clone()),
    }
}

/// `8 × NVIDIA H100 80GB HBM3`.
fn gpus(report: &Report) -> Option<String> {
    let mut models = BTreeMap::<&str, usize>::new();
    for gpu in &report.gpus {
        *models.entry(gpu.name.as_deref()?).or_default() += 1;
    }
    let models: Vec<String> = models.iter().map(|(name, n)| format!("{n} × {name}")).collect();
    (!models.is_empty()).then(|| models.join(" + "))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::gate::policy::tests::report;
    use crate::model::report::IterationSeries;

    /// A run whose iterations take these times.
    pub fn run(times: &[f64]) -> Report {
        let mut report = report(times.len() as u64);
        let total: f64 = times.iter().sum();
        report.metrics.al_seconds = Some(total / times.len() as f64);
        report.metrics.tokens_per_sec = Some(times.len() as f64 * 1000.0 / total);
        report.series.iterations = IterationSeries {
            records_per_point: 1,
            iteration: (0..times.len()).map(|i| Some(i as f64 + 1.0)).collect(),
            latency_seconds: times.iter().map(|time| Some(*time)).collect(),
            ..IterationSeries::default()
        };
        report
    }

    /// Times around a mean, by a fixed pattern.
    pub fn noisy(mean: f64, noise: f64, n: u32) -> Vec<f64> {
        (0..n).map(|i| mean + noise * (f64::from(i) * 12.9898).sin()).collect()
    }

    fn compared(a: &Report, b: &Report) -> Comparison {
        compare(&[("a".into(), a.clone()), ("b".into(), b.clone())])
    }

    fn change_of(comparison: &Comparison, name: &str) -> Change {
        let row = comparison.metrics.iter().find(|row| row.name == name).unwrap();
        row.changes[0].unwrap()
    }

    #[test]
    fn faster_is_better_and_so_are_more_tokens() {
        let comparison = compared(&run(&noisy(1.231, 0.01, 500)), &run(&noisy(1.187, 0.01, 500)));
        for (name, ratio) in [("al_seconds", -0.0357), ("tokens_per_sec", 0.0371)] {
            let change = change_of(&comparison, name);
            assert!((change.ratio.unwrap() - ratio).abs() < 1e-3, "{change:?}");
            assert_eq!(change.direction, Direction::Better);
            let test = change.rank_test.unwrap();
            assert!(test.test.p < 0.001 && test.counts == [500, 500]);
        }
    }

    #[test]
    fn a_change_within_the_noise_is_undecided() {
        let (mut a, mut b) = (run(&noisy(1.2, 0.1, 500)), run(&noisy(1.201, 0.1, 490)));
        assert_eq!(change_of(&compared(&a, &b), "al_seconds").direction, Direction::Undecided);
        assert_eq!(change_of(&compared(&a, &b), "tokens_per_sec").direction, Direction::Undecided);
        a.model.global_batch_size.value = Some(32.0);
        // With another batch tokens do not follow from the time, and a test of it says nothing.
        b.model.global_batch_size.value = Some(64.0);
        assert_eq!(change_of(&compared(&a, &b), "tokens_per_sec").rank_test, None);
    }

    #[test]
    fn a_history_that_was_merged_is_compared_with_one_merged_likewise() {
        let times = noisy(1.0, 0.1, 800);
        let mut merged = run(&times);
        let mut points = Times { seconds: times.clone(), records_per_point: 1 };
        points.thin(4);
        merged.series.iterations.records_per_point = 4;
        merged.series.iterations.iteration = vec![None; 200];
        merged.series.iterations.latency_seconds = points.seconds.into_iter().map(Some).collect();
        let test = change_of(&compared(&run(&times), &merged), "al_seconds").rank_test.unwrap();
        assert_eq!(test.counts, [200, 200]);
        assert!(test.test.p > 0.99, "{}", test.test.p);
    }

    #[test]
    fn warm_up_iterations_are_left_out() {
        let mut a = run(&noisy(1.0, 0.1, 100));
        a.iterations.first = Some(51);
        let test = change_of(&compared(&a, &a), "al_seconds").rank_test.unwrap();
        assert_eq!(test.counts, [50, 50]);
    }

    #[test]
    fn runs_that_are_not_alike_are_told() {
        let (mut a, mut b, c) = (report(1), report(1), report(0));
        a.model.global_batch_size.value = Some(32.0);
        b.model.global_batch_size.value = Some(64.0);
        (a.job.world_size, b.job.world_size) = (Some(8), Some(8));
        (a.log.profile, b.log.profile) = (Some("megatron".into()), Some("nemo".into()));
        (a.command.exit, b.command.exit) = (Some(Exit::Code(0)), Some(Exit::Signal("SIGKILL".into())));
        a.model.parameters.value = Some(7.6e9); // what the other does not know is no difference
        assert_eq!(
            not_alike(&[&a, &b]),
            ["exit 0 vs SIGKILL", "global batch size 32 vs 64", "profile megatron vs nemo"]
        );
        assert_eq!(not_alike(&[&a, &a]), Vec::<String>::new());
        assert_eq!(not_alike(&[&a, &c]), ["window training vs whole run"]);
    }

    #[test]
    fn a_change_that_no_decimal_shows_is_none() {
        let (mut a, mut b) = (run(&noisy(1.0, 0.1, 500)), run(&noisy(1.0, 0.1, 500)));
        (a.metrics.aec_watts, b.metrics.aec_watts) = (Some(300.0), Some(299.999));
        (a.metrics.amu_gb, b.metrics.amu_gb) = (Some(70.0), Some(70.1));
        b.metrics.al_seconds = a.metrics.al_seconds.map(|seconds| seconds * (1.0 + 1e-9));
        let comparison = compared(&a, &b);
        for (name, direction) in [
            ("aec_watts", Direction::Same),
            ("al_seconds", Direction::Same),
            ("amu_gb", Direction::Undecided),
        ] {
            assert_eq!(change_of(&comparison, name).direction, direction, "{name}");
        }
    }

    #[test]
    fn values_that_are_missing_or_zero_make_no_ratio() {
        let (mut a, mut b) = (report(1), report(1));
        (a.metrics.pcu_ratio, b.metrics.pcu_ratio) = (Some(0.0), Some(0.5));
        a.metrics.aec_watts = Some(300.0);
        let comparison = compared(&a, &b);
        let change = change_of(&comparison, "pcu_ratio");
        assert_eq!((change.ratio, change.direction), (None, Direction::Better));
        let power = comparison.metrics.iter().find(|row| row.name == "aec_watts").unwrap();
        assert_eq!((&power.values[..], &power.changes[..]), (&[Some(300.0), None][..], &[None][..]));
    }
}
