//! The settings of a run: flags over environment variables, over files, over defaults.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::{VARIABLES, unset, variable};
use super::file;
use super::gate::GateSettings;
use super::log_rules::LogRules;
use super::options::{Options, OutputOptions, Typed};
use super::origins::{Origin, SettingOrigins};
use super::values::{LiveMode, ReportTarget};
use crate::error::{Error, Location};
use crate::fs::conflicts::FileUse;
use crate::gpu::GpuChoice;
use crate::process::{StdioMode, TakenSignal};

#[derive(Debug)]
pub struct Settings {
    pub report: ReportTarget,
    /// Between two samples.
    pub interval: Duration,
    /// Points kept for each plot; never changes an average.
    pub history_size: usize,
    /// Iterations between two summaries in the log.
    pub log_interval: u64,
    pub log: LogRules,
    pub parameters: Option<f64>,
    pub sequence_length: Option<f64>,
    pub global_batch_size: Option<f64>,
    pub gpus: GpuChoice,
    pub nvml_library: Option<PathBuf>,
    pub live: LiveMode,
    pub outputs: OutputOptions,
    /// Iterations left out of the headline.
    pub warmup: u64,
    /// Set PYTHONUNBUFFERED for the command.
    pub unbuffer: bool,
    /// Print only errors and failed gates on stderr.
    pub quiet: bool,
    pub gate: GateSettings,
    pub stdio: StdioMode,
    /// From a forwarded SIGTERM to SIGKILL.
    pub kill_after: Option<Duration>,
    /// Signals that are not forwarded to the command.
    pub not_forwarded: Vec<TakenSignal>,
    /// Mask values in the report that look like secrets.
    pub mask: bool,
    pub origins: SettingOrigins,
    /// The project's configuration, as an input file.
    config: FileUse,
    /// The file of rules.
    rules: Option<PathBuf>,
}

impl Settings {
    /// # Errors
    /// A value, a file, a rule or an expression is not valid.
    pub fn resolve(flags: impl Into<Typed>) -> Result<Self, Error> {
        let (options, origins, unread) = layers(flags.into())?;
        let quiet = options.live.quiet.unwrap_or(false);
        for file in unread.iter().filter(|_| !quiet) {
            let _ = writeln!(io::stderr(), "effllm: warning: skipped unreadable settings: {file}");
        }
        let config = match &options.files.config {
            Some(file) => FileUse::read("--config", file),
            None => FileUse::read("effllm", "effllm.toml"),
        };
        let fail_fast = options.command.fail_fast.and_then(|after| after.0);
        // Before the rules, which take longer to compile than a user waits for a typing error.
        let gate = GateSettings::new(options.gate, fail_fast, origins.clone())?;
        let log = LogRules::load(&options.log, &origins).map_err(|error| origins.attach_origin(error))?;
        Ok(Self {
            report: options.report.report.unwrap_or_default(),
            interval: options.gpus.interval.unwrap_or(Duration::from_secs(1)),
            history_size: options.report.history_size.unwrap_or(1000) as usize,
            log_interval: options.log.log_interval.unwrap_or(10).into(),
            log,
            parameters: options.model.params,
            sequence_length: options.model.seq_len,
            global_batch_size: options.model.global_batch_size,
            gpus: options.gpus.gpus.unwrap_or_default(),
            nvml_library: options.gpus.nvml.nvml_lib,
            live: options.live.live.unwrap_or_default(),
            outputs: options.outputs,
            warmup: options.model.warmup.unwrap_or(0),
            unbuffer: !options.command.no_unbuffer.unwrap_or(false),
            quiet,
            gate,
            stdio: options.command.stdio.unwrap_or_default(),
            kill_after: options.command.kill_after,
            not_forwarded: options.command.no_forward,
            mask: !options.report.no_mask.unwrap_or(false),
            origins,
            config,
            rules: options.log.rules,
        })
    }

    /// Whether there are requirements that a user should hear of, for a run that measures nothing. Invalid
    /// settings require nothing.
    pub fn has_requirements(flags: impl Into<Typed>) -> bool {
        layers(flags.into())
            .is_ok_and(|(options, ..)| !options.gate.require.is_empty() && options.live.quiet != Some(true))
    }

    /// The files that a run reads and writes, without those of the gate.
    pub fn uses(&self) -> Vec<FileUse> {
        let report = match &self.report {
            ReportTarget::File(path) => Some(path.as_path()),
            ReportTarget::Stdout => None,
        };
        let series = self.outputs.series.as_ref().map(|series| series.path.as_path());
        let openmetrics = self.outputs.openmetrics.as_deref();
        let written =
            |(key, path): (&str, Option<&Path>)| Some(FileUse::written(self.origins.source(key), path?));
        [("report", report), ("series", series), ("openmetrics", openmetrics)]
            .into_iter()
            .filter_map(written)
            .chain(self.rules.iter().map(|rules| FileUse::read(self.origins.source("rules"), rules)))
            .chain([self.config.clone()])
            .collect()
    }
}

/// Applies the files, the environment and the flags, in this order. With the options, the files that cannot
/// be read.
fn layers(flags: Typed) -> Result<(Options, SettingOrigins, Vec<String>), Error> {
    let mut options = Options::default();
    let mut origins = SettingOrigins::default();
    let mut set = |key: &str, values: Vec<(OsString, Origin)>, help: String| {
        let (values, places): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        match (options.set(key, &values), places.first()) {
            (Err(message), Some(origin)) => Err(origin.clone().error(message).help(help)),
            _ => {
                origins.insert(key, places);
                Ok(())
            }
        }
    };
    let config = flags.iter().find(|(key, _)| key == "config").and_then(|(_, values)| values.first());
    let (settings, unread) = file::settings(config.map(Path::new))?;
    for (key, values) in settings {
        set(&key, values, file::manual(&key))?;
    }
    for (name, key) in VARIABLES {
        if let Some(value) = variable(name) {
            set(key, vec![(value, Location::Variable(name).into())], unset(name))?;
        }
    }
    for (key, values) in flags {
        let origin = Origin::from(Location::Flag(key.clone()));
        let values = values.into_iter().map(|value| (value, origin.clone()));
        set(&key, values.collect(), file::manual(&key))?;
    }
    Ok((options, origins, unread))
}
