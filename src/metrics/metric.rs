//! What is declared of a metric.

use schemars::JsonSchema;
use serde::Serialize;

use super::registry::{METRICS, Metrics};
use super::window::{Basis, Known, Window};

/// The declaration of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name in `metrics` of the report.
    pub name: &'static str,
    /// What it means, in one line.
    pub definition: &'static str,
    /// The EfficientLLM abbreviation, in lower case.
    pub short: Option<&'static str>,
    /// Its name in tables; its name in the report where there is none. It may be the unit.
    pub(super) label: Option<&'static str>,
    /// Its unit, as people write it; empty for a ratio.
    pub unit: &'static str,
    /// It is the mean of a quantity that could be taken for a sum over the GPUs.
    pub per_gpu: bool,
    pub better: Better,
    /// The quantities that it is computed from: it is null where one is not known.
    pub basis: &'static [Basis],
    /// How its value is written in the summary.
    pub show: Show,
    /// How it is written in the live table, if it is shown there.
    pub live: Option<Show>,
    /// Whether the summary has a row for it.
    pub headline: Headline,
    /// Its label and form in the console lines of the original EfficientLLM monitor, whose scalars in
    /// TensorBoard are these metrics.
    pub original: Option<(&'static str, Show)>,
    /// The test that tells a change of it from chance.
    pub test: Test,
    /// What it is a mean over. From two such means follows the mean over the time between.
    pub mean_over: MeanOver,
    /// Its name, base unit and the factor to that in OpenMetrics; none for a metric that differs from
    /// another by its unit alone.
    pub openmetrics: Option<(&'static str, &'static str, f64)>,
    /// Its value over some phases.
    pub(super) compute: fn(&Window<'_>) -> Known<f64>,
    /// Its value among all.
    pub(super) read: fn(&Metrics) -> Option<f64>,
}

/// Which change of a metric is an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    Lower,
    Higher,
}

/// The form of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// With so many decimals.
    Fixed(usize),
    /// With four significant digits.
    Digits,
    /// With an exponent, and so many decimals before it.
    Exponent(usize),
    /// A ratio in percent, with so many decimals.
    Percent(usize),
    /// Joules, in the unit that suits the largest of a row.
    Energy,
}

/// Whether the summary of a run has a row for a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headline {
    /// If it is null, the summary says why.
    Always,
    IfKnown,
    Never,
}

/// The test that tells a change of a metric from chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// A test of the iteration times, which are the metric.
    IterationTimes,
    /// The same, where an iteration is equally much work in both runs.
    EqualWork,
    Untested,
}

/// What a metric is a mean over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeanOver {
    Iterations,
    Time,
    /// It is no mean, but a percentile, a peak or a total.
    Nothing,
}

impl Metric {
    pub(super) const DEFAULT: Self = Self {
        name: "",
        definition: "",
        short: None,
        label: None,
        unit: "",
        per_gpu: false,
        better: Better::Lower,
        basis: &[],
        show: Show::Digits,
        live: None,
        headline: Headline::Never,
        original: None,
        test: Test::Untested,
        mean_over: MeanOver::Time,
        openmetrics: None,
        compute: |_| Err("this version of effllm does not measure it".to_owned()),
        read: |_| None,
    };

    /// The metric of this name or abbreviation, in upper or lower case.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.names().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Its abbreviation, if it has one, and its name.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.short.into_iter().chain([self.name])
    }

    /// Its value over some phases, or why it is unknown.
    pub fn value(&self, window: &Window<'_>) -> Known<f64> {
        let value = (self.compute)(window)?;
        if value.is_finite() { Ok(value) } else { Err("the division has no finite result".to_owned()) }
    }

    /// Its name in tables.
    pub fn label(&self) -> &'static str {
        self.label.unwrap_or(self.name)
    }

    /// Whether all that it is computed from is of one kind.
    pub fn is_based_on(&self, kind: fn(Basis) -> bool) -> bool {
        self.basis.iter().copied().all(kind)
    }

    /// The metrics that the summary always has a row for.
    pub fn headline() -> impl Iterator<Item = &'static Self> {
        METRICS.iter().filter(|metric| metric.headline == Headline::Always)
    }

    /// The metrics of the original EfficientLLM monitor, each with its label there.
    pub fn originals() -> impl Iterator<Item = (&'static Self, &'static str, Show)> {
        METRICS.iter().filter_map(|metric| metric.original.map(|(label, show)| (metric, label, show)))
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
