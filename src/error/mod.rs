//! The error that the user sees: its message, where the faulty value was given, and help.

use std::fmt;

use crate::text::sanitize::plain;

/// Bad flags, rules or settings, found before the command starts.
pub const USAGE: u8 = 2;
/// effllm itself failed before the command ran.
pub const FAILED: u8 = 125;
/// The command succeeded and a requirement did not hold.
pub const GATE: u8 = 99;
/// The command was found but could not be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const NOT_FOUND: u8 = 127;

/// A failure that ends effllm, with the exit status that it ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub exit: u8,
    /// The operation, its object and the failure, in one line.
    pub message: String,
    /// Where the faulty value was given.
    pub location: Option<Location>,
    /// The faulty text, shown below the message, with a caret where a column is known.
    pub excerpt: Option<String>,
    /// What the user can do, in one line.
    pub help: Option<String>,
}

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A flag by its long name, which is also the key of the setting: `report`.
    Flag(String),
    /// A positional argument by its name in the help: `REPORT`.
    Argument(String),
    /// An environment variable.
    Variable(&'static str),
    /// A place in a file; lines and columns count from 1.
    File { path: String, line: usize, column: usize, key: Option<String> },
}

impl Error {
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FAILED, message)
    }

    pub fn new(exit: u8, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), location: None, excerpt: None, help: None }
    }

    /// A usage error at a byte offset of a file's text, with an excerpt of the line.
    pub fn in_file(path: &str, text: &str, offset: usize, message: &str) -> Self {
        let (location, excerpt) = Location::in_file(path, text, offset, None);
        let message: String = message.chars().take(2 * LONGEST_EXCERPT).collect();
        Self::usage(message).at(location).excerpt(excerpt)
    }

    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// The value of this flag, or of the setting with this key, is at fault.
    pub fn of_flag(self, key: &str) -> Self {
        self.at(Location::Flag(key.to_owned()))
    }

    pub fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The most characters of a file's line in an excerpt.
const LONGEST_EXCERPT: usize = 200;

impl Location {
    /// The place at a byte offset of a file's text, and its line with a caret below the place.
    pub fn in_file(path: &str, text: &str, offset: usize, key: Option<&str>) -> (Self, String) {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let skipped = if column < LONGEST_EXCERPT { 0 } else { column - LONGEST_EXCERPT / 2 };
        let shown = text.lines().nth(line).unwrap_or_default().chars().skip(skipped).take(LONGEST_EXCERPT);
        let excerpt = format!("{}\n{}^", shown.collect::<String>(), " ".repeat(column - skipped));
        let (path, key) = (path.to_owned(), key.map(str::to_owned));
        (Self::File { path, line: line + 1, column: column + 1, key }, excerpt)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Argument(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line, column, key: None } => write!(f, "{path}:{line}:{column}"),
            Self::File { path, line, column, key: Some(key) } => write!(f, "{path}:{line}:{column}: {key}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("effllm: error: ")?;
        if let Some(location) = &self.location {
            write!(f, "{}: ", plain(&location.to_string()))?;
        }
        f.write_str(&plain(&self.message))?;
        for line in self.excerpt.iter().flat_map(|excerpt| excerpt.lines()) {
            write!(f, "\n    {}", plain(line))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  {}", plain(help))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The known name that a misspelt one is most likely to mean: the nearest by edit distance, else the
/// shortest that it begins.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.len().max(name.len()) / 3))
        .min()
        .map(|(_, candidate)| candidate);
    // Of one or two letters too much is the beginning.
    let begun = || known.iter().filter(|candidate| name.len() > 2 && candidate.starts_with(name));
    near.or_else(|| begun().min_by_key(|candidate| candidate.len()).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_misspelt_or_cut_short() {
        let known = ["aec", "aec_watts", "aec_total_watts", "al_seconds", "al_p95_seconds", "pcu"];
        for (name, nearest_one) in [
            ("pcuu", Some("pcu")),
            ("aec_wats", Some("aec_watts")),
            ("aec_total", Some("aec_total_watts")),
            ("al_p95", Some("al_p95_seconds")),
            ("al_", Some("al_seconds")),
            ("al", None),
            ("throughput", None),
        ] {
            assert_eq!(nearest(name, known), nearest_one, "{name}");
        }
    }
}
