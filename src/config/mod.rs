//! Defaults, configuration files, environment and flags become one [`Settings`].
//!
//! Each later one overrides those before it: the built-in default, the user's
//! `$XDG_CONFIG_HOME/effllm/config.toml`, the project's `effllm.toml` (or `--config FILE`), the
//! environment, the flag. All four are the same [`Layer`]; raw arguments go no further than this.

mod environment;
mod file;
mod gate;
mod layer;
mod origins;
mod read;
mod values;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use environment::metrics_enabled;
pub use file::{read_report, read_reports};
pub use gate::{GateLayer, GateSettings};
pub use layer::{COMMAND, Layer};
pub use origins::SettingOrigins;
pub use values::{Bounded, Count, Interval, Parameters, Patience, ReportTarget, Whole};

use crate::error::Error;
use crate::fs::conflicts::FileUse;
use crate::gpu::GpuChoice;
use crate::log::{LogReader, Rules, profiles};
use crate::process::{StdioMode, TakenSignal};
use crate::recorder::{self, Given};
use crate::sink::{self, series::SeriesFile};
use crate::terminal::LiveMode;

/// What a run is to do.
#[derive(Debug)]
pub struct Settings {
    pub report: ReportTarget,
    /// Between two samples.
    pub interval: Duration,
    /// Points kept for each plot; never changes an average.
    pub history_size: usize,
    /// Iterations between two console reports.
    pub log_interval: u64,
    pub log: LogRules,
    pub parameters: Option<Given>,
    pub sequence_length: Option<Given>,
    pub global_batch_size: Option<Given>,
    pub gpus: GpuChoice,
    pub nvml_library: Option<PathBuf>,
    pub live: LiveMode,
    pub sinks: sink::SinkSettings,
    /// Iterations left out of the headline window.
    pub warmup: u64,
    /// Set PYTHONUNBUFFERED for the command.
    pub unbuffer: bool,
    /// Nothing of effllm's own on stderr but errors.
    pub quiet: bool,
    pub gate: GateSettings,
    pub stdio: StdioMode,
    /// How long after a forwarded SIGTERM everything is killed.
    pub kill_after: Option<Duration>,
    /// Signals that are kept from the command.
    pub not_forwarded: Vec<TakenSignal>,
    /// Mask what looks like a secret in the report.
    pub mask: bool,
    /// The files of settings and rules.
    pub read: Vec<FileUse>,
    /// Where all of this was given.
    pub origins: SettingOrigins,
}

/// By which rules the log is read.
#[derive(Debug)]
pub enum LogRules {
    /// The built-in profile that recognises the log.
    Auto(Vec<Rules>),
    /// These, and who chose them.
    These(Box<Rules>, String),
}

impl LogRules {
    /// A reader by these rules.
    pub fn reader(self) -> LogReader {
        match self {
            Self::Auto(profiles) => LogReader::detecting(profiles),
            Self::These(rules, because) => LogReader::with_rules(*rules, &because),
        }
    }

    fn load(layer: &Layer) -> Result<Self, Error> {
        let base = match (&layer.rules, layer.profile.as_deref().filter(|name| *name != "auto")) {
            (Some(file), _) => {
                let given = layer.origins.given("rules", file.display());
                let rules = file::read_rules(file).map_err(|error| match layer.origins.line("rules") {
                    // An error within the rules names their file alone, not who asked for it.
                    Some(line) if error.setting.is_none() => {
                        Error { what: format!("{} (the rules of {line})", error.what), ..error }
                    }
                    _ => error,
                })?;
                Some((rules, given))
            }
            (None, Some(name)) => {
                let rules = profiles::load(name).map_err(|error| error.of_flag("profile"))?;
                Some((rules, layer.origins.given("profile", name)))
            }
            (None, None) => None,
        };
        let pattern = layer.pattern.as_deref().map(Rules::from_pattern).transpose();
        let pattern = pattern.map_err(|error| error.about("pattern"))?;
        let by_pattern = layer.origins.source("pattern");
        Ok(match (base, pattern) {
            (Some((mut rules, because)), Some(pattern)) => {
                rules.records.extend(pattern.records);
                Self::These(Box::new(rules), format!("{because} and {by_pattern}"))
            }
            (Some((rules, because)), None) => Self::These(Box::new(rules), because),
            (None, Some(pattern)) => Self::These(Box::new(pattern), by_pattern),
            (None, None) => Self::Auto(profiles::load_all()?),
        })
    }
}

impl Settings {
    /// What the recorder is to know of them.
    pub fn recorder_options(&self) -> recorder::Options {
        recorder::Options {
            parameters: self.parameters.clone(),
            sequence_length: self.sequence_length.clone(),
            global_batch_size: self.global_batch_size.clone(),
            warmup: self.warmup,
            history_size: self.history_size,
            interval: self.interval.as_secs_f64(),
        }
    }

    /// The files that a run writes and reads, besides those of its gate.
    pub fn uses(&self) -> Vec<FileUse> {
        let report = match &self.report {
            ReportTarget::File(path) => Some(path.as_path()),
            ReportTarget::Stdout => None,
        };
        let series = self.sinks.series.as_ref().map(SeriesFile::path);
        let openmetrics = self.sinks.openmetrics.as_deref();
        let written =
            |(key, path): (&str, Option<&Path>)| Some(FileUse::written(self.origins.source(key), path?));
        [("report", report), ("series", series), ("openmetrics", openmetrics)]
            .into_iter()
            .filter_map(written)
            .chain(self.read.iter().cloned())
            .collect()
    }

    /// Whether the flags and files require something of the run, and may say so. Files that cannot be read
    /// require nothing: this is for where nothing is measured, and nothing is to fail.
    pub fn require_something(flags: Layer) -> bool {
        let files = file::layers(flags.config.as_deref()).map(|(files, _)| files).unwrap_or_default();
        let layer = flags.or(files);
        layer.gate.requires_something() && layer.quiet != Some(true)
    }

    /// Settles flags, environment and files; every bad value is an error here, before anything runs.
    pub fn resolve(flags: Layer) -> Result<Self, Error> {
        let config = match flags.config.clone() {
            Some(file) => FileUse::read("--config", file),
            None => FileUse::read("effllm", "effllm.toml"),
        };
        let (files, unread) = file::layers(flags.config.as_deref())?;
        let layer = flags.or(environment::layer()?).or(files);
        for file in unread.iter().filter(|_| layer.quiet != Some(true)) {
            let _ =
                writeln!(io::stderr(), "effllm: warning: settings that cannot be read are not used: {file}");
        }
        // Before the rules, whose patterns take a while to compile: a slip of the pen is told at once.
        let gate = GateSettings::new(layer.gate.clone(), layer.fail_fast, layer.origins.clone())?;
        let log_interval = layer.log_interval.map_or(10, u64::from);
        let size = |count: Option<Count>, key| {
            count.map(|count| Given { value: count.value(), source: layer.origins.source(key) })
        };
        Ok(Self {
            report: layer.report.clone().unwrap_or_else(ReportTarget::default_file),
            interval: layer.interval.unwrap_or_default().0,
            history_size: layer.history_size.map_or(1000, usize::from),
            log_interval,
            sinks: sink::SinkSettings {
                tensorboard: layer.tensorboard.clone(),
                series: layer.series.clone(),
                openmetrics: layer.openmetrics.clone(),
                listen: layer.listen,
                log_interval,
            },
            read: layer
                .rules
                .clone()
                .map(|file| FileUse::read(layer.origins.source("rules"), file))
                .into_iter()
                .chain([config])
                .collect(),
            log: LogRules::load(&layer).map_err(|error| layer.origins.attach_origin(error))?,
            parameters: size(layer.params.map(|parameters| parameters.0), "params"),
            sequence_length: size(layer.seq_len, "seq-len"),
            global_batch_size: size(layer.global_batch_size, "global-batch-size"),
            gpus: layer.gpus.unwrap_or_default(),
            nvml_library: layer.nvml_lib,
            live: layer.live.unwrap_or_default(),
            warmup: layer.warmup.map_or(0, |warmup| warmup.0),
            unbuffer: !layer.no_unbuffer.unwrap_or(false),
            quiet: layer.quiet.unwrap_or(false),
            gate,
            stdio: layer.stdio.unwrap_or_default(),
            kill_after: layer.kill_after.map(|patience| patience.0),
            not_forwarded: layer.no_forward.unwrap_or_default(),
            mask: !layer.no_mask.unwrap_or(false),
            origins: layer.origins,
        })
    }
}
