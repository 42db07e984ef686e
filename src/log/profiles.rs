//! The built-in profiles: rules as users write them, compiled into the program.

use super::rules::Rules;
use crate::error::{self, Error};

/// Name and text of each, in the order in which they are tried.
const PROFILES: &[(&str, &str)] = &[
    ("megatron", include_str!("profiles/megatron.toml")),
    ("hf-trainer", include_str!("profiles/hf-trainer.toml")),
];

/// The names of the built-in profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

/// The text of a built-in profile.
pub fn text(name: &str) -> Result<&'static str, Error> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).ok_or_else(|| {
        let known = names().collect::<Vec<_>>().join(", ");
        let way_out = match error::nearest(name, names()) {
            Some(near) => format!("did you mean '{near}'? the built-in profiles are {known}"),
            None => format!("the built-in profiles are {known}; --rules FILE reads your own"),
        };
        Error::usage(format!("no profile is named '{name}'")).hint(way_out)
    })
}

/// A built-in profile, compiled.
pub fn load(name: &str) -> Result<Rules, Error> {
    Rules::parse(text(name)?, &format!("profiles/{name}.toml"), name)
}

/// Every built-in profile, compiled.
pub fn load_all() -> Result<Vec<Rules>, Error> {
    names().map(load).collect()
}
