//! The values of options: how each is read from text, and its limits.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap::error::{ContextKind, ErrorKind};

use crate::error::Error;
use crate::text::units;

/// Where the report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportTarget {
    File(PathBuf),
    /// `-`: the command's stdout goes to stderr instead.
    Stdout,
}

impl ReportTarget {
    /// The path, unless the report goes to stdout.
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Stdout => None,
        }
    }
}

/// A file's name, or `-`.
pub fn parse_report(name: OsString) -> Result<ReportTarget, String> {
    match name.as_encoded_bytes() {
        b"" => Err("is not the name of a file; `-` is stdout".to_owned()),
        b"-" => Ok(ReportTarget::Stdout),
        _ => Ok(ReportTarget::File(PathBuf::from(name))),
    }
}

/// The file of a series: the name's ending chooses the format.
pub fn parse_series(name: OsString) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    match path.extension().and_then(OsStr::to_str) {
        Some("csv" | "jsonl") => Ok(path),
        _ => Err("must end in .csv or .jsonl, which selects the format".to_owned()),
    }
}

/// The choice of `--live`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LiveMode {
    /// The table on a terminal, else the log.
    Auto,
    Table,
    Log,
    Off,
}

/// How long a requirement may fail before the run is stopped; `None` for ever.
pub type FailFastAfter = Option<Duration>;

/// `true`, for half a minute, `false`, or a time.
pub fn parse_fail_fast(text: &str) -> Result<FailFastAfter, String> {
    const WHY: &str = "is not a number of seconds from 0.1 to 1000000, as in 30 or 5min";
    match text {
        "true" => Ok(Some(Duration::from_secs(30))),
        "false" => Ok(None),
        _ => time(text, 0.1..=1e6, WHY, WHY).map(Some),
    }
}

/// The time between two samples.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let beyond = "must be between 0.01 and 3600 seconds";
    time(text, 0.01..=3600.0, beyond, "is not a number of seconds, as in 1.0 or 500ms")
}

/// A time to wait.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let beyond = "must be between 0 seconds and a year";
    time(text, 0.0..=365.0 * 86400.0, beyond, "is not a duration, as in 30, 90s or 5m")
}

/// A time within limits, in seconds; else `beyond`, or `unreadable`.
fn time(text: &str, limits: RangeInclusive<f64>, beyond: &str, unreadable: &str) -> Result<Duration, String> {
    match units::parse_duration(text) {
        Some(seconds) if limits.contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err(beyond.to_owned()),
        None => Err(unreadable.to_owned()),
    }
}

/// A number of seconds, 0 or more.
pub fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = units::parse_duration(text).filter(|seconds| *seconds >= 0.0);
    seconds.ok_or_else(|| "is not a number of seconds, as in 90 or 5min".to_owned())
}

/// A whole number above zero with an optional suffix: 7.6B, 494M, 2048.
pub fn parse_count(text: &str) -> Result<f64, String> {
    match units::parse_count(text) {
        // The remainder of 1.0000000001B is an error of rounding, that of 7.6 a suffix left out.
        Some(count) if (count - count.round()).abs() > 1e-9 * count.abs() => {
            Err(format!("must be a whole number; did you mean {0}B, {0}M or {0}k?", text.trim()))
        }
        Some(count) if (1.0..=1e18).contains(&count) => Ok(count.round()),
        Some(_) => Err("must be between 1 and 1e18".to_owned()),
        None => Err("is not a number, as in 7.6B, 494M or 2048".to_owned()),
    }
}

/// The number of a model's parameters.
pub fn parse_parameters(text: &str) -> Result<f64, String> {
    let count = parse_count(text)?;
    if count < 1000.0 {
        let text = text.trim();
        return Err(format!("is too few for a model; did you mean {text}B, {text}M or {text}k?"));
    }
    Ok(count)
}

/// A whole number from 1 to 10 million.
pub fn parse_bounded(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=10_000_000).contains(number));
    number.ok_or_else(|| "must be a whole number between 1 and 10000000".to_owned())
}

/// A number of iterations.
pub fn parse_whole(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "must be a whole number, 0 or more".to_owned())
}

/// `9464`, `:9464`, `localhost:9464`, `0.0.0.0:9464` or `[::]:9464`.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let local = ["", ":", "localhost:"].into_iter().find_map(|before| {
        let port = text.strip_prefix(before)?.parse().ok()?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    });
    let reason = "is not an address: 9464 is a port of localhost, 0.0.0.0:9464 is open to other machines";
    local.or(text.parse().ok()).ok_or_else(|| reason.to_owned())
}

/// `true`, `1`, `yes`, `on` and their opposites.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

/// clap's error about a value, without the place of the value.
pub fn value_error(error: &clap::Error) -> Error {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    if let Some(error) = error.source().and_then(|source| source.downcast_ref::<Error>()) {
        return error.clone();
    }
    let message = match (error.kind(), error.source()) {
        (ErrorKind::ValueValidation, Some(reason)) => format!("'{value}' {reason}"),
        (ErrorKind::TooManyValues, _) => format!("takes no value, but '{value}' is given"),
        (ErrorKind::InvalidValue, _) if value.is_empty() => "needs a value".to_owned(),
        (ErrorKind::InvalidValue, _) => {
            format!("'{value}' is not one of {}", context(ContextKind::ValidValue))
        }
        (kind, _) => kind.as_str().unwrap_or("invalid arguments").to_owned(),
    };
    Error::usage(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_localhost() {
        for (text, address) in [
            ("9464", Some("127.0.0.1:9464")),
            (":9464", Some("127.0.0.1:9464")),
            ("localhost:9464", Some("127.0.0.1:9464")),
            ("0.0.0.0:9464", Some("0.0.0.0:9464")),
            ("[::]:9464", Some("[::]:9464")),
            ("0", Some("127.0.0.1:0")),
            ("99999", None),
            ("host:9464", None),
            ("", None),
        ] {
            let parsed = parse_address(text).ok().map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), address, "{text}");
        }
    }
}
