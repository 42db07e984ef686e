//! The gate's policy, and the files for its verdicts.

use super::Settings;
use crate::error::Error;
use crate::fs::conflicts::{FileUse, check_output_conflicts};
use crate::gate::Policy;
use crate::metrics::Metric;
use crate::output::ci::{AskedFile, Files};
use crate::report::file::read_reports;

impl Settings {
    /// The policy, if there are requirements, and the files for the verdicts, checked before anything runs.
    /// `uses` are the other files that are read and written, and `never_known` tells why a metric stays
    /// unknown in this run.
    ///
    /// # Errors
    /// Two uses of a file conflict, a baseline cannot be read or lacks the metric, an option needs a
    /// requirement and there is none, a requirement can never be evaluated, or a file cannot be written.
    pub fn gate(
        &self,
        mut uses: Vec<FileUse>,
        never_known: impl Fn(&Metric) -> Option<String>,
    ) -> Result<(Option<Policy>, Files), Error> {
        let options = &self.options.gate;
        let asked =
            |key, path: &Option<_>| path.clone().map(|path| AskedFile { path, by: self.origins.source(key) });
        let junit = asked("junit", &options.junit);
        let metrics = asked("gitlab-metrics", &options.gitlab_metrics);
        let written = junit.iter().chain(&metrics);
        uses.extend(written.map(|file| FileUse::written(&file.by, &file.path)));
        let baselines = options.baseline.iter();
        uses.extend(baselines.map(|path| FileUse::read(self.origins.source("baseline"), path)));
        check_output_conflicts(&uses)?;
        let prepare = || {
            let policy = self.policy()?;
            policy.iter().try_for_each(|policy| policy.check(&never_known))?;
            Ok((policy, Files::prepare(junit, metrics)?))
        };
        prepare().map_err(|error| self.origins.attach_origin(error))
    }

    fn policy(&self) -> Result<Option<Policy>, Error> {
        let options = &self.options.gate;
        let baselines = read_reports(&options.baseline).map_err(|error| error.of_flag("baseline"))?;
        let needs_requirement = |key| {
            Error::usage("needs a requirement")
                .of_flag(key)
                .help("add one with --require EXPR, as in 'al <= 1.3 s', or with the key require in [gate]")
        };
        if self.options.command.fail_fast.is_some() && options.require.is_empty() {
            return Err(needs_requirement("fail-fast"));
        }
        if options.require.is_empty() && options.warn.is_empty() {
            return if options.junit.is_some() { Err(needs_requirement("junit")) } else { Ok(None) };
        }
        Ok(Some(Policy {
            require: options.require.clone(),
            warn: options.warn.clone(),
            baselines,
            min_iterations: options.min_iterations,
            min_seconds: options.min_seconds,
            allow_no_data: options.allow_no_data,
        }))
    }
}
