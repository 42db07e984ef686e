//! Defaults, configuration files, environment and flags become one [`Settings`].
//!
//! Each later one overrides those before it: the built-in default, the user's
//! `$XDG_CONFIG_HOME/effllm/config.toml`, the project's `effllm.toml` (or `--config FILE`), the
//! environment, the flag. All of them set the same [`Options`], whose values are read in one way.

mod environment;
mod file;
mod gate;
mod log_rules;
mod measurable;
mod options;
mod origins;
mod settings;
mod values;

pub use environment::metrics_enabled;
pub use file::parse as parse_file;
pub use log_rules::{LogRules, built_in};
pub use measurable::AvailableSources;
pub use options::{
    FileOptions, GateOptions, GpuOptions, LiveOptions, LogOptions, ModelOptions, NvmlOptions, Options,
    OutputOptions, ReportOptions,
};
pub use origins::SettingOrigins;
pub use settings::Settings;
pub use values::{LiveMode, ReportTarget, parse_duration, value_error};
