//! The environment's layer: the variables of the original tool, and effllm's own.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use super::layer::Layer;
use super::values::parse_bool;
use crate::error::{Error, Location};

const METRICS_ENABLED: &str = "EFFICIENTLLM_METRICS_ENABLED";
const COLLECTION_INTERVAL: &str = "EFFICIENTLLM_COLLECTION_INTERVAL";
const HISTORY_SIZE: &str = "EFFICIENTLLM_HISTORY_SIZE";
const LOG_INTERVAL: &str = "EFFICIENTLLM_LOG_INTERVAL";
const NVML_LIB: &str = "EFFLLM_NVML_LIB";

/// Whether anything is to be measured; if not, the command is executed in effllm's place.
pub fn metrics_enabled() -> Result<bool, Error> {
    Ok(variable(METRICS_ENABLED, parse_bool)?.unwrap_or(true))
}

/// What the environment says.
pub fn layer() -> Result<Layer, Error> {
    Ok(Layer {
        interval: variable(COLLECTION_INTERVAL, FromStr::from_str)?,
        history_size: variable(HISTORY_SIZE, FromStr::from_str)?,
        log_interval: variable(LOG_INTERVAL, FromStr::from_str)?,
        nvml_lib: env::var_os(NVML_LIB).filter(|path| !path.is_empty()).map(PathBuf::from),
        ..Layer::default()
    })
}

/// A variable's value; one that is set to nothing is as good as unset.
fn variable<T, E: Display>(
    name: &'static str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Error> {
    let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_string_lossy();
    let usage = |why: E| {
        Error::usage(format!("'{value}' {why}"))
            .at(Location::Variable(name))
            .hint(format!("correct it, or unset it: env -u {name} …"))
    };
    read(&value).map(Some).map_err(usage)
}
