//! Reports side by side: what changed, and where a test can tell it from chance, whether for the better.

pub mod rank_test;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::registry::{Better, METRICS, Metric, Test};
use crate::report::{Report, Window};
use crate::text::units::show;
use rank_test::{RankTest, mann_whitney_u_of_series};

/// Several reports, each compared with the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The reports by name.
    pub reports: Vec<String>,
    /// Those metrics that at least one report has.
    pub metrics: Vec<Row>,
    /// In what the runs differ besides their metrics, as in `global batch size 32 vs 64`.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Whether any change is of this kind.
    pub fn any(&self, direction: Direction) -> bool {
        let mut changes = self.metrics.iter().flat_map(|row| row.changes.iter().flatten());
        changes.any(|change| change.direction == direction)
    }
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
    /// Null where the times of the iterations do not speak for the metric.
    pub rank_test: Option<IterationTest>,
}

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Better,
    Worse,
    Same,
    /// There is a change, but the iterations differ among themselves so much that it may be chance.
    Undecided,
    /// There is a change, and nothing in the reports that tells it from chance.
    Untested,
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

/// Amounts of work in an iteration that differ by less are the same, printed with few digits.
const SAME_WORK: f64 = 1e-3;

/// Not even the second decimal of a percentage shows a change smaller than this.
const EQUAL: f64 = 5e-5;

/// Compares each report with the first.
pub fn compare(reports: &[(String, Report)]) -> Comparison {
    let all: Vec<&Report> = reports.iter().map(|(_, report)| report).collect();
    let (first, others) = match all.split_first() {
        Some((first, others)) => (*first, others),
        None => return Comparison { reports: Vec::new(), metrics: Vec::new(), differences: Vec::new() },
    };
    let tests: Vec<Option<IterationTest>> = others.iter().map(|other| iteration_test(first, other)).collect();
    let row = |metric: &'static Metric| {
        let change = |(other, test): (&&Report, &Option<IterationTest>)| {
            let test = test.filter(|test| speaks_for(metric, first, other, test));
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
        differences: difference("command", &all, &Report::ending)
            .into_iter()
            .chain(differences(&all))
            .collect(),
    }
}

fn change(metric: &Metric, before: f64, after: f64, rank_test: Option<IterationTest>) -> Change {
    let ratio = (after - before) / before.abs();
    let direction = match rank_test {
        _ if after == before || ratio.abs() < EQUAL => Direction::Same,
        None => Direction::Untested,
        Some(test) if test.test.p >= SIGNIFICANT => Direction::Undecided,
        Some(_) if (after < before) == (metric.better == Better::Lower) => Direction::Better,
        Some(_) => Direction::Worse,
    };
    Change { ratio: ratio.is_finite().then_some(ratio), direction, rank_test }
}

/// Whether a test of iteration times speaks for a metric's change: for the mean and the median time,
/// and for the rates that follow from them where an iteration is the same work in both runs.
///
/// The test is of typical iterations. A mean that a few very slow ones turn the other way is not what
/// it has found.
fn speaks_for(metric: &Metric, a: &Report, b: &Report, test: &IterationTest) -> bool {
    let work = |report: &Report| Some(report.metrics.get(metric)? * report.metrics.al_seconds?);
    let follows = match metric.test {
        Test::IterationTimes => true,
        Test::EqualWork => work(a).zip(work(b)).is_some_and(|(a, b)| (a - b).abs() <= SAME_WORK * a.abs()),
        Test::Untested => false,
    };
    let found_faster = 2.0 * test.test.u > test.counts.iter().map(|count| *count as f64).product();
    let is_less = a.metrics.get(metric) > b.metrics.get(metric);
    let agrees = found_faster == (is_less == (metric.better == Better::Lower));
    follows && (agrees || test.test.p >= SIGNIFICANT)
}

fn iteration_test(a: &Report, b: &Report) -> Option<IterationTest> {
    let (mut a, mut b) = (Times::of(a), Times::of(b));
    if !a.is_like(&b) {
        return None;
    }
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
    /// What the log speaks of at once; unknown where iterations have no numbers.
    iterations_per_record: Option<f64>,
}

impl Times {
    fn of(report: &Report) -> Self {
        let series = &report.series.iterations;
        let first = report.iterations.first.map_or(f64::NEG_INFINITY, |first| first as f64);
        let counted = |iteration: Option<f64>| iteration.is_none_or(|iteration| iteration >= first);
        let records_per_point = series.records_per_point.max(1);
        let points = series.iteration.iter().zip(&series.latency_seconds);
        let seconds =
            points.filter(|(iteration, _)| counted(**iteration)).filter_map(|(_, seconds)| *seconds);
        Self {
            seconds: seconds.filter(|seconds| seconds.is_finite()).collect(),
            records_per_point,
            iterations_per_record: usual_step(&series.iteration).map(|step| step / records_per_point as f64),
        }
    }

    /// Whether a time is that of as many iterations in both: means of ten are distributed otherwise
    /// than single times are.
    fn is_like(&self, other: &Self) -> bool {
        match (self.iterations_per_record, other.iterations_per_record) {
            (Some(a), Some(b)) => a < 1.5 * b && b < 1.5 * a,
            _ => true,
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

/// The median distance between neighbouring iterations, which a restart or a lost line does not move.
fn usual_step(iterations: &[Option<f64>]) -> Option<f64> {
    let pairs = iterations.iter().zip(iterations.iter().skip(1));
    let mut steps: Vec<f64> =
        pairs.filter_map(|(a, b)| Some((*b)? - (*a)?)).filter(|step| *step > 0.0).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied()
}

/// In what runs differ besides their metrics and how they ended: what makes a comparison one of two
/// things at once. What is not known of one of them is no difference.
pub fn differences(reports: &[&Report]) -> Vec<String> {
    let number =
        |value: Option<f64>| value.map(|value| if value < 1e6 { value.to_string() } else { show(value) });
    let whole = |value: Option<u64>| value.map(|value| value.to_string());
    type Property<'a> = (&'a str, &'a dyn Fn(&Report) -> Option<String>);
    let properties: [Property<'_>; 8] = [
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
    properties.iter().filter_map(|(name, of)| difference(name, reports, of)).collect()
}

/// What is not the same in all reports, as in `global batch size 32 vs 64`.
fn difference(name: &str, reports: &[&Report], of: &dyn Fn(&Report) -> Option<String>) -> Option<String> {
    let values: Vec<String> = reports.iter().filter_map(|report| of(report)).collect();
    let differ = values.windows(2).any(|pair| pair.first() != pair.last());
    differ.then(|| format!("{name} {}", values.join(" vs ")))
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
    use crate::report::samples::counted as report;
    use crate::report::{Exit, IterationSeries, Status};

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
        // With more work in an iteration the rate does not follow from its time.
        a.metrics.tokens_per_sec = a.metrics.tokens_per_sec.map(|rate| 1.01 * rate);
        let tokens = change_of(&compared(&a, &b), "tokens_per_sec");
        assert_eq!((tokens.rank_test, tokens.direction), (None, Direction::Untested));
        b.metrics.al_seconds = None;
        assert_eq!(change_of(&compared(&a, &b), "tokens_per_sec").rank_test, None);
    }

    #[test]
    fn what_no_test_speaks_for_is_neither_better_nor_worse() {
        let (mut a, mut b) = (run(&noisy(1.0, 0.01, 500)), run(&noisy(2.0, 0.01, 500)));
        for (metrics, factor) in [(&mut a.metrics, 1.0), (&mut b.metrics, 2.0)] {
            metrics.each_mut().for_each(|(_, value)| *value = value.or(Some(10.0 * factor)));
        }
        let comparison = compared(&a, &b);
        let told = |row: &&Row| row.changes[0].unwrap().direction != Direction::Untested;
        let told: Vec<&str> = comparison.metrics.iter().filter(told).map(|row| row.name).collect();
        assert_eq!(told, ["al_seconds", "al_p50_seconds", "tokens_per_sec"]);
        let few = compared(&run(&[1.0; 7]), &run(&[2.0; 7]));
        assert_eq!(change_of(&few, "al_seconds").direction, Direction::Untested);
    }

    #[test]
    fn a_mean_that_a_few_slow_iterations_turn_is_not_what_the_test_has_found() {
        let mut stalled = noisy(0.9, 0.01, 500);
        stalled.iter_mut().take(5).for_each(|time| *time = 30.0);
        let (mut a, mut b) = (run(&noisy(1.0, 0.01, 500)), run(&stalled));
        (a.metrics.al_p50_seconds, b.metrics.al_p50_seconds) = (Some(1.0), Some(0.9));
        let comparison = compared(&a, &b);
        for (name, direction) in [
            ("al_seconds", Direction::Untested),
            ("tokens_per_sec", Direction::Untested),
            ("al_p50_seconds", Direction::Better),
        ] {
            let change = change_of(&comparison, name);
            assert_eq!(change.direction, direction, "{name}");
            assert_eq!(change.rank_test.is_some(), direction == Direction::Better, "{name}");
        }
    }

    #[test]
    fn means_of_several_iterations_are_not_compared_with_single_times() {
        let mut tens = run(&noisy(1.0, 0.1, 100));
        tens.series.iterations.iteration = (1..=100).map(|i| Some(10.0 * f64::from(i))).collect();
        let single = run(&noisy(1.1, 0.1, 400));
        assert_eq!(change_of(&compared(&tens, &single), "al_seconds").direction, Direction::Untested);
        assert!(change_of(&compared(&tens, &tens), "al_seconds").direction == Direction::Same);
        // Single iterations as well, merged by tens.
        tens.series.iterations.records_per_point = 10;
        assert!(Times::of(&tens).is_like(&Times::of(&single)));
    }

    #[test]
    fn a_history_that_was_merged_is_compared_with_one_merged_likewise() {
        let times = noisy(1.0, 0.1, 800);
        let mut merged = run(&times);
        let mut points = Times { seconds: times.clone(), records_per_point: 1, iterations_per_record: None };
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
    fn runs_that_are_differences_are_told() {
        let (mut a, mut b, c) = (report(1), report(1), report(0));
        a.model.global_batch_size.value = Some(32.0);
        b.model.global_batch_size.value = Some(64.0);
        (a.job.world_size, b.job.world_size) = (Some(8), Some(8));
        (a.log.profile, b.log.profile) = (Some("megatron".into()), Some("nemo".into()));
        a.model.parameters.value = Some(7.6e9); // what the other does not know is no difference
        assert_eq!(differences(&[&a, &b]), ["global batch size 32 vs 64", "profile megatron vs nemo"]);
        assert_eq!(differences(&[&a, &a]), Vec::<String>::new());
        assert_eq!(differences(&[&a, &c]), ["window training vs whole run"]);
    }

    #[test]
    fn how_runs_ended_is_told_where_it_differs() {
        let (mut a, mut b) = (report(1), report(1));
        a.command.exit = Some(Exit::Code(0));
        let told = |a: &Report, b: &Report| compared(a, b).differences;
        assert_eq!(told(&a, &b), Vec::<String>::new(), "a log has no exit status");
        b.status = Status::Running;
        assert_eq!(told(&a, &b), ["command exit 0 vs still running"]);
        b.command.exit = Some(Exit::Signal("SIGKILL".into()));
        assert_eq!(told(&a, &b), ["command exit 0 vs killed by SIGKILL"]);
        assert_eq!(told(&a, &a), Vec::<String>::new());
    }

    #[test]
    fn a_change_that_no_decimal_shows_is_none() {
        let (mut a, mut b) = (run(&noisy(1.0, 0.1, 500)), run(&noisy(1.0, 0.1, 500)));
        (a.metrics.aec_watts, b.metrics.aec_watts) = (Some(300.0), Some(299.999));
        (a.metrics.amu_gb, b.metrics.amu_gb) = (Some(70.0), Some(70.1));
        b.metrics.al_seconds = a.metrics.al_seconds.map(|seconds| seconds * (1.0 + 1e-9));
        let comparison = compared(&a, &b);
        for (name, direction) in
            [("aec_watts", Direction::Same), ("al_seconds", Direction::Same), ("amu_gb", Direction::Untested)]
        {
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
        assert_eq!((change.ratio, change.direction), (None, Direction::Untested));
        let power = comparison.metrics.iter().find(|row| row.name == "aec_watts").unwrap();
        assert_eq!((&power.values[..], &power.changes[..]), (&[Some(300.0), None][..], &[None][..]));
    }
}
