//! The one error that reaches the user: what went wrong, where, and the way out.

use std::fmt;

/// Bad flags, rules or settings: found before the child starts.
pub const USAGE: u8 = 2;
/// effllm itself failed before the child ran.
pub const FAILED: u8 = 125;
/// The command succeeded, and what was required of it does not hold.
pub const GATE: u8 = 99;
/// The command was found but could not be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const NOT_FOUND: u8 = 127;

/// A failure that ends effllm, with the exit status that it ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub exit: u8,
    /// One line: what was being done to what, and what happened.
    pub what: String,
    /// The place, shown as it is below the line (a quoted pattern with a caret, for example).
    pub place: Option<String>,
    /// The way out, one line.
    pub help: Option<String>,
    /// The key of the setting that led to it. Where that stands is not known here.
    pub setting: Option<&'static str>,
}

impl Error {
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(USAGE, what)
    }

    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(FAILED, what)
    }

    pub fn new(exit: u8, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), place: None, help: None, setting: None }
    }

    /// A usage error at a byte offset of a file's text, as `rules.toml:12:14: …`, with the line shown:
    /// of a long one what is around the place.
    pub fn in_file(file: &str, text: &str, offset: usize, what: &str) -> Self {
        const MOST_SHOWN: usize = 200;
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let left_out = if column < MOST_SHOWN { 0 } else { column - MOST_SHOWN / 2 };
        let shown = text.lines().nth(line).unwrap_or_default().chars().skip(left_out).take(MOST_SHOWN);
        let caret = " ".repeat(column - left_out) + "^";
        let what: String = what.chars().take(2 * MOST_SHOWN).collect();
        Self::usage(format!("{file}:{}:{}: {what}", line + 1, column + 1))
            .at(format!("{}\n{caret}", shown.collect::<String>()))
    }

    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The setting by this key led to it.
    pub fn about(mut self, key: &'static str) -> Self {
        self.setting = Some(key);
        self
    }

    /// As [`about`](Self::about), and what was wrong is told of the flag of that name.
    pub fn of_flag(mut self, key: &'static str) -> Self {
        self.what = format!("--{key}: {}", self.what);
        self.about(key)
    }

    pub fn hint(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "effllm: error: {}", self.what)?;
        for line in self.place.iter().flat_map(|place| place.lines()) {
            write!(f, "\n    {line}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The known name nearest to a misspelt one, if any is near enough to be meant; else the shortest of
/// which it is the beginning.
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
