//! The values of settings, each read in one way from a flag, a variable or a file, and checked there.

use std::error::Error as _;
use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use crate::text::units::{parse_count, parse_duration};

/// Where the report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportTarget {
    File(PathBuf),
    /// `-`: the command's stdout goes to stderr instead.
    Stdout,
}

impl ReportTarget {
    pub fn default_file() -> Self {
        Self::File(PathBuf::from("effllm-report.json"))
    }
}

impl TryFrom<OsString> for ReportTarget {
    type Error = String;
    fn try_from(name: OsString) -> Result<Self, String> {
        match name.as_encoded_bytes() {
            b"" => Err("names no file; `-` is stdout".to_owned()),
            b"-" => Ok(Self::Stdout),
            _ => Ok(Self::File(PathBuf::from(name))),
        }
    }
}

impl FromStr for ReportTarget {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(OsString::from(text))
    }
}

/// Reads a name of a file, which need not be UTF-8, from a flag.
pub fn file_name<T>() -> impl TypedValueParser<Value = T>
where
    T: TryFrom<OsString, Error = String> + Clone + Send + Sync + 'static,
{
    OsStringValueParser::new().try_map(T::try_from)
}

/// The message of clap's error about a value.
pub fn value_message(error: &clap::Error) -> String {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    match (error.kind(), error.source()) {
        (ErrorKind::ValueValidation, Some(reason)) => format!("'{value}' {reason}"),
        (ErrorKind::TooManyValues, _) => format!("takes no value, but '{value}' is given"),
        (ErrorKind::InvalidValue, _) if value.is_empty() => "needs a value".to_owned(),
        (ErrorKind::InvalidValue, _) => {
            format!("'{value}' is not one of {}", context(ContextKind::ValidValue))
        }
        (kind, _) => kind.as_str().unwrap_or("invalid arguments").to_owned(),
    }
}

/// The time between two samples: 10 ms to an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl Default for Interval {
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

impl FromStr for Interval {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match parse_duration(text) {
            Some(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(Self(Duration::from_secs_f64(seconds))),
            Some(_) => Err("must be between 0.01 and 3600 seconds".to_owned()),
            None => Err("is no number of seconds, as in 1.0 or 500ms".to_owned()),
        }
    }
}

/// A time to wait: up to a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(pub Duration);

impl FromStr for Patience {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match parse_duration(text) {
            Some(seconds) if (0.0..=365.0 * 86400.0).contains(&seconds) => {
                Ok(Self(Duration::from_secs_f64(seconds)))
            }
            Some(_) => Err("must be between 0 seconds and a year".to_owned()),
            None => Err("is no duration, as in 30, 90s or 5m".to_owned()),
        }
    }
}

/// A whole number above zero with an optional suffix: 7.6B, 494M, 2048.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Count(f64);

impl Count {
    pub fn value(self) -> f64 {
        self.0
    }
}

impl FromStr for Count {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match parse_count(text) {
            // Of 1.0000000001B the remainder is an error of rounding, of 7.6 it is a suffix left out.
            Some(count) if (count - count.round()).abs() > 1e-9 * count.abs() => {
                Err(format!("must be a whole number; did you mean {0}B, {0}M or {0}k?", text.trim()))
            }
            Some(count) if (1.0..=1e18).contains(&count) => Ok(Self(count.round())),
            Some(_) => Err("must be between 1 and 1e18".to_owned()),
            None => Err("is no number, as in 7.6B, 494M or 2048".to_owned()),
        }
    }
}

/// A whole number between 1 and 10 million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounded(u32);

impl FromStr for Bounded {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<u32>() {
            Ok(number) if (1..=10_000_000).contains(&number) => Ok(Self(number)),
            _ => Err("must be a whole number between 1 and 10000000".to_owned()),
        }
    }
}

/// A number of iterations, none included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(pub u64);

impl FromStr for Whole {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| "must be a whole number, 0 or more".to_owned())
    }
}

/// How many parameters a model has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters(pub Count);

impl FromStr for Parameters {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let count: Count = text.parse()?;
        if count.value() < 1000.0 {
            let text = text.trim();
            return Err(format!("is less than any model has; did you mean {text}B, {text}M or {text}k?"));
        }
        Ok(Self(count))
    }
}

impl From<Bounded> for u64 {
    fn from(bounded: Bounded) -> Self {
        Self::from(bounded.0)
    }
}

impl From<Bounded> for usize {
    fn from(bounded: Bounded) -> Self {
        Self::try_from(bounded.0).unwrap_or(Self::MAX)
    }
}

/// Reads a value from a file as it is read from a flag, whether it is written as text or as a number.
pub fn text_or_number<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    TextOrNumber(PhantomData).deserialize(deserializer).map(Some)
}

/// Reads a list of such values from a file; one alone is a list of one.
pub fn one_or_more<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    deserializer.deserialize_any(OneOrMore(PhantomData))
}

/// As [`one_or_more`], for an option that may be left out.
pub fn some_or_more<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    one_or_more(deserializer).map(Some)
}

/// Reads `true` or `false` from a file, in all their forms.
pub fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    text_or_number::<D, YesOrNo>(deserializer).map(|flag| flag.map(|flag| flag.0))
}

struct YesOrNo(bool);

impl FromStr for YesOrNo {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_bool(text).map(Self)
    }
}

struct OneOrMore<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for OneOrMore<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        TextOrNumber(PhantomData).visit_str(text).map(|value| vec![value])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(TextOrNumber(PhantomData))? {
            values.push(value);
        }
        Ok(values)
    }
}

/// How a text or a number is read.
struct TextOrNumber<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> DeserializeSeed<'de> for TextOrNumber<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextOrNumber<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let one_line = || text.replace(char::is_control, " ");
        text.parse().map_err(|why| E::custom(format!("'{}' {why}", one_line())))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<T, E> {
        self.visit_str(if flag { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// Reads `true`, `1`, `yes`, `on` and their opposites.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}
