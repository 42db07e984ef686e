//! Where each setting was given, so that whatever turns out to be wrong with one can name its place,
//! and the report can say where a value came from.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use crate::error::{Error, Location};

/// The origins of those settings that stand in a file, by their keys. All others are flags.
#[derive(Debug, Clone, Default)]
pub struct SettingOrigins(BTreeMap<String, ProcessSlot>);

/// A value in a file.
#[derive(Debug, Clone)]
struct ProcessSlot {
    file: Arc<str>,
    text: Arc<str>,
    /// Where in the text it begins, in bytes.
    offset: usize,
}

impl SettingOrigins {
    /// Those of a file's keys, of which no other has the name of one in `[gate]`; none if it is no TOML, which who reads it is told.
    pub fn of(file: &str, text: &str) -> Self {
        type Keys = BTreeMap<String, Spanned<IgnoredAny>>;
        #[derive(Default, Deserialize)]
        struct Table {
            #[serde(default)]
            gate: Keys,
        }
        let keys: Keys = toml::from_str(text).unwrap_or_default();
        let Table { gate } = toml::from_str(text).unwrap_or_default();
        let (file, text): (Arc<str>, Arc<str>) = (file.into(), text.into());
        let place = |value: Spanned<IgnoredAny>| ProcessSlot {
            file: file.clone(),
            text: text.clone(),
            offset: value.span().start,
        };
        Self(keys.into_iter().chain(gate).map(|(key, value)| (key, place(value))).collect())
    }

    /// These over others.
    pub fn or(self, mut below: Self) -> Self {
        below.0.extend(self.0);
        below
    }

    /// A key has got its value from elsewhere.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Who gave a setting: `--seq-len`, or `seq-len in effllm.toml`.
    pub fn source(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(place) => format!("{key} in {}", place.file),
            None => format!("--{key}"),
        }
    }

    /// The line that gave a setting, `effllm.toml:2`, if it stands in a file.
    pub fn line(&self, key: &str) -> Option<String> {
        let place = self.0.get(key)?;
        let before = place.text.get(..place.offset)?;
        Some(format!("{}:{}", place.file, before.matches('\n').count() + 1))
    }

    /// The setting as it was given: `--gpus all`, or `gpus = all in effllm.toml`.
    pub fn given(&self, key: &str, value: impl Display) -> String {
        match self.0.get(key) {
            Some(place) => format!("{key} = {value} in {}", place.file),
            None => format!("--{key} {value}"),
        }
    }

    /// An error that a setting has led to, with the place where the setting stands.
    pub fn attach_origin(&self, error: Error) -> Error {
        let Some(Location::Flag(key)) = &error.location else { return error };
        let Some(place) = self.0.get(key) else { return error };
        let (location, excerpt) = Location::in_file(&place.file, &place.text, place.offset, Some(key));
        Error { location: Some(location), excerpt: error.excerpt.or(Some(excerpt)), ..error }
    }
}
