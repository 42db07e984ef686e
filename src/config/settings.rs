//! The settings of a run: flags over environment variables, over files, over defaults.

use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::environment::{VARIABLES, unset, variable};
use super::file;
use super::log_rules::LogRules;
use super::options::Options;
use super::origins::{Given, SettingOrigins};
use crate::error::{Error, Location};
use crate::fs::atomic::is_stream;
use crate::fs::conflicts::FileUse;
use crate::text::sanitize::plain;
use crate::text::say;

#[derive(Debug)]
pub struct Settings {
    pub options: Options,
    pub log: LogRules,
    pub origins: SettingOrigins,
}

impl Settings {
    /// The settings of a subcommand with these arguments.
    ///
    /// # Errors
    /// A value, a file, a rule or an expression is not valid.
    pub fn resolve(arguments: &ArgMatches) -> Result<Self, Error> {
        let (origins, unread) = layers(arguments)?;
        let options = origins.options()?;
        for file in unread.iter().filter(|_| !options.live.quiet) {
            say(&format!("effllm: warning: skipped settings: {}\n", plain(file)));
        }
        let log = LogRules::load(&options.log, &origins).map_err(|error| origins.attach_origin(error))?;
        Ok(Self { options, log, origins })
    }

    /// Whether there are requirements that a user should hear of, for a run that measures nothing. Invalid
    /// settings require nothing.
    pub fn has_requirements(arguments: &ArgMatches) -> bool {
        layers(arguments)
            .and_then(|(origins, _)| origins.options())
            .is_ok_and(|options| !options.gate.require.is_empty() && !options.live.quiet)
    }

    /// The devices and pipes that a run writes at its end. They may be descriptors (`/dev/fd/63`).
    pub fn streams_of_the_end(&self) -> Vec<&Path> {
        let Options { report, outputs, gate, .. } = &self.options;
        let report = report.report.path().map_or(Path::new("/dev/stdout"), PathBuf::as_path);
        let others = [&outputs.openmetrics, &gate.junit, &gate.gitlab_metrics].into_iter().flatten();
        others.map(PathBuf::as_path).chain([report]).filter(|path| is_stream(path)).collect()
    }

    /// The files that a run reads and writes, without those of the gate.
    pub fn uses(&self) -> Vec<FileUse> {
        let Options { report, outputs, log, files, .. } = &self.options;
        let written = [("report", report.report.path()), ("series", outputs.series.as_ref())];
        let written = written.into_iter().chain([("openmetrics", outputs.openmetrics.as_ref())]);
        let config = match &files.config {
            Some(file) => FileUse::read("--config", file),
            None => FileUse::read("effllm", "effllm.toml"),
        };
        written
            .filter_map(|(key, path)| Some(FileUse::written(self.origins.source(key), path?)))
            .chain(log.rules.iter().map(|rules| FileUse::read(self.origins.source("rules"), rules)))
            .chain([config])
            .collect()
    }
}

/// What the files, the environment and the flags set, in this order. With it, the files that cannot be read or trusted.
fn layers(arguments: &ArgMatches) -> Result<(SettingOrigins, Vec<String>), Error> {
    let mut origins = SettingOrigins::default();
    let typed = Options::typed(arguments);
    let config = typed.iter().find(|(key, _)| key == "config").and_then(|(_, values)| values.first());
    let (settings, unread) = file::settings(config.map(Path::new))?;
    for (key, values) in settings {
        origins.set(&key, values, &file::manual(&key))?;
    }
    for (name, key) in VARIABLES {
        if let Some(value) = variable(name) {
            let given = Given { value, location: Location::Variable(name), excerpt: None };
            origins.set(key, vec![given], &unset(name))?;
        }
    }
    for (key, values) in typed {
        let location = Location::Flag(key.clone());
        let given = |value| Given { value, location: location.clone(), excerpt: None };
        origins.set(&key, values.into_iter().map(given).collect(), &file::manual(&key))?;
    }
    Ok((origins, unread))
}
