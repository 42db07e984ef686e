//! The outcome of a gate: what was required of a run, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a run met what was required of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// `fail` if any requirement failed or the command did; else `no_data` if a requirement could not
    /// be judged or the run has not ended, and that was not allowed; else `pass`. What has level `warn`
    /// does not count.
    pub verdict: Verdict,
    /// What speaks against the run whatever its metrics are: that the command failed, or has not
    /// ended. Null where nothing does.
    #[serde(default)]
    pub reason: Option<String>,
    /// One for each expression, in the order in which they were given, requirements first.
    pub results: Vec<GateResult>,
}

impl Gate {
    /// Whether the gate does not pass because of this result.
    pub fn fails_by(&self, result: &GateResult) -> bool {
        let fails = match result.verdict {
            Verdict::Pass => false,
            Verdict::Fail => true,
            Verdict::NoData => self.verdict != Verdict::Pass,
        };
        fails && result.level == Level::Require
    }

    /// Why it does not pass whatever the metrics are.
    pub fn failure(&self) -> Option<&str> {
        self.reason.as_deref().filter(|_| self.verdict != Verdict::Pass)
    }
}

/// What an expression came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
    /// It could not be judged.
    NoData,
}

/// How much an expression matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The gate fails where it does not hold.
    Require,
    /// It is told where it does not hold.
    Warn,
}

/// One expression and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateResult {
    /// As in `al <= baseline * 1.02`.
    pub expression: String,
    pub level: Level,
    /// The metric's name in `metrics`.
    pub metric: String,
    /// The limit, in `unit`; null where no baseline has the metric.
    pub expected: Option<f64>,
    /// The metric's value, in `unit`.
    pub actual: Option<f64>,
    /// The metric's own unit; empty for a ratio.
    pub unit: String,
    /// How far the value is on the right side of the limit, over the limit; negative where it is on
    /// the wrong side. Null for a limit of 0 and where there is nothing to compare.
    pub margin_ratio: Option<f64>,
    /// Null where the expression names none.
    pub baseline: Option<Baseline>,
    pub verdict: Verdict,
    /// Why there is no verdict.
    pub reason: Option<String>,
}

/// A metric over the baseline runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    pub median: f64,
    /// The runs that have the metric.
    pub runs: usize,
    /// Half the distance between the lowest and the highest run, over the median: what the metric
    /// varies by itself. Null for a single run and for a median of 0.
    pub spread_ratio: Option<f64>,
}
