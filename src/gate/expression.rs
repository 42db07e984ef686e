//! A requirement as it is written: `al <= baseline * 1.02`, `aec < 0.65 kW`.
#![doc = concat!("\n```text\n", include_str!("expression/grammar.txt"), "```\n")]
//! `%` after `baseline` is a share of the baseline, for every metric: `baseline - 5 %` is
//! `baseline * 0.95`. Every mistake is found here, before a command starts.

mod parser;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::metrics::registry::Metric;

/// A metric, a comparison and a limit that fit each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The metric's name as the user wrote it.
    name: &'static str,
    pub metric: &'static Metric,
    pub comparison: Comparison,
    pub limit: Limit,
    /// The expression, evenly spaced; it is parsed to the same expression.
    text: String,
}

/// The relation that a value must have to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
}

/// What a metric is compared with, in the metric's own unit; negative for less than the baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    Number(f64),
    /// A multiple of the baseline.
    Times(f64),
    /// The baseline and so many percent of it.
    Percent(f64),
    /// The baseline and so much.
    Plus(f64),
}

impl Comparison {
    const ALL: [(&'static str, Self); 5] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// Whether it holds. Values that differ by less than a billionth are equal.
    pub fn holds(self, actual: f64, limit: f64) -> bool {
        match self {
            Self::Less => actual < limit,
            Self::AtMost => actual <= limit || equal(actual, limit),
            Self::Greater => actual > limit,
            Self::AtLeast => actual >= limit || equal(actual, limit),
            Self::Equal => equal(actual, limit),
        }
    }

    /// Whether it holds for every value from 0 to `most`, or for none. At the very edge, as in
    /// `pcu <= 100 %`, a limit still requires that the metric is known.
    fn constant_outcome(self, limit: f64, most: f64) -> Option<bool> {
        match self {
            _ if limit < 0.0 || limit > most => Some(self.holds(0.0, limit)),
            Self::Less if limit == 0.0 => Some(false),
            Self::Greater if limit == most => Some(false),
            _ => None,
        }
    }

    /// How far a value is on the right side of its limit, over the limit; `None` for a limit of 0.
    pub fn margin(self, actual: f64, limit: f64) -> Option<f64> {
        let above = (actual - limit) / limit.abs();
        let margin = match self {
            Self::Less | Self::AtMost => -above,
            Self::Greater | Self::AtLeast => above,
            Self::Equal => -above.abs(),
        };
        margin.is_finite().then_some(margin + 0.0) // of -0.0 it makes 0.0
    }
}

/// Whether two values differ by no more than rounding errors.
fn equal(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

impl Expression {
    /// Whether it holds with a limit, and why, if that is certain: `can never hold: al is never below 0`.
    pub fn constant_outcome(&self, limit: f64) -> Option<(bool, String)> {
        let holds = self.comparison.constant_outcome(limit, self.most())?;
        let outcome = if holds { "can never fail" } else { "can never hold" };
        let edge = if limit <= 0.0 { "below 0" } else { "above 1" };
        Some((holds, format!("{outcome}: {} is never {edge}", self.name)))
    }

    /// Whether the metric can have a value.
    pub fn metric_can_be(&self, value: f64) -> bool {
        (0.0..=self.most()).contains(&value)
    }

    /// The most that the metric can be.
    fn most(&self) -> f64 {
        if self.metric.unit.is_empty() { 1.0 } else { f64::INFINITY }
    }

    /// A warning about a limit below one percent of a ratio, which is likely a typing error.
    pub fn likely_typo(&self) -> Option<String> {
        let Limit::Number(value) = self.limit else { return None };
        let is_typo = self.metric.unit.is_empty() && self.text.ends_with('%') && 0.0 < value && value < 0.01;
        // 0.57 / 100 is a little less than 0.0057, and 100 * 0.57 than 57.
        let [is, number, meant] = [1.0, 1e2, 1e4].map(|scale| (value * scale * 1e9).round() / 1e9);
        is_typo.then(|| format!("'{self}': {number} % is {is}; did you mean {meant} %?"))
    }
}

impl Limit {
    pub fn needs_baseline(self) -> bool {
        !matches!(self, Self::Number(_))
    }

    /// The limit as a number, with the baseline's value.
    pub fn of(self, baseline: f64) -> f64 {
        match self {
            Self::Number(number) => number,
            Self::Times(factor) => baseline * factor,
            Self::Percent(percent) => baseline + baseline.abs() * percent / 100.0,
            Self::Plus(amount) => baseline + amount,
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
