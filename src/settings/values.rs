//! The values of settings, each read in one way from a flag, a variable or a file, and checked there.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::error;
use crate::log::{Rules, profiles};
use crate::model::units::{parse_count, parse_duration};

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

impl FromStr for ReportTarget {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("an empty name is no file; `-` is stdout".to_owned()),
            "-" => Ok(Self::Stdout),
            file => Ok(Self::File(PathBuf::from(file))),
        }
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

/// A number above zero with an optional suffix: 7.6B, 494M, 2048.
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
            Some(count) if (1.0..=1e18).contains(&count) => Ok(Self(count)),
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

/// The name of a profile in a file: `auto`, or one that there is.
pub fn profile<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    checked(deserializer, |name| if name == "auto" { Ok(()) } else { profiles::text(name).map(drop) })
}

/// An expression of one's own in a file.
pub fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    checked(deserializer, |pattern| Rules::from_pattern(pattern).map(drop))
}

/// A text of a file, checked where an error can still name its place there.
fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    check: fn(&str) -> Result<(), error::Error>,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let told = |error: error::Error| {
        let what = error.what.strip_prefix("--pattern: ").unwrap_or(&error.what);
        D::Error::custom(format!("{what}\n{}", error.way_out.unwrap_or_default()))
    };
    check(&text).map_err(told).map(|()| Some(text))
}

/// Reads a value from a file as it is read from a flag, whether it is written as text or as a number.
pub fn text_or_number<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    deserializer.deserialize_any(TextOrNumber(PhantomData)).map(Some)
}

/// How it reads them.
pub struct TextOrNumber<T>(pub PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for TextOrNumber<T> {
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
