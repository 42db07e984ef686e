//! Parses an expression. An error has a message, the wrong place in the text, and help.

use std::ops::Range;
use std::str::FromStr;

use super::{Comparison, Expression, Limit};
use crate::error::{self, Error};
use crate::gate::unit;
use crate::metrics::registry::{METRICS, Metric};
use crate::text::units::parse_number;

impl FromStr for Expression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut cursor = Cursor { text, at: 0 };
        let (name, metric) = cursor.metric()?;
        let (operator, comparison) = cursor.comparison()?;
        let place = cursor.place();
        let (limit, shown) = cursor.limit(name, metric)?;
        let expression = Self { name, metric, comparison, limit, text: format!("{name} {operator} {shown}") };
        let limit = match limit {
            Limit::Number(number) => Some(number),
            Limit::Plus(_) => None,
            // Whatever the baseline is, such a share of it is not above 0.
            Limit::Times(_) | Limit::Percent(_) => Some(limit.of(1.0)).filter(|share| *share <= 0.0),
        };
        match limit.and_then(|limit| expression.constant_outcome(limit)) {
            None => Ok(expression),
            Some((_, why)) => {
                cursor.error(place, &format!("this {why}"), "choose a limit that a run can meet or miss")
            }
        }
    }
}

const SYNTAX: &str = "write METRIC OP VALUE, as in 'al <= 1.3 s' or 'tokens_per_sec >= baseline * 0.95'";
const CHANGES: &str = "after 'baseline' write nothing, * 0.95, - 5 %, or + 10 and a unit";
const LISTED: &str = "'effllm gate --metrics' lists them all";

/// Reads an expression from left to right.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn metric(&mut self) -> Result<(&'static str, &'static Metric), Error> {
        let (word, place) = self.word(|c| !c.is_whitespace() && !"<>=!≤≥*+".contains(c));
        if word.is_empty() {
            return self.error(place, "a metric is missing", SYNTAX);
        }
        let Some(metric) = Metric::named(word) else {
            let names = METRICS.iter().flat_map(Metric::names);
            let nearest = error::nearest(&word.to_ascii_lowercase(), names);
            let help = nearest.map(|nearest| format!("did you mean '{nearest}'? {LISTED}"));
            return self.error(place, &format!("unknown metric '{word}'"), help.as_deref().unwrap_or(LISTED));
        };
        let name = metric.names().find(|name| name.eq_ignore_ascii_case(word)).unwrap_or(metric.name);
        Ok((name, metric))
    }

    fn comparison(&mut self) -> Result<(&'static str, Comparison), Error> {
        let (word, place) = self.word(|c| "<>=!≤≥".contains(c));
        let help = "compare by <, <=, >, >= or ==";
        match Comparison::ALL.iter().find(|(text, _)| *text == word) {
            Some(known) => Ok(*known),
            None if word.is_empty() => self.error(place, "a comparison is missing", help),
            None => self.error(place, &format!("'{word}' is not a comparison"), help),
        }
    }

    /// The limit, and how it is written.
    fn limit(&mut self, name: &str, metric: &Metric) -> Result<(Limit, String), Error> {
        if self.rest().starts_with(char::is_alphabetic) {
            self.baseline()?;
            return self.change(name, metric);
        }
        let (number, place) = self.number("a limit is missing")?;
        if !self.rest().starts_with('*') {
            let (value, unit) = self.quantity(number, place, name, metric)?;
            return Ok((Limit::Number(value), show(number, &unit)));
        }
        self.at = self.place().start + 1;
        if number.is_sign_negative() {
            return self.error(place, "a factor takes no sign", CHANGES);
        }
        self.baseline()?;
        self.end("NUMBER * baseline ends the expression")?;
        Ok((Limit::Times(number), format!("baseline * {number}")))
    }

    /// The word `baseline`.
    fn baseline(&mut self) -> Result<(), Error> {
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
        self.error(place, &message, help)
    }

    /// What follows the word `baseline`.
    fn change(&mut self, name: &str, metric: &Metric) -> Result<(Limit, String), Error> {
        let (rest, place) = (self.rest(), self.place());
        let operator = match rest.chars().next() {
            None => return Ok((Limit::Times(1.0), "baseline".to_owned())),
            Some(operator @ ('*' | '+' | '-')) => operator,
            Some(_) => return self.error(place, &format!("unexpected '{rest}' after baseline"), CHANGES),
        };
        self.at = place.start + 1;
        let (number, place) = self.number("a number is missing")?;
        if number.is_sign_negative() {
            return self.error(place, "unexpected sign before the number", CHANGES);
        }
        let signed = if operator == '-' { -number } else { number };
        let (limit, unit) = match (operator, self.rest()) {
            ('*', _) => {
                self.end("a factor takes no unit")?;
                (Limit::Times(number), String::new())
            }
            (_, "%") => (Limit::Percent(signed), "%".to_owned()),
            _ => {
                let (value, unit) = self.quantity(signed, place, name, metric)?;
                (Limit::Plus(value), unit)
            }
        };
        Ok((limit, format!("baseline {operator} {}", show(number, &unit))))
    }

    fn number(&mut self, missing: &str) -> Result<(f64, Range<usize>), Error> {
        let mut before = None;
        let (word, place) = self.word(|c| {
            let follows = before.replace(c);
            match c {
                '0'..='9' | '.' | ',' | '_' => true,
                '+' | '-' => matches!(follows, None | Some('e' | 'E')),
                'e' | 'E' => matches!(follows, Some('0'..='9' | '.')),
                _ => false,
            }
        });
        if word.is_empty() {
            return self.error(place, missing, SYNTAX);
        }
        if is_ambiguous(word) {
            let plain = format!("write {} or {}", word.replace(',', "."), word.replace(',', ""));
            return self.error(place, &format!("'{word}' is ambiguous"), &plain);
        }
        match parse_number(word) {
            Some(number) => Ok((number, place)),
            None => self.error(place, &format!("'{word}' is not a number"), SYNTAX),
        }
    }

    /// The number in the metric's own unit, and the unit after it, up to the end.
    fn quantity(
        &mut self,
        number: f64,
        number_place: Range<usize>,
        name: &str,
        metric: &Metric,
    ) -> Result<(f64, String), Error> {
        // One space between the words of a unit: `k  tokens/s` is printed as `k tokens/s`.
        let unit = self.rest().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(value) = unit::in_metric_unit(number, &unit, metric).filter(|value| value.is_finite()) {
            let place = number_place.start..self.place().end;
            return match unit::explain_beyond(number, &unit, name, metric) {
                None => Ok((value, unit)),
                Some((message, help)) => self.error(place, &message, &help),
            };
        }
        let (word, place) = self.word(|c| !c.is_whitespace());
        match unit::in_metric_unit(number, word, metric) {
            None => {
                let (message, help) = unit::explain(word, name, metric);
                self.error(place, &message, &help)
            }
            Some(value) if !value.is_finite() => self.error(place, "the limit is too large", SYNTAX),
            Some(_) if self.rest().starts_with('*') => self.error(place, "a factor takes no unit", CHANGES),
            Some(_) => {
                let message = format!("unexpected '{}': an expression is one comparison", self.rest());
                self.error(self.place(), &message, "write two expressions")
            }
        }
    }

    /// An error if anything is left.
    fn end(&self, message: &str) -> Result<(), Error> {
        match self.rest() {
            "" => Ok(()),
            rest => self.error(self.place(), &format!("unexpected '{rest}': {message}"), CHANGES),
        }
    }

    /// The next characters that belong to a word.
    fn word(&mut self, mut of_word: impl FnMut(char) -> bool) -> (&'a str, Range<usize>) {
        let (rest, start) = (self.rest(), self.place().start);
        let word = rest.split(|c| !of_word(c)).next().unwrap_or_default();
        self.at = start + word.len();
        (word, start..self.at)
    }

    /// The rest of the text, without space around it.
    fn rest(&self) -> &'a str {
        self.text.get(self.place()).unwrap_or_default()
    }

    /// The bytes of the rest.
    fn place(&self) -> Range<usize> {
        let left = self.text.get(self.at..).unwrap_or_default();
        let start = self.text.len() - left.trim_start().len();
        start..start + left.trim().len()
    }

    fn error<T>(&self, place: Range<usize>, message: &str, help: &str) -> Result<T, Error> {
        let columns = |range: Range<usize>| self.text.get(range).unwrap_or_default().chars().count();
        let indent = " ".repeat(columns(0..place.start));
        let carets = "^".repeat(columns(place).max(1));
        let shown = one_line(self.text);
        Err(Error::usage(one_line(message)).excerpt(format!("{shown}\n{indent}{carets}")).help(help))
    }
}

/// A text of the user's, each of its characters in its place.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn show(number: f64, unit: &str) -> String {
    format!("{number} {unit}").trim_end().to_owned()
}

/// Whether a number's only comma may separate thousands or decimals. A limit that is a thousand times too
/// large would let every run pass.
fn is_ambiguous(number: &str) -> bool {
    let end = number.split_once(',').map(|(_, end)| end);
    end.is_some_and(|end| end.len() == 3 && end.bytes().all(|digit| digit.is_ascii_digit()))
}
