//! What gave each setting, for errors about its value and for the report.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::options::Options;
use super::values::value_error;
use crate::error::{Error, Location};

/// The values of each setting by its key, each with its place.
#[derive(Debug, Clone, Default)]
pub struct SettingOrigins(BTreeMap<String, Vec<Given>>);

/// A value of a setting, and the place that gave it.
#[derive(Debug, Clone)]
pub struct Given {
    pub value: OsString,
    pub location: Location,
    pub excerpt: Option<String>,
}

impl SettingOrigins {
    /// Sets an option, in the place of an earlier value.
    ///
    /// # Errors
    /// The option does not take a value. `help` is for those that do not say more themselves.
    pub fn set(&mut self, key: &str, values: Vec<Given>, help: &str) -> Result<(), Error> {
        for Given { value, location, excerpt } in &values {
            Options::parse([(key, value.as_os_str())]).map_err(|error| {
                let error = value_error(&error).at(location.clone());
                let help = error.help.or(Some(help.to_owned()));
                Error { excerpt: error.excerpt.or(excerpt.clone()), help, ..error }
            })?;
        }
        // A profile and a file of rules are one choice: the later one hides the earlier one.
        if ["profile", "rules"].contains(&key) {
            self.0.retain(|known, _| !["profile", "rules"].contains(&known.as_str()));
        }
        self.0.insert(key.to_owned(), values);
        Ok(())
    }

    /// The options as they were set.
    ///
    /// # Errors
    /// Two of them exclude each other.
    pub fn options(&self) -> Result<Options, Error> {
        let each = self.0.iter().flat_map(|(key, values)| values.iter().map(move |given| (key, given)));
        let values = each.map(|(key, given)| (key.as_str(), given.value.as_os_str()));
        Options::parse(values).map_err(|error| value_error(&error))
    }

    fn first(&self, key: &str) -> Option<&Given> {
        self.0.get(key)?.first()
    }

    /// What gave a setting: `--seq-len`, `seq-len in effllm.toml`, or a variable.
    pub fn source(&self, key: &str) -> String {
        match self.first(key).map(|given| &given.location) {
            Some(Location::File { path, .. }) => format!("{key} in {path}"),
            Some(Location::Variable(name)) => (*name).to_owned(),
            _ => format!("--{key}"),
        }
    }

    /// The setting as it was given: `--gpus all`, or `gpus = all in effllm.toml`.
    pub fn given(&self, key: &str) -> String {
        let Some(Given { value, location, .. }) = self.first(key) else { return format!("--{key}") };
        let value = value.to_string_lossy();
        match location {
            Location::File { path, .. } => format!("{key} = {value} in {path}"),
            Location::Variable(name) => format!("{name}={value}"),
            _ => format!("--{key} {value}"),
        }
    }

    /// The file and line that gave a setting, as in `effllm.toml:2`.
    pub fn line(&self, key: &str) -> Option<String> {
        match &self.first(key)?.location {
            Location::File { path, line, .. } => Some(format!("{path}:{line}")),
            _ => None,
        }
    }

    /// The error about a flag's value, with the place that gave the value.
    pub fn attach_origin(&self, error: Error) -> Error {
        let Some(Location::Flag(key)) = &error.location else { return error };
        let Some(Given { location, excerpt, .. }) = self.first(key).cloned() else { return error };
        Error { location: Some(location), excerpt: error.excerpt.or(excerpt), ..error }
    }
}
