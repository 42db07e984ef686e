//! Where each setting was given, for errors about its value and for the report.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::error::{Error, Location};

/// The places of each setting by its key, one for each of its values.
#[derive(Debug, Clone, Default)]
pub struct SettingOrigins(BTreeMap<String, Vec<Origin>>);

/// Where a setting was given.
#[derive(Debug, Clone)]
pub struct Origin {
    pub location: Location,
    pub excerpt: Option<String>,
}

impl From<Location> for Origin {
    fn from(location: Location) -> Self {
        Self { location, excerpt: None }
    }
}

impl Origin {
    /// The error about the value that was given here.
    pub fn error(self, message: String) -> Error {
        Error { location: Some(self.location), excerpt: self.excerpt, ..Error::usage(message) }
    }
}

impl SettingOrigins {
    pub fn insert(&mut self, key: &str, origins: Vec<Origin>) {
        self.0.insert(key.to_owned(), origins);
    }

    fn location(&self, key: &str) -> Option<&Location> {
        self.0.get(key)?.first().map(|origin| &origin.location)
    }

    /// What gave a setting: `--seq-len`, `seq-len in effllm.toml`, or a variable.
    pub fn source(&self, key: &str) -> String {
        match self.location(key) {
            Some(Location::File { path, .. }) => format!("{key} in {path}"),
            Some(Location::Variable(name)) => (*name).to_owned(),
            _ => format!("--{key}"),
        }
    }

    /// The setting as it was given: `--gpus all`, or `gpus = all in effllm.toml`.
    pub fn given(&self, key: &str, value: impl Display) -> String {
        match self.location(key) {
            Some(Location::File { path, .. }) => format!("{key} = {value} in {path}"),
            Some(Location::Variable(name)) => format!("{name}={value}"),
            _ => format!("--{key} {value}"),
        }
    }

    /// The file and line that gave a setting, as in `effllm.toml:2`.
    pub fn line(&self, key: &str) -> Option<String> {
        match self.location(key)? {
            Location::File { path, line, .. } => Some(format!("{path}:{line}")),
            _ => None,
        }
    }

    /// The error about a flag's value, with the place that gave the value.
    pub fn attach_origin(&self, error: Error) -> Error {
        self.attach_nth(0, error)
    }

    /// The same for the flag's nth value.
    pub fn attach_nth(&self, nth: usize, error: Error) -> Error {
        let Some(Location::Flag(key)) = &error.location else { return error };
        let Some(origin) = self.0.get(key).and_then(|origins| origins.get(nth)).cloned() else {
            return error;
        };
        Error { location: Some(origin.location), excerpt: error.excerpt.or(origin.excerpt), ..error }
    }
}
