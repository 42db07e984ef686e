//! A requirement as it is written: `al <= baseline * 1.02`, `aec < 0.65 kW`.
#![doc = concat!("\n```text\n", include_str!("expression/grammar.txt"), "```\n")]
//! `%` after `baseline` is a share of the baseline, for every metric: `baseline - 5 %` is
//! `baseline * 0.95`. Every mistake is found here, before a command starts.

mod parser;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::metrics::registry::Metric;

pub use parser::ExpressionError;

/// A metric, a comparison and a limit that fit each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The metric's name as the user wrote it.
    name: &'static str,
    pub metric: &'static Metric,
    pub comparison: Comparison,
    pub limit: Limit,
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

/// The outcome of a comparison that is certain before anything is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstantOutcome {
    NeverHolds,
    AlwaysHolds,
}

impl fmt::Display for ConstantOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverHolds => "can never hold",
            Self::AlwaysHolds => "can never fail",
        })
    }
}

/// What a metric is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Limit {
    Quantity(Quantity),
    Baseline(BaselineChange),
}

/// The change that makes a limit of the baseline.
#[derive(Debug, Clone, PartialEq)]
pub enum BaselineChange {
    None,
    Times(f64),
    /// Percent of the baseline, negative for less.
    Percent(f64),
    /// Negative for less.
    Plus(Quantity),
}

/// A number and its unit, as they were written, and the same in the metric's own unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    number: f64,
    unit: String,
    value: f64,
}

impl Comparison {
    /// Longer ones first, so that `<` is not found in `<=`.
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

    /// The outcome for every value from 0 to `most`, if it is the same for all. At the very edge, as in
    /// `pcu <= 100 %`, a limit still requires that the metric is known.
    pub fn constant_outcome(self, limit: f64, most: f64) -> Option<ConstantOutcome> {
        let (below, above) = (limit < 0.0, limit > most);
        match self {
            Self::Less | Self::AtMost if above => Some(ConstantOutcome::AlwaysHolds),
            Self::Greater | Self::AtLeast if below => Some(ConstantOutcome::AlwaysHolds),
            Self::Less if limit <= 0.0 => Some(ConstantOutcome::NeverHolds),
            Self::Greater if limit >= most => Some(ConstantOutcome::NeverHolds),
            _ => (below || above).then_some(ConstantOutcome::NeverHolds),
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
    /// The outcome with a limit, and why, if it is certain: `can never hold: al is never below 0`.
    pub fn constant_outcome(&self, limit: f64) -> Option<(ConstantOutcome, String)> {
        let constant_outcome = self.comparison.constant_outcome(limit, self.most())?;
        let edge = if limit <= 0.0 { "below 0" } else { "above 1" };
        Some((constant_outcome, format!("{constant_outcome}: {} is never {edge}", self.name)))
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
        let Limit::Quantity(Quantity { number, unit, value }) = &self.limit else { return None };
        let is_typo = self.metric.unit.is_empty() && unit == "%" && *number > 0.0 && *number < 1.0;
        // 0.57 / 100 is a little less than 0.0057, and 100 * 0.57 than 57.
        let rounded = |number: f64| (number * 1e9).round() / 1e9;
        let (is, meant) = (rounded(*value), rounded(100.0 * number));
        is_typo.then(|| format!("'{self}': {number} % is {is}; did you mean {meant} %?"))
    }
}

impl Limit {
    pub fn needs_baseline(&self) -> bool {
        matches!(self, Self::Baseline(_))
    }
}

impl BaselineChange {
    /// The limit that a baseline makes, in the metric's unit.
    pub fn apply(&self, baseline: f64) -> f64 {
        match self {
            Self::None => baseline,
            Self::Times(factor) => baseline * factor,
            Self::Percent(percent) => baseline + baseline.abs() * percent / 100.0,
            Self::Plus(quantity) => baseline + quantity.value,
        }
    }
}

impl Quantity {
    /// In the metric's own unit.
    pub fn value(&self) -> f64 {
        self.value
    }
}

/// Prints a text that is parsed to the same expression.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = Comparison::ALL.iter().find(|(_, known)| *known == self.comparison);
        write!(f, "{} {} ", self.name, comparison.map_or("", |(text, _)| text))?;
        match &self.limit {
            Limit::Quantity(quantity) => quantity.show(quantity.number, f),
            Limit::Baseline(change) => {
                f.write_str("baseline")?;
                match change {
                    BaselineChange::None => Ok(()),
                    BaselineChange::Times(factor) => write!(f, " * {factor}"),
                    BaselineChange::Percent(percent) => write!(f, " {} {} %", sign(*percent), percent.abs()),
                    BaselineChange::Plus(quantity) => {
                        write!(f, " {} ", sign(quantity.number))?;
                        quantity.show(quantity.number.abs(), f)
                    }
                }
            }
        }
    }
}

impl Quantity {
    fn show(&self, number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.unit.is_empty() { "" } else { " " };
        write!(f, "{number}{space}{}", self.unit)
    }
}

fn sign(number: f64) -> char {
    if number.is_sign_negative() { '-' } else { '+' }
}
