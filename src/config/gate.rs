//! The settings of the gate.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::options::GateOptions;
use super::origins::SettingOrigins;
use crate::error::Error;
use crate::fs::conflicts::{FileUse, check_output_conflicts};
use crate::gate::{Baselines, Expression, Minimum, Policy, Requirement};
use crate::metrics::Metric;
use crate::output::ci::{AskedFile, Files};
use crate::report::file::read_reports;
use crate::report::gate::Level;

/// The requirements of a run, and the files for the verdicts.
#[derive(Debug)]
pub struct GateSettings {
    requirements: Vec<Requirement>,
    options: GateOptions,
    /// How long a requirement may fail before the run is stopped.
    pub fail_fast: Option<Duration>,
    origins: SettingOrigins,
}

impl GateSettings {
    /// # Errors
    /// An expression is not valid.
    pub(super) fn new(
        options: GateOptions,
        fail_fast: Option<Duration>,
        origins: SettingOrigins,
    ) -> Result<Self, Error> {
        let read = |(nth, text): (usize, &String), level, key| {
            let expression = Expression::from_str(text);
            let expression = expression.map_err(|error| origins.attach_nth(nth, error.of(key)))?;
            Ok(Requirement { level, expression })
        };
        let require = options.require.iter().enumerate().map(|text| read(text, Level::Require, "require"));
        let warn = options.warn.iter().enumerate().map(|text| read(text, Level::Warn, "warn"));
        let requirements = require.chain(warn).collect::<Result<_, Error>>()?;
        Ok(Self { requirements, options, fail_fast, origins })
    }

    pub fn has_requirements(&self) -> bool {
        !self.requirements.is_empty()
    }

    /// The policy, if there are requirements, and the files for the verdicts, checked before anything runs.
    /// `others` are the other files that are read and written.
    ///
    /// # Errors
    /// Two uses of a file conflict, a baseline cannot be read or lacks the metric, an option needs a
    /// requirement and there is none, or a file cannot be written.
    pub fn prepare(
        &self,
        others: Vec<FileUse>,
        never_known: impl Fn(&Metric) -> Option<String>,
    ) -> Result<(Option<Policy>, Files), Error> {
        self.check_output_conflicts(others)?;
        let prepare = || {
            let asked = |file: &Option<PathBuf>, key| {
                file.clone().map(|path| AskedFile { path, by: self.origins.source(key) })
            };
            let policy = self.policy()?;
            policy.iter().try_for_each(|policy| policy.check_metrics(&never_known))?;
            let (junit, metrics) = (&self.options.junit, &self.options.gitlab_metrics);
            let files = Files::prepare(asked(junit, "junit"), asked(metrics, "gitlab-metrics"))?;
            Ok((policy, files))
        };
        prepare().map_err(|error| self.origins.attach_origin(error))
    }

    fn check_output_conflicts(&self, mut uses: Vec<FileUse>) -> Result<(), Error> {
        for (key, file) in [("junit", &self.options.junit), ("gitlab-metrics", &self.options.gitlab_metrics)]
        {
            uses.extend(file.iter().map(|path| FileUse::written(self.origins.source(key), path)));
        }
        uses.extend(
            self.options.baseline.iter().map(|path| FileUse::read(self.origins.source("baseline"), path)),
        );
        check_output_conflicts(&uses)
    }

    fn policy(&self) -> Result<Option<Policy>, Error> {
        let (options, requirements) = (&self.options, self.requirements.clone());
        let baselines = read_reports(&options.baseline).map_err(|error| error.of_flag("baseline"))?;
        let needs_requirement = |key| {
            Error::usage("needs a requirement")
                .of_flag(key)
                .help("add one with --require EXPR, as in 'al <= 1.3 s', or with the key require in [gate]")
        };
        if self.fail_fast.is_some() && options.require.is_empty() {
            return Err(needs_requirement("fail-fast"));
        }
        if requirements.is_empty() {
            return if options.junit.is_some() { Err(needs_requirement("junit")) } else { Ok(None) };
        }
        let defaults = Minimum::default();
        let minimum = Minimum {
            iterations: options.min_iterations.unwrap_or(defaults.iterations),
            seconds: options.min_seconds.unwrap_or(defaults.seconds),
        };
        Policy::new(requirements, Baselines::new(baselines), minimum, options.allow_no_data.unwrap_or(false))
            .map(Some)
    }
}
