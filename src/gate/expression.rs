//! A requirement as it is written: `al <= baseline * 1.02`, `aec < 0.65 kW`.
//!
//! ```text
//! expression = metric ("<" | "<=" | ">" | ">=" | "==") limit
//! metric     = an abbreviation (al) or a name in `metrics` (al_seconds)
//! limit      = number [unit] | "baseline" [change]
//! change     = "*" number | ("+" | "-") number [unit | "%"]
//! ```
//!
//! `%` behind `baseline` is a share of the baseline, whatever the metric: `baseline - 5 %` is
//! `baseline * 0.95`. Everything that can be wrong is found here, before a command starts.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::unit;
use crate::error::{self, Error};
use crate::model::metric::{METRICS, Metric};
use crate::model::units::parse_number;

/// A metric, a comparison and a limit that fit together.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The metric by the name that the user called it, so that results read as what was asked.
    name: &'static str,
    pub metric: &'static Metric,
    pub comparison: Comparison,
    pub limit: Limit,
}

/// How a value is to stand to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
}

/// What a metric is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Limit {
    Quantity(Quantity),
    Baseline(Change),
}

/// What becomes of the baseline before it is the limit.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
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

    /// Whether a value stands so to a limit. Values that differ by less than a billionth are equal.
    pub fn holds(self, actual: f64, limit: f64) -> bool {
        match self {
            Self::Less => actual < limit,
            Self::AtMost => actual <= limit || equal(actual, limit),
            Self::Greater => actual > limit,
            Self::AtLeast => actual >= limit || equal(actual, limit),
            Self::Equal => equal(actual, limit),
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
        margin.is_finite().then_some(margin)
    }
}

/// What sums of many readings leave behind is no difference.
fn equal(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

impl Limit {
    pub fn needs_baseline(&self) -> bool {
        matches!(self, Self::Baseline(_))
    }
}

impl Change {
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

/// Prints what, parsed again, is the same expression.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = Comparison::ALL.iter().find(|(_, known)| *known == self.comparison);
        write!(f, "{} {} ", self.name, comparison.map_or("", |(text, _)| text))?;
        match &self.limit {
            Limit::Quantity(quantity) => quantity.show(quantity.number, f),
            Limit::Baseline(change) => {
                f.write_str("baseline")?;
                match change {
                    Change::None => Ok(()),
                    Change::Times(factor) => write!(f, " * {factor}"),
                    Change::Percent(percent) => write!(f, " {} {} %", sign(*percent), percent.abs()),
                    Change::Plus(quantity) => {
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

/// What is wrong with an expression, where, and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    text: String,
    /// The bytes of the text that are wrong.
    place: Range<usize>,
    what: String,
    way_out: String,
}

impl ExpressionError {
    /// As the user is told it; `origin` is the flag or key that the expression was given by.
    pub fn of(self, origin: &str) -> Error {
        let columns = |range: Range<usize>| self.text.get(range).unwrap_or_default().chars().count();
        let indent = " ".repeat(columns(0..self.place.start));
        let carets = "^".repeat(columns(self.place.clone()).max(1));
        let shown = one_line(&self.text);
        Error::usage(format!("{origin}: {}", one_line(&self.what)))
            .at(format!("{shown}\n{indent}{carets}"))
            .hint(self.way_out)
    }
}

/// A text of the user's, each of its characters in its place.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// In one line, for a message that shows the place itself.
impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", one_line(&self.what), self.way_out)
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let mut cursor = Cursor { text, at: 0 };
        let (name, metric) = cursor.metric()?;
        let comparison = cursor.comparison()?;
        let limit = cursor.limit(name, metric)?;
        Ok(Self { name, metric, comparison, limit })
    }
}

const FORM: &str = "write METRIC OP VALUE, as in 'al <= 1.3 s' or 'tokens_per_sec >= baseline * 0.95'";
const LISTED: &str = "'effllm gate --metrics' lists them all";

/// Reads an expression from left to right.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn metric(&mut self) -> Result<(&'static str, &'static Metric), ExpressionError> {
        let (word, place) = self.word(|c| !c.is_whitespace() && !"<>=!≤≥*+".contains(c));
        if word.is_empty() {
            return Err(self.error(place, "a metric is missing", FORM));
        }
        let metric = Metric::named(word).ok_or_else(|| {
            let names = METRICS.iter().flat_map(Metric::names);
            let way_out = match error::nearest(&word.to_ascii_lowercase(), names) {
                Some(nearest) => format!("did you mean '{nearest}'? {LISTED}"),
                None => LISTED.to_owned(),
            };
            self.error(place, &format!("unknown metric '{word}'"), &way_out)
        })?;
        let name = metric.names().find(|name| name.eq_ignore_ascii_case(word)).unwrap_or(metric.name);
        Ok((name, metric))
    }

    fn comparison(&mut self) -> Result<Comparison, ExpressionError> {
        let (word, place) = self.word(|c| "<>=!≤≥".contains(c));
        let known = Comparison::ALL.iter().find(|(text, _)| *text == word);
        known.map(|(_, comparison)| *comparison).ok_or_else(|| {
            let what = match word {
                "" => "a comparison is missing".to_owned(),
                _ => format!("'{word}' is no comparison"),
            };
            self.error(place, &what, "compare by <, <=, >, >= or ==")
        })
    }

    fn limit(&mut self, name: &str, metric: &Metric) -> Result<Limit, ExpressionError> {
        if self.rest().starts_with(|c: char| c.is_alphabetic()) {
            let (word, place) = self.word(|c| !c.is_whitespace() && !"*+-".contains(c));
            if word != "baseline" {
                let way_out = match error::nearest(word, ["baseline"]) {
                    Some(_) => "did you mean 'baseline'?",
                    None => "the limit is a number or 'baseline'",
                };
                return Err(self.error(place, &format!("'{word}' is no limit"), way_out));
            }
            return self.change(name, metric).map(Limit::Baseline);
        }
        let (number, _) = self.number("a limit is missing")?;
        self.quantity(number, name, metric).map(Limit::Quantity)
    }

    fn change(&mut self, name: &str, metric: &Metric) -> Result<Change, ExpressionError> {
        const CHANGES: &str = "behind 'baseline' comes nothing, * 0.95, - 5 % or + 10 and a unit";
        let place = self.place();
        let Some(operator) = self.rest().chars().next() else { return Ok(Change::None) };
        let sign = match operator {
            '*' | '+' => 1.0,
            '-' => -1.0,
            _ => return Err(self.error(place, &format!("'{}' changes no baseline", self.rest()), CHANGES)),
        };
        self.at = place.start + operator.len_utf8();
        let (number, place) = self.number("a number is missing")?;
        if number.is_sign_negative() {
            return Err(self.error(place, "a sign before the number is one too many", CHANGES));
        }
        if operator == '*' {
            self.end("a factor has no unit", CHANGES)?;
            return Ok(Change::Times(number));
        }
        if self.rest() == "%" {
            return Ok(Change::Percent(sign * number));
        }
        self.quantity(sign * number, name, metric).map(Change::Plus)
    }

    fn number(&mut self, missing: &str) -> Result<(f64, Range<usize>), ExpressionError> {
        let (word, place) = self.word_of(number_length);
        if word.is_empty() {
            return Err(self.error(place, missing, FORM));
        }
        let number = parse_number(word)
            .ok_or_else(|| self.error(place.clone(), &format!("'{word}' is no number"), FORM))?;
        Ok((number, place))
    }

    /// The unit behind a number, up to the end.
    fn quantity(&mut self, number: f64, name: &str, metric: &Metric) -> Result<Quantity, ExpressionError> {
        // One space between the words of a unit: `k  tokens/s` is printed as `k tokens/s`.
        let unit = self.rest().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(value) = unit::in_metric_unit(number, &unit, metric).filter(|value| value.is_finite()) {
            return Ok(Quantity { number, unit, value });
        }
        let (word, place) = self.word(|c| !c.is_whitespace());
        match unit::in_metric_unit(number, word, metric) {
            None => {
                let (what, way_out) = unit::explain(word, name, metric);
                Err(self.error(place, &what, &way_out))
            }
            Some(value) if !value.is_finite() => {
                Err(self.error(place, "the limit is larger than any number", FORM))
            }
            Some(_) => {
                self.end("one expression is one comparison", "for more of them repeat the option")?;
                Err(self.error(place, "this is no limit", FORM))
            }
        }
    }

    /// An error if anything is left.
    fn end(&self, what: &str, way_out: &str) -> Result<(), ExpressionError> {
        let place = self.place();
        match self.rest() {
            "" => Ok(()),
            rest => Err(self.error(place, &format!("'{rest}' is left over: {what}"), way_out)),
        }
    }

    /// The next characters that are of a word.
    fn word(&mut self, of_word: impl Fn(char) -> bool) -> (&'a str, Range<usize>) {
        self.word_of(|rest| rest.find(|c| !of_word(c)).unwrap_or(rest.len()))
    }

    fn word_of(&mut self, length: impl Fn(&str) -> usize) -> (&'a str, Range<usize>) {
        let rest = self.rest();
        let start = self.place().start;
        let word = rest.get(..length(rest)).unwrap_or_default();
        self.at = start + word.len();
        (word, start..self.at)
    }

    /// What is left, without space around it.
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default().trim()
    }

    /// Where that is.
    fn place(&self) -> Range<usize> {
        let left = self.text.get(self.at..).unwrap_or_default();
        let start = self.text.len() - left.trim_start().len();
        start..start + left.trim().len()
    }

    fn error(&self, place: Range<usize>, what: &str, way_out: &str) -> ExpressionError {
        ExpressionError {
            text: self.text.to_owned(),
            place,
            what: what.to_owned(),
            way_out: way_out.to_owned(),
        }
    }
}

/// The length of the number that a text begins with: a sign, digits with separators, an exponent.
fn number_length(text: &str) -> usize {
    let mut before = None;
    text.find(|c: char| {
        let sign_may_stand = matches!(before, None | Some('e' | 'E'));
        let exponent = matches!(c, 'e' | 'E') && before.is_some_and(|c: char| c.is_ascii_digit() || c == '.');
        let belongs = c.is_ascii_digit()
            || matches!(c, '.' | ',' | '_')
            || (matches!(c, '+' | '-') && sign_may_stand)
            || exponent;
        before = Some(c);
        !belongs
    })
    .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Expression {
        text.parse().unwrap_or_else(|error: ExpressionError| panic!("{}", error.of(text)))
    }

    #[test]
    fn what_is_written_is_understood() {
        for (text, printed, limit) in [
            ("pcu >= 0.85", "pcu >= 0.85", 0.85),
            ("pcu>=85%", "pcu >= 85 %", 0.85),
            ("  AL<820ms ", "al < 820 ms", 0.82),
            ("al_seconds <= 1,5", "al_seconds <= 1.5", 1.5),
            ("tokens_per_sec > 12k", "tokens_per_sec > 12 k", 12_000.0),
            ("tokens_per_sec > 1.2e4  tokens/s", "tokens_per_sec > 12000 tokens/s", 12_000.0),
            ("tt >= 7e-6", "tt >= 0.000007", 7e-6),
            ("energy_joules == 3kWh", "energy_joules == 3 kWh", 10.8e6),
            ("joules_per_token < 740 mJ/token", "joules_per_token < 740 mJ/token", 0.74),
        ] {
            let expression = parse(text);
            assert_eq!(expression.to_string(), printed);
            let Limit::Quantity(quantity) = expression.limit else { panic!("{text}") };
            assert_eq!(quantity.value(), limit, "{text}");
        }
    }

    #[test]
    fn a_baseline_is_changed() {
        for (text, printed, limit) in [
            ("al <= baseline", "al <= baseline", 2.0),
            ("al <= baseline*1.02", "al <= baseline * 1.02", 2.04),
            ("tokens_per_sec >= baseline - 5%", "tokens_per_sec >= baseline - 5 %", 1.9),
            ("pcu >= baseline-5 %", "pcu >= baseline - 5 %", 1.9),
            ("pcu >= baseline - 0.05", "pcu >= baseline - 0.05", 1.95),
            ("al < baseline + 10 ms", "al < baseline + 10 ms", 2.01),
        ] {
            let expression = parse(text);
            assert_eq!(expression.to_string(), printed);
            let Limit::Baseline(change) = expression.limit else { panic!("{text}") };
            assert_eq!(change.apply(2.0), limit, "{text}");
        }
    }

    #[test]
    fn comparisons_hold_or_do_not() {
        for (comparison, below, at, above) in [
            (Comparison::Less, true, false, false),
            (Comparison::AtMost, true, true, false),
            (Comparison::Equal, false, true, false),
            (Comparison::AtLeast, false, true, true),
            (Comparison::Greater, false, false, true),
        ] {
            let holds = [0.9, 1.0, 1.1].map(|actual| comparison.holds(actual, 1.0));
            assert_eq!(holds, [below, at, above], "{comparison:?}");
        }
        for comparison in [Comparison::Equal, Comparison::AtMost] {
            assert!(comparison.holds(0.1 + 0.2, 0.3), "{comparison:?}");
        }
        assert!(Comparison::AtLeast.holds(0.3, 0.1 + 0.2));
        assert_eq!(Comparison::AtMost.margin(1.5, 2.0), Some(0.25));
        assert_eq!(Comparison::AtLeast.margin(1.5, 2.0), Some(-0.25));
        assert_eq!(Comparison::AtLeast.margin(1.0, 0.0), None);
    }

    #[test]
    fn every_error_says_what_where_and_the_way_out() {
        let wrong = [
            "",
            "   ",
            "pcuu >= 0.5",
            "AMU_BG < 3",
            "throughput > 3",
            "al",
            "al 5",
            "al = 5",
            "al => 5 s",
            "al ≤ 5",
            "al <",
            "al < -",
            "al < 1.2.3 s",
            "al < 1e999",
            "al < inf",
            "al < pcu",
            "al < basline",
            "al < 5 W",
            "al < 5 M",
            "al < 5 m",
            "al < 5 %",
            "pcu > 1 GB",
            "tokens_per_sec > 5 ms",
            "tokens_per_sec > 12 k samples/s",
            "joules_per_token < 5 J",
            "amu < 80 G",
            "al < 5 s and pcu > 0.5",
            "al < 1e308 h",
            "al <= baseline 1.02",
            "al <= baseline *",
            "al <= baseline * -1",
            "al <= baseline * 5 %",
            "al <= baseline - 5 W",
            "al <= baseline / 2",
            "é < 5",
            "al < 5 é",
            "al < 5\n s and\tmore",
        ];
        let messages = wrong.map(|text| match text.parse::<Expression>() {
            Ok(expression) => panic!("'{text}' is read as '{expression}'"),
            Err(error) => format!("{}\n", error.of("--require")),
        });
        insta::assert_snapshot!(messages.join("\n"));
    }

    fn names() -> impl Strategy<Value = &'static str> {
        prop::sample::select(METRICS.iter().flat_map(Metric::names).collect::<Vec<_>>())
    }

    fn texts() -> impl Strategy<Value = String> {
        let number = prop_oneof![0.0..1e6f64, -1e6..1e6f64, Just(0.0), 1e-12..1e-6f64, 1e18..1e30f64];
        let unit = prop::sample::select(vec![
            "",
            "ms",
            "s",
            "min",
            "W",
            "kW",
            "J",
            "kWh",
            "GB",
            "GiB",
            "%",
            "k",
            "M tokens/s",
            "mJ/token",
        ]);
        let comparison = prop::sample::select(vec!["<", "<=", ">", ">=", "=="]);
        let limit = prop_oneof![
            (number.clone(), unit.clone()).prop_map(|(number, unit)| format!("{number} {unit}")),
            (number, unit, prop::sample::select(vec!['*', '+', '-'])).prop_map(|(number, unit, operator)| {
                let unit = if operator == '*' { "" } else { unit };
                format!("baseline {operator} {} {unit}", number.abs())
            }),
            Just("baseline".to_owned()),
        ];
        (names(), comparison, limit)
            .prop_map(|(name, comparison, limit)| format!("{name}{comparison}{limit}"))
    }

    proptest! {
        #[test]
        fn printing_and_parsing_come_back_to_the_same(text in texts()) {
            if let Ok(expression) = text.parse::<Expression>() {
                let printed = expression.to_string();
                prop_assert_eq!(printed.parse::<Expression>(), Ok(expression), "{}", printed);
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,40}|(al|pcu)[ <>=]{1,3}[ -~é]{0,20}") {
            if let Err(error) = text.parse::<Expression>() {
                let shown = error.of("--require").to_string();
                prop_assert!(shown.contains("--require: ") && shown.contains('^'));
            }
        }
    }
}
