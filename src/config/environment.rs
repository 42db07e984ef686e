//! The environment variables: those of the original tool, and effllm's own.

use std::env;
use std::ffi::OsString;

use super::values::parse_bool;
use crate::error::{Error, Location};

const METRICS_ENABLED: &str = "EFFICIENTLLM_METRICS_ENABLED";
/// The variables that set an option, with its key.
pub const VARIABLES: [(&str, &str); 4] = [
    ("EFFICIENTLLM_COLLECTION_INTERVAL", "interval"),
    ("EFFICIENTLLM_HISTORY_SIZE", "history-size"),
    ("EFFICIENTLLM_LOG_INTERVAL", "log-interval"),
    ("EFFLLM_NVML_LIB", "nvml-lib"),
];

/// Whether anything is measured; otherwise effllm executes the command in its own place.
///
/// # Errors
/// The variable is neither true nor false.
pub fn metrics_enabled() -> Result<bool, Error> {
    let Some(value) = variable(METRICS_ENABLED) else { return Ok(true) };
    let value = value.to_string_lossy();
    parse_bool(&value).map_err(|reason| {
        let error = Error::usage(format!("'{value}' {reason}")).at(Location::Variable(METRICS_ENABLED));
        error.help(unset(METRICS_ENABLED))
    })
}

/// A variable's value; an empty one counts as unset.
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The help for a variable with a wrong value.
pub fn unset(name: &str) -> String {
    format!("correct it, or unset it: env -u {name} …")
}
