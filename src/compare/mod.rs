//! Reports side by side: the changes of the metrics, and which of them are statistically significant.

pub mod rank_test;

use serde::Serialize;

use crate::metrics::registry::{Better, METRICS, Metric, Test};
use crate::report::{Report, Window};
use crate::text::units::show_grouped;
use rank_test::{RankTest, mann_whitney_u_of_series};

/// Several reports, each compared with the first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// The reports by name.
    pub reports: Vec<String>,
    /// Those metrics that at least one report has.
    pub metrics: Vec<MetricComparison>,
    /// The differences of the runs but for their metrics, as in `global batch size 32 vs 64`.
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
pub struct MetricComparison {
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
    /// Null where the metric does not follow from the times of the iterations.
    pub rank_test: Option<IterationTest>,
}

/// The meaning of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Better,
    Worse,
    Same,
    /// There is a change, but the iterations differ among themselves so much that it may be chance.
    Undecided,
    /// There is a change, and the reports have nothing to test it by.
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
    let Some((first, others)) = all.split_first() else { return Comparison::default() };
    let tests: Vec<Option<IterationTest>> = others.iter().map(|other| iteration_test(first, other)).collect();
    let row = |metric: &'static Metric| {
        let change = |(other, test): (&&Report, &Option<IterationTest>)| {
            let test = test.filter(|test| covers(metric, first, other, test));
            Some(change(metric, first.metrics.get(metric)?, other.metrics.get(metric)?, test))
        };
        MetricComparison {
            name: metric.name,
            unit: metric.unit,
            better: metric.better,
            values: all.iter().map(|report| report.metrics.get(metric)).collect(),
            changes: others.iter().zip(&tests).map(change).collect(),
        }
    };
    let endings = difference("command", &all, Report::ending).into_iter();
    Comparison {
        reports: reports.iter().map(|(name, _)| name.clone()).collect(),
        metrics: METRICS.iter().map(row).filter(|row| row.values.iter().any(Option::is_some)).collect(),
        differences: endings.chain(differences(&all)).collect(),
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

/// Whether a test of iteration times covers a metric's change: that of the mean and the median time, and
/// of the rates that follow from them where an iteration is the same work in both runs.
///
/// The test is of typical iterations. A mean that a few very slow ones turn the other way is not what
/// it has found.
fn covers(metric: &Metric, a: &Report, b: &Report, test: &IterationTest) -> bool {
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
    /// The iterations of one record; unknown where iterations have no numbers.
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

/// A property by its name in the middle of a sentence; `None` where it is unknown.
pub type Property = (&'static str, fn(&Report) -> Option<String>);

/// The properties of a run whose difference makes metrics incomparable.
pub const PROPERTIES: [Property; 8] = [
    ("GPUs", |report| Some(report.gpu_models()).filter(|models| !models.is_empty())),
    ("world size", |report| report.job.world_size.map(|size| size.to_string())),
    ("sequence length", |report| report.model.sequence_length.value.map(show_grouped)),
    ("global batch size", |report| report.model.global_batch_size.value.map(show_grouped)),
    ("parameters", |report| report.model.parameters.value.map(show_grouped)),
    ("profile", |report| report.log.profile.clone()),
    ("warm-up", |report| (report.window == Window::Train).then(|| report.iterations.warmup.to_string())),
    ("window", |report| {
        Some(if report.window == Window::Train { "training" } else { "whole run" }.to_owned())
    }),
];

/// The differences of runs but for their metrics and how they ended: two changes at once cannot be told
/// apart. An unknown property is no difference.
pub fn differences(reports: &[&Report]) -> Vec<String> {
    PROPERTIES.iter().filter_map(|(name, of)| difference(name, reports, *of)).collect()
}

/// A property that is not the same in all reports, as in `global batch size 32 vs 64`.
fn difference(name: &str, reports: &[&Report], of: fn(&Report) -> Option<String>) -> Option<String> {
    let values: Vec<String> = reports.iter().filter_map(|report| of(report)).collect();
    let differ = values.windows(2).any(|pair| pair.first() != pair.last());
    differ.then(|| format!("{name} {}", values.join(" vs ")))
}

#[cfg(test)]
pub mod tests;
