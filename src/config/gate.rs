//! What is required of a run, as flags and files say it.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueHint};
use serde::{Deserialize, Deserializer};

use super::file::read_reports;
use super::layer::GATE;
use super::origins::SettingOrigins;
use super::values::{Whole, one_or_more, text_or_number, yes_or_no};
use crate::error::Error;
use crate::fs::conflicts::{FileUse, check_output_conflicts};
use crate::gate::{Baselines, Expression, Minimum, Policy, Requirement};
use crate::output::ci::{AskedFile, Files};
use crate::report::gate::Level;
use crate::text::units::parse_duration;

/// One layer of the gate's settings: flags, or the table `[gate]` of a file.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GateLayer {
    /// Exit 99 unless EXPR (`al <= 1.3 s`) holds; repeatable [default: none]
    #[arg(long, value_name = "EXPR", help_heading = GATE)]
    #[serde(default, deserialize_with = "expressions")]
    require: Vec<String>,

    /// Tell where EXPR does not hold; repeatable [default: none]
    #[arg(long, value_name = "EXPR", help_heading = GATE)]
    #[serde(default, deserialize_with = "expressions")]
    warn: Vec<String>,

    /// `baseline` in EXPR; the median if it is repeated [default: none]
    #[arg(long, value_name = "REPORT", help_heading = GATE, value_hint = ValueHint::FilePath)]
    #[serde(default, deserialize_with = "one_or_more")]
    baseline: Vec<PathBuf>,

    /// Pass where a metric that is required is null
    #[arg(long, num_args = 0, default_missing_value = "true", help_heading = GATE)]
    #[serde(default, deserialize_with = "yes_or_no")]
    allow_no_data: Option<bool>,

    /// Give no verdict on fewer counted iterations [default: 10]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = GATE)]
    #[serde(default, deserialize_with = "text_or_number")]
    min_iterations: Option<Whole>,

    /// Give no verdict on less time in them [default: 0]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, help_heading = GATE)]
    #[serde(default, deserialize_with = "text_or_number")]
    min_seconds: Option<Seconds>,

    /// Write the verdicts to FILE as JUnit XML [default: none]
    #[arg(long, value_name = "FILE", help_heading = GATE, value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,

    /// Write the metrics to FILE for GitLab's metrics report [default: none]
    #[arg(long, value_name = "FILE", help_heading = GATE, value_hint = ValueHint::FilePath)]
    gitlab_metrics: Option<PathBuf>,

    /// As the flag of `run`, where alone it is one.
    #[arg(skip)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub(super) fail_fast: Option<FailFastAfter>,
}

impl GateLayer {
    pub(super) fn requires_something(&self) -> bool {
        !self.require.is_empty()
    }

    /// This layer over another one, whose origins are those of what it still says.
    pub fn or(self, below: Self, origins: &mut SettingOrigins) -> Self {
        macro_rules! over {
            ($($is_absent:ident: $($option:ident),*;)*) => {
                Self {
                    $($($option: if self.$option.$is_absent() {
                        below.$option
                    } else {
                        origins.forget(&stringify!($option).replace('_', "-"));
                        self.$option
                    },)*)*
                }
            };
        }
        over!(
            is_empty: require, warn, baseline;
            is_none: allow_no_data, min_iterations, min_seconds, junit, gitlab_metrics, fail_fast;
        )
    }
}

/// What is required of a run, and where the outcome goes.
#[derive(Debug)]
pub struct GateSettings {
    requirements: Vec<Requirement>,
    layer: GateLayer,
    /// How long a breach may last before it ends the run.
    pub fail_fast: Option<Duration>,
    origins: SettingOrigins,
}

impl GateSettings {
    /// # Errors
    /// An expression is wrong.
    pub(super) fn new(
        layer: GateLayer,
        fail_fast: Option<FailFastAfter>,
        origins: SettingOrigins,
    ) -> Result<Self, Error> {
        let read = |text: &String, level, key| {
            let expression = Expression::from_str(text).map_err(|error| error.of(key))?;
            Ok(Requirement { level, expression })
        };
        let require = layer.require.iter().map(|text| read(text, Level::Require, "require"));
        let warn = layer.warn.iter().map(|text| read(text, Level::Warn, "warn"));
        let requirements = require.chain(warn).collect::<Result<_, Error>>()?;
        let fail_fast = fail_fast.or(layer.fail_fast).and_then(|after| after.0);
        Ok(Self { requirements, layer, fail_fast, origins })
    }

    /// The policy, if anything is required, and the files that the outcome is written to, checked before
    /// anything runs. `others` are the files that are read and written besides.
    ///
    /// # Errors
    /// A file is named twice so that one would be lost, a baseline cannot be read or lacks the metric, an option needs a requirement and there is none,
    /// or a file can never be written.
    pub fn prepare(&self, others: Vec<FileUse>) -> Result<(Option<Policy>, Files), Error> {
        self.check_output_conflicts(others)?;
        let prepare = || {
            let asked = |file: &Option<PathBuf>, key| {
                file.clone().map(|path| AskedFile { path, by: self.origins.source(key) })
            };
            let policy = self.policy()?;
            let (junit, metrics) = (&self.layer.junit, &self.layer.gitlab_metrics);
            let files = Files::prepare(asked(junit, "junit"), asked(metrics, "gitlab-metrics"))?;
            Ok((policy, files))
        };
        prepare().map_err(|error| self.origins.attach_origin(error))
    }

    fn check_output_conflicts(&self, mut uses: Vec<FileUse>) -> Result<(), Error> {
        for (key, file) in [("junit", &self.layer.junit), ("gitlab-metrics", &self.layer.gitlab_metrics)] {
            uses.extend(file.iter().map(|path| FileUse::written(self.origins.source(key), path)));
        }
        uses.extend(
            self.layer.baseline.iter().map(|path| FileUse::read(self.origins.source("baseline"), path)),
        );
        check_output_conflicts(&uses)
    }

    fn policy(&self) -> Result<Option<Policy>, Error> {
        let (layer, requirements) = (&self.layer, self.requirements.clone());
        let baselines = read_reports(&layer.baseline).map_err(|error| error.of_flag("baseline"))?;
        let lacks = |what: &str, key| {
            Error::usage(format!("nothing is required, so there is nothing to {what}"))
                .of_flag(key)
                .hint("--require EXPR, or the key require of [gate], requires something, as in 'al <= 1.3 s'")
        };
        if self.fail_fast.is_some() && !layer.requires_something() {
            return Err(lacks("end the run for", "fail-fast"));
        }
        if requirements.is_empty() {
            return if layer.junit.is_some() { Err(lacks("judge", "junit")) } else { Ok(None) };
        }
        let defaults = Minimum::default();
        let minimum = Minimum {
            iterations: layer.min_iterations.map_or(defaults.iterations, |least| least.0),
            seconds: layer.min_seconds.map_or(defaults.seconds, |seconds| seconds.0),
        };
        Policy::new(requirements, Baselines::new(baselines), minimum, layer.allow_no_data.unwrap_or(false))
            .map(Some)
    }
}

/// Seconds, none or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds(f64);

impl FromStr for Seconds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match parse_duration(text) {
            Some(seconds) if seconds >= 0.0 => Ok(Self(seconds)),
            _ => Err("is no number of seconds, as in 90 or 5min".to_owned()),
        }
    }
}

/// How long a breach may last before it ends the run; `None` for ever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FailFastAfter(Option<Duration>);

/// The patience of `--fail-fast` without a number.
const FAIL_FAST_AFTER: Duration = Duration::from_secs(30);

impl FromStr for FailFastAfter {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, parse_duration(text)) {
            ("true", _) => Ok(Self(Some(FAIL_FAST_AFTER))),
            ("false", _) => Ok(Self(None)),
            (_, Some(seconds)) if (0.1..=1e6).contains(&seconds) => {
                Ok(Self(Some(Duration::from_secs_f64(seconds))))
            }
            _ => Err("is no number of seconds between 0.1 and a million, as in 30 or 5min".to_owned()),
        }
    }
}

/// Expressions of a file, checked where an error can still name their place in it.
fn expressions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts: Vec<Checked> = one_or_more(deserializer)?;
    Ok(texts.into_iter().map(|text| text.0).collect())
}

struct Checked(String);

impl FromStr for Checked {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match Expression::from_str(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!("is not understood: {error}")),
        }
    }
}
