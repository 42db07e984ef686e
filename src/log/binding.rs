//! What a group of an expression states: the field that its name says, and the value in its text.
//!
//! A group's name is a field's name, with a unit as a suffix where the kind has several:
//! `(?P<step_time_ms>)`, `(?P<parameters_billions>)`, `(?P<mfu_percent>)`, `(?P<tokens_per_s_per_gpu>)`.

use crate::error;
use crate::event::field::{Field, Group, Kind, Stated, Turn, Value};
use crate::event::{FACT_FIELDS, Facts, LogTime, Progress, RECORD_FIELDS, Scope};
use crate::text::units::{half_unit, parse_count, parse_duration, parse_number, scaled};

use super::timestamp;

/// The meaning of a group: the fields that it states, and how its text is read.
#[derive(Clone, Copy)]
pub struct Binding {
    group: &'static Group,
    /// The field of a record that the group states, and that of the facts.
    record: Option<&'static Field<Progress>>,
    fact: Option<&'static Field<Facts>>,
    /// The unit in the group's name, in SI units; 1 for none.
    scale: f64,
    has_unit: bool,
    scope: Scope,
}

/// What may follow a name.
const DURATION_UNITS: &[(&str, f64)] =
    &[("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("min", 60.0), ("h", 3600.0)];
const COUNT_UNITS: &[(&str, f64)] = &[("thousands", 1e3), ("millions", 1e6), ("billions", 1e9)];
const RATIO_UNITS: &[(&str, f64)] = &[("percent", 0.01)];
const RATE_SCOPES: &[(&str, f64)] = &[("per_gpu", 1.0)];

fn suffixes(kind: Kind) -> &'static [(&'static str, f64)] {
    match kind {
        Kind::Duration | Kind::Elapsed => DURATION_UNITS,
        Kind::Count | Kind::Size => COUNT_UNITS,
        Kind::Ratio => RATIO_UNITS,
        Kind::Rate => RATE_SCOPES,
        Kind::Ordinal | Kind::Number | Kind::Timestamp | Kind::Text | Kind::Flag => &[],
    }
}

/// The name of a kind in effllm-rules(5), for those kinds whose text has units or a suffix.
pub fn kind_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Duration | Kind::Elapsed => Some("time"),
        Kind::Count | Kind::Size => Some("count"),
        Kind::Ratio => Some("ratio"),
        Kind::Rate => Some("rate"),
        Kind::Ordinal | Kind::Number | Kind::Timestamp | Kind::Text | Kind::Flag => None,
    }
}

/// Every group that states a field of this set.
pub fn groups<Set>(
    fields: &'static [Field<Set>],
) -> impl Iterator<Item = (&'static Field<Set>, &'static Group)> + Clone {
    fields.iter().flat_map(|field| field.groups.iter().map(move |group| (field, group)))
}

fn all_groups() -> impl Iterator<Item = &'static Group> {
    groups(RECORD_FIELDS).map(|(_, group)| group).chain(groups(FACT_FIELDS).map(|(_, group)| group))
}

/// The meaning of a group of this name; an error names the closest field.
pub fn bind(name: &str) -> Result<Binding, String> {
    let found = all_groups().find_map(|group| Some((group, suffix(name, group)?)));
    let Some((group, suffix)) = found else { return Err(help(name)) };
    Ok(Binding {
        group,
        record: groups(RECORD_FIELDS).find(|(_, other)| other.name == group.name).map(|(field, _)| field),
        fact: groups(FACT_FIELDS).find(|(_, other)| other.name == group.name).map(|(field, _)| field),
        scale: suffix.map_or(1.0, |(_, scale)| scale),
        has_unit: suffix.is_some(),
        scope: if group.kind == Kind::Rate && suffix.is_some() { Scope::PerGpu } else { Scope::Global },
    })
}

/// What follows a group's own name in another name, if it is one of the suffixes of the kind or nothing.
fn suffix(name: &str, group: &Group) -> Option<Option<(&'static str, f64)>> {
    let rest = name.strip_prefix(group.name)?;
    if rest.is_empty() {
        return Some(None);
    }
    let suffix = rest.strip_prefix('_')?;
    suffixes(group.kind).iter().find(|(unit, _)| *unit == suffix).map(|found| Some(*found))
}

/// What to do about a name that is no field's: a unit may be wrong, or the name misspelt.
fn help(name: &str) -> String {
    let longest = all_groups()
        .filter(|group| name.strip_prefix(group.name).is_some_and(|rest| rest.starts_with('_')))
        .max_by_key(|group| group.name.len());
    let suffixes = longest.filter(|group| !suffixes(group.kind).is_empty()).map(|group| {
        let known = suffixes(group.kind).iter().map(|(unit, _)| format!("'_{unit}'")).collect::<Vec<_>>();
        format!("what may follow '{}' is {}", group.name, known.join(", "))
    });
    let nearest = error::nearest(name, all_groups().map(|group| group.name));
    match nearest.map(|name| format!("did you mean '{name}'?")).or(suffixes) {
        Some(hint) => format!("{hint} effllm-rules(5) lists the fields"),
        None => "effllm-rules(5) lists the fields".to_owned(),
    }
}

impl Binding {
    /// The name of the value: the group's, or the field's if the text is turned into another quantity.
    pub fn name(&self) -> &'static str {
        let of_field = || {
            let record = self.record.and_then(|field| field.groups.first());
            record.or_else(|| self.fact?.groups.first())
        };
        Some(self.group).filter(|group| group.turn == Turn::None).or_else(of_field).unwrap_or(self.group).name
    }

    /// Whether the field is one of a progress record.
    pub fn is_of_record(&self) -> bool {
        self.record.is_some()
    }

    /// Puts a value into a record.
    pub fn state(&self, record: &mut Progress, value: &Value) {
        if let Some(field) = self.record {
            field.state(record, value, "");
        }
    }

    /// Puts a value into the facts; `label` is a text that the same line states.
    pub fn state_fact(&self, facts: &mut Facts, value: &Value, label: &str) {
        if let Some(field) = self.fact {
            field.state(facts, value, label);
        }
    }

    /// The expression of a text that states the field: an empty group stands for it.
    pub fn text_expression(&self) -> Option<&'static str> {
        match self.group.kind {
            Kind::Flag | Kind::Text => None,
            Kind::Timestamp => Some(timestamp::EXPRESSION),
            Kind::Ordinal => Some(ORDINAL),
            Kind::Duration | Kind::Elapsed if !self.has_unit => Some(TIME),
            _ => Some(NUMBER),
        }
    }

    /// Reads the text; `None` if it is no value of the field (a negative time, 10³⁰ tokens): a log may
    /// hold anything, and a value that cannot be true is not stated.
    pub fn read(&self, text: &str) -> Option<Value> {
        let kind = self.group.kind;
        let number = match kind {
            Kind::Flag => return Some(Value::Flag),
            Kind::Text => return Some(Value::Text(text.to_owned())),
            Kind::Timestamp => return timestamp::parse(text).map(Value::Time),
            Kind::Duration | Kind::Elapsed => parse_duration(text).or_else(|| parse_count(text))?,
            Kind::Number | Kind::Ratio => match parse_number(text).or_else(|| parse_count(text)) {
                Some(number) => number,
                None => return is_not_finite(text).then_some(Value::NotFinite),
            },
            Kind::Ordinal | Kind::Count | Kind::Size | Kind::Rate => parse_count(text)?,
        };
        let number = scaled(number, self.scale);
        let number = match self.group.turn {
            Turn::None => number,
            Turn::Times(scale) => scaled(number, scale),
            Turn::Plus(shift) => number + shift,
            Turn::Inverse => 1.0 / number,
        };
        let is_believable = match kind {
            _ if self.group.turn == Turn::Inverse => number > 0.0 && number <= LARGEST_INVERSE,
            Kind::Ordinal => (0.0..=LARGEST_ORDINAL).contains(&number) && is_whole(number),
            Kind::Count | Kind::Rate => (0.0..=LARGEST_COUNT).contains(&number),
            Kind::Size => number > 0.0 && number <= LARGEST_COUNT,
            Kind::Duration => number > 0.0 && number <= LONGEST_TIME,
            Kind::Elapsed => (0.0..=LONGEST_TIME).contains(&number),
            Kind::Ratio => (0.0..=1.5).contains(&number),
            Kind::Number | Kind::Timestamp | Kind::Text | Kind::Flag => number.is_finite(),
        };
        is_believable.then(|| match kind {
            Kind::Rate => Value::Rate(number, self.scope),
            // A bar prints whole seconds; a time in milliseconds is printed in them.
            Kind::Elapsed => {
                Value::Time(LogTime { seconds: number, resolution: self.scale.min(1.0), is_timestamp: false })
            }
            _ => Value::Number(Stated { value: number, half_unit: half_unit(text) * self.scale }),
        })
    }
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binding").field("group", self.group).finish_non_exhaustive()
    }
}

macro_rules! with_unit {
    () => {
        r"(?:\d[\d.,]*|\.\d+)\x20?(?:(?:[num]|\xc2\xb5|\xce\xbc)?s|[mhd]|secs?|mins?|hrs?|seconds?|minutes?|hours?|days?)\b"
    };
}

/// Whether a number is whole, but for the rounding of `4.35k`.
fn is_whole(number: f64) -> bool {
    (number - number.round()).abs() <= 1e-9 * number
}

// Expressions of texts. They hold in verbose mode, too, and each byte decides how they go on, if it can: so
// the groups of most patterns are found in one pass.
/// With separators, or rounded: a bar may show `1.20k`.
const ORDINAL: &str = r"\d+(?:[,_]\d{3})*(?:(?:\.\d+)?[kM]\b)?";
/// With separators, a decimal comma, an exponent or an SI suffix; or not finite.
const NUMBER: &str =
    r"[-+]?(?:(?:\d+(?:[.,_]\d+)*|\.\d+)(?:[eE][-+]?\d+)?(?:[KMBGTPkmbgtp]\b)?|(?i:nan|inf(?:inity)?)\b)";
/// `1:02:03`, `1h 22m 38s`, `820 ms`, or seconds.
const TIME: &str = concat!(
    r"(?:\d+\x20days?,\x20)?\d+(?::\d\d){1,2}(?:\.\d+)?|",
    with_unit!(),
    r"(?:,?\x20?",
    with_unit!(),
    r")*|(?:\d+(?:[.,]\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
);

/// An expression without the parts that stand for an empty group.
pub fn as_written(expression: &str) -> String {
    let parts = [timestamp::EXPRESSION, ORDINAL, TIME, NUMBER];
    parts.iter().fold(expression.to_owned(), |text, part| text.replace(&format!(">{part})"), ">)"))
}

fn is_not_finite(text: &str) -> bool {
    text.parse().is_ok_and(|number: f64| !number.is_finite())
}

/// Seconds an iteration, or tokens a second.
const LARGEST_INVERSE: f64 = LONGEST_TIME;
/// Ten years, in seconds.
const LONGEST_TIME: f64 = 3.2e8;
const LARGEST_ORDINAL: f64 = 1e12;
/// A thousand times the tokens of the largest runs.
const LARGEST_COUNT: f64 = 1e18;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(group: &str, text: &str) -> Option<f64> {
        match bind(group).ok()?.read(text)? {
            Value::Number(stated) => Some(stated.value),
            _ => None,
        }
    }

    #[test]
    fn a_unit_is_a_suffix_of_the_groups_name() {
        for (group, text, value) in [
            ("step_time_ms", "1147.6", 1.1476),
            ("step_time_ms", "1.65K", 1.65),
            ("step_time", "58.76s", 58.76),
            ("iterations_per_s", "4", 0.25),
            ("parameters_billions", "0.49", 0.49e9),
            ("mfu_percent", "39.73", 0.3973),
            ("iteration_before", "41", 42.0),
            ("time_per_token_ms", "40", 25.0),
            ("time_per_token", "40ms", 25.0),
            ("flops_per_gpu", "412e12", 412.0),
            ("grad_norm", "1.2K", 1200.0),
        ] {
            assert_eq!(read(group, text), Some(value), "{group} {text}");
        }
        let per_gpu = bind("tokens_per_s_per_gpu").expect("a field").read("7,010");
        assert_eq!(per_gpu, Some(Value::Rate(7010.0, Scope::PerGpu)));
    }

    #[test]
    fn values_that_cannot_be_true_are_not_stated() {
        for (group, text) in [
            ("step_time_ms", "-5"),
            ("step_time_s", "0"),
            ("sequence_length", "0"),
            ("consumed_tokens", "1000000000000000000000000000000"),
            ("iteration", "1.5"),
            ("iteration", "99999999999999999999"),
            ("mfu_percent", "-100"),
            ("iterations_per_s", "0"),
        ] {
            assert_eq!(read(group, text), None, "{group} {text}");
        }
        assert_eq!(bind("loss").expect("a field").read("nan"), Some(Value::NotFinite));
    }

    #[test]
    fn a_misspelt_field_is_answered_with_the_closest_one() {
        let help = bind("tokns").expect_err("no field");
        assert!(help.contains("'tokens'"), "{help}");
        let help = bind("step_time_parsecs").expect_err("no unit");
        assert!(help.contains("'_ms'"), "{help}");
    }
}
