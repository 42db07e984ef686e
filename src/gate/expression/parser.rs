//! Parses an expression. An error has a message, the wrong place in the text, and help.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::{BaselineChange, Comparison, Expression, Limit, Quantity};
use crate::error::{self, Error};
use crate::gate::unit;
use crate::metrics::registry::{METRICS, Metric};
use crate::text::units::parse_number;

/// An error in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    text: String,
    /// The bytes of the text that are wrong.
    place: Range<usize>,
    message: String,
    help: String,
}

impl ExpressionError {
    /// The error of the expression that a flag, or the setting with this key, gave.
    pub fn of(self, key: &str) -> Error {
        let columns = |range: Range<usize>| self.text.get(range).unwrap_or_default().chars().count();
        let indent = " ".repeat(columns(0..self.place.start));
        let carets = "^".repeat(columns(self.place.clone()).max(1));
        let shown = one_line(&self.text);
        Error::usage(one_line(&self.message))
            .of_flag(key)
            .excerpt(format!("{shown}\n{indent}{carets}"))
            .help(self.help)
    }
}

/// A text of the user's, each of its characters in its place.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The message and the help, a line each, for an error that shows the place itself.
impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", one_line(&self.message), self.help)
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let mut cursor = Cursor { text, at: 0 };
        let (name, metric) = cursor.metric()?;
        let comparison = cursor.comparison()?;
        let start = cursor.place().start;
        let limit = cursor.limit(name, metric)?;
        let expression = Self { name, metric, comparison, limit };
        let limit = match &expression.limit {
            Limit::Quantity(quantity) => Some(quantity.value()),
            Limit::Baseline(BaselineChange::None | BaselineChange::Plus(_)) => None,
            // Whatever the baseline is, such a share of it is not above 0.
            Limit::Baseline(change) => Some(change.apply(1.0)).filter(|share| *share <= 0.0),
        };
        match limit.and_then(|limit| expression.constant_outcome(limit)) {
            None => Ok(expression),
            Some((_, why)) => Err(cursor.error(start..text.trim_end().len(), &format!("this {why}"), LIMIT)),
        }
    }
}

const SYNTAX: &str = "write METRIC OP VALUE, as in 'al <= 1.3 s' or 'tokens_per_sec >= baseline * 0.95'";
const CHANGES: &str = "after 'baseline' write nothing, * 0.95, - 5 %, or + 10 and a unit";
const LIMIT: &str = "choose a limit that a run can meet or miss";
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
            return Err(self.error(place, "a metric is missing", SYNTAX));
        }
        let metric = Metric::named(word).ok_or_else(|| {
            let names = METRICS.iter().flat_map(Metric::names);
            let help = match error::nearest(&word.to_ascii_lowercase(), names) {
                Some(nearest) => format!("did you mean '{nearest}'? {LISTED}"),
                None => LISTED.to_owned(),
            };
            self.error(place, &format!("unknown metric '{word}'"), &help)
        })?;
        let name = metric.names().find(|name| name.eq_ignore_ascii_case(word)).unwrap_or(metric.name);
        Ok((name, metric))
    }

    fn comparison(&mut self) -> Result<Comparison, ExpressionError> {
        let (word, place) = self.word(|c| "<>=!≤≥".contains(c));
        let known = Comparison::ALL.iter().find(|(text, _)| *text == word);
        known.map(|(_, comparison)| *comparison).ok_or_else(|| {
            let message = match word {
                "" => "a comparison is missing".to_owned(),
                _ => format!("'{word}' is not a comparison"),
            };
            self.error(place, &message, "compare by <, <=, >, >= or ==")
        })
    }

    fn limit(&mut self, name: &str, metric: &Metric) -> Result<Limit, ExpressionError> {
        if self.rest().starts_with(|c: char| c.is_alphabetic()) {
            self.baseline()?;
            return self.change(name, metric).map(Limit::Baseline);
        }
        let (number, place) = self.number("a limit is missing")?;
        if self.rest().starts_with('*') {
            self.at = self.place().start + 1;
            if number.is_sign_negative() {
                return Err(self.error(place, "a factor takes no sign", CHANGES));
            }
            self.baseline()?;
            self.end("NUMBER * baseline ends the expression", CHANGES)?;
            return Ok(Limit::Baseline(BaselineChange::Times(number)));
        }
        self.quantity((number, place), name, metric).map(Limit::Quantity)
    }

    /// The word `baseline`.
    fn baseline(&mut self) -> Result<(), ExpressionError> {
        let (word, place) = self.word(|c| !c.is_whitespace() && !"*+-".contains(c));
        let message = match word {
            "baseline" => return Ok(()),
            "" => "'baseline' is missing".to_owned(),
            _ => format!("'{word}' is not a limit"),
        };
        let help = match error::nearest(word, ["baseline"]) {
            Some(_) => "did you mean 'baseline'?",
            None => "the limit is a number or 'baseline', as in 1.3 s or 0.95 * baseline",
        };
        Err(self.error(place, &message, help))
    }

    fn change(&mut self, name: &str, metric: &Metric) -> Result<BaselineChange, ExpressionError> {
        let place = self.place();
        let Some(operator) = self.rest().chars().next() else { return Ok(BaselineChange::None) };
        let sign = match operator {
            '*' | '+' => 1.0,
            '-' => -1.0,
            _ => {
                return Err(self.error(
                    place,
                    &format!("unexpected '{}' after baseline", self.rest()),
                    CHANGES,
                ));
            }
        };
        self.at = place.start + operator.len_utf8();
        let (number, place) = self.number("a number is missing")?;
        if number.is_sign_negative() {
            return Err(self.error(place, "unexpected sign before the number", CHANGES));
        }
        if operator == '*' {
            self.end("a factor takes no unit", CHANGES)?;
            return Ok(BaselineChange::Times(number));
        }
        if self.rest() == "%" {
            return Ok(BaselineChange::Percent(sign * number));
        }
        self.quantity((sign * number, place), name, metric).map(BaselineChange::Plus)
    }

    fn number(&mut self, missing: &str) -> Result<(f64, Range<usize>), ExpressionError> {
        let (word, place) = self.word_of(number_length);
        if word.is_empty() {
            return Err(self.error(place, missing, SYNTAX));
        }
        if is_ambiguous(word) {
            let plain = format!("write {} or {}", word.replace(',', "."), word.replace(',', ""));
            return Err(self.error(place, &format!("'{word}' is ambiguous"), &plain));
        }
        let number = parse_number(word)
            .ok_or_else(|| self.error(place.clone(), &format!("'{word}' is not a number"), SYNTAX))?;
        Ok((number, place))
    }

    /// The unit after a number, up to the end.
    fn quantity(
        &mut self,
        (number, number_place): (f64, Range<usize>),
        name: &str,
        metric: &Metric,
    ) -> Result<Quantity, ExpressionError> {
        // One space between the words of a unit: `k  tokens/s` is printed as `k tokens/s`.
        let unit = self.rest().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(value) = unit::in_metric_unit(number, &unit, metric).filter(|value| value.is_finite()) {
            let place = number_place.start..self.place().end;
            return match unit::explain_beyond(number, &unit, name, metric) {
                None => Ok(Quantity { number, unit, value }),
                Some((message, help)) => Err(self.error(place, &message, &help)),
            };
        }
        let (word, place) = self.word(|c| !c.is_whitespace());
        match unit::in_metric_unit(number, word, metric) {
            None => {
                let (message, help) = unit::explain(word, name, metric);
                Err(self.error(place, &message, &help))
            }
            Some(value) if !value.is_finite() => Err(self.error(place, "the limit is too large", SYNTAX)),
            Some(_) if self.rest().starts_with('*') => {
                Err(self.error(place, "a factor takes no unit", CHANGES))
            }
            Some(_) => {
                self.end("an expression is one comparison", "write two expressions")?;
                Err(self.error(place, "this is not a limit", SYNTAX))
            }
        }
    }

    /// An error if anything is left.
    fn end(&self, message: &str, help: &str) -> Result<(), ExpressionError> {
        let place = self.place();
        match self.rest() {
            "" => Ok(()),
            rest => Err(self.error(place, &format!("unexpected '{rest}': {message}"), help)),
        }
    }

    /// The next characters that belong to a word.
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

    /// The rest of the text, without space around it.
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default().trim()
    }

    /// The place of the rest.
    fn place(&self) -> Range<usize> {
        let left = self.text.get(self.at..).unwrap_or_default();
        let start = self.text.len() - left.trim_start().len();
        start..start + left.trim().len()
    }

    fn error(&self, place: Range<usize>, message: &str, help: &str) -> ExpressionError {
        ExpressionError {
            text: self.text.to_owned(),
            place,
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// Whether a number's only comma may separate thousands or decimals. A limit that is a thousand times too
/// large would let every run pass.
fn is_ambiguous(number: &str) -> bool {
    let end = number.split_once(',').map(|(_, end)| end);
    end.is_some_and(|end| end.len() == 3 && end.bytes().all(|digit| digit.is_ascii_digit()))
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
