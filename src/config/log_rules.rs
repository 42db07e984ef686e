//! The rules that the log is read with.

use super::file;
use super::options::LogOptions;
use super::origins::SettingOrigins;
use crate::error::{Error, Location};
use crate::log::{LogReader, Rules, profiles};

#[derive(Debug)]
pub enum LogRules {
    /// The built-in profile that recognises the log.
    Auto,
    /// These, and the setting that chose them.
    These(Box<Rules>, String),
}

impl LogRules {
    /// A reader with these rules. Reading all built-in profiles takes longer than starting a command.
    pub fn reader(self) -> LogReader {
        match self {
            Self::Auto => LogReader::detecting(built_in()),
            Self::These(rules, because) => LogReader::with_rules(*rules, &because),
        }
    }

    /// Whether a log may state a field by these rules.
    pub fn states(&self, field: &str) -> bool {
        match self {
            Self::Auto => true,
            Self::These(rules, _) => rules.states(field),
        }
    }

    /// # Errors
    /// A profile is unknown, a file cannot be read, or rules are not valid.
    pub(super) fn load(options: &LogOptions, origins: &SettingOrigins) -> Result<Self, Error> {
        let base = match (&options.rules, options.profile.as_deref().filter(|name| *name != "auto")) {
            (Some(file), _) => {
                let rules = file::read_rules(file).map_err(|error| match origins.line("rules") {
                    // An error in the rules names their file, not the setting that named the file.
                    Some(line) if matches!(error.location, Some(Location::File { .. })) => {
                        Error { message: format!("{} (the rules of {line})", error.message), ..error }
                    }
                    _ => error,
                });
                Some((rules?, origins.given("rules")))
            }
            (None, Some(name)) => {
                let rules = profiles::load(name).map_err(|error| error.of_flag("profile"));
                Some((rules?, origins.given("profile")))
            }
            (None, None) => None,
        };
        let pattern = options.pattern.as_deref().map(Rules::from_pattern).transpose()?;
        let by_pattern = origins.source("pattern");
        Ok(match (base, pattern) {
            (Some((mut rules, because)), Some(pattern)) => {
                rules.records.extend(pattern.records);
                Self::These(Box::new(rules), format!("{because} and {by_pattern}"))
            }
            (Some((rules, because)), None) => Self::These(Box::new(rules), because),
            (None, Some(pattern)) => Self::These(Box::new(pattern), by_pattern),
            (None, None) => Self::Auto,
        })
    }
}

/// Every built-in profile. Tests prove that all of them are valid.
pub fn built_in() -> Vec<Rules> {
    profiles::load_all().unwrap_or_default()
}
