//! What is required of a run, as flags and files say it.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueHint};
use serde::{Deserialize, Deserializer};

use super::file::read_reports;
use super::layer::GATE;
use super::values::{TextOrNumber, text_or_number};
use crate::ci::Files;
use crate::error::Error;
use crate::gate::{Baselines, Expression, Minimum, Policy, Requirement};
use crate::model::gate::Level;
use crate::model::units::parse_duration;

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
    #[serde(default)]
    baseline: Vec<PathBuf>,

    /// Pass where a metric that is required is null
    #[arg(long, num_args = 0, default_missing_value = "true", help_heading = GATE)]
    allow_no_data: Option<bool>,

    /// Give no verdict on fewer counted iterations [default: 10]
    #[arg(long, value_name = "N", help_heading = GATE)]
    min_iterations: Option<u64>,

    /// Give no verdict on less time in them [default: 0]
    #[arg(long, value_name = "SECONDS", help_heading = GATE)]
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
    /// This layer over another one.
    pub fn or(self, below: Self) -> Self {
        fn list<T>(own: Vec<T>, below: Vec<T>) -> Vec<T> {
            if own.is_empty() { below } else { own }
        }
        Self {
            require: list(self.require, below.require),
            warn: list(self.warn, below.warn),
            baseline: list(self.baseline, below.baseline),
            allow_no_data: self.allow_no_data.or(below.allow_no_data),
            min_iterations: self.min_iterations.or(below.min_iterations),
            min_seconds: self.min_seconds.or(below.min_seconds),
            junit: self.junit.or(below.junit),
            gitlab_metrics: self.gitlab_metrics.or(below.gitlab_metrics),
            fail_fast: self.fail_fast.or(below.fail_fast),
        }
    }
}

/// What is required of a run, and where the outcome goes.
#[derive(Debug)]
pub struct GateSettings {
    requirements: Vec<Requirement>,
    layer: GateLayer,
    /// How long a breach may last before it ends the run.
    pub fail_fast: Option<Duration>,
}

impl GateSettings {
    /// # Errors
    /// An expression is wrong.
    pub(super) fn new(layer: GateLayer, fail_fast: Option<FailFastAfter>) -> Result<Self, Error> {
        let read = |text: &String, level, flag| {
            let expression = Expression::from_str(text).map_err(|error| error.of(flag))?;
            Ok(Requirement { level, expression })
        };
        let require = layer.require.iter().map(|text| read(text, Level::Require, "--require"));
        let warn = layer.warn.iter().map(|text| read(text, Level::Warn, "--warn"));
        let requirements = require.chain(warn).collect::<Result<_, Error>>()?;
        let fail_fast = fail_fast.or(layer.fail_fast).and_then(|after| after.0);
        Ok(Self { requirements, layer, fail_fast })
    }

    /// The policy, if anything is required, checked before anything runs.
    ///
    /// # Errors
    /// A baseline cannot be read or lacks the metric, or an option needs a requirement and there is
    /// none.
    pub fn policy(&self) -> Result<Option<Policy>, Error> {
        let (layer, requirements) = (&self.layer, self.requirements.clone());
        let baselines = Baselines::new(read_reports(&layer.baseline)?);
        if requirements.is_empty() {
            let needs_some = [("--junit", layer.junit.is_some()), ("--fail-fast", self.fail_fast.is_some())];
            return match needs_some.iter().find(|(_, given)| *given) {
                None => Ok(None),
                Some((option, _)) => Err(Error::usage(format!("{option} is given, but nothing is required"))
                    .hint("--require EXPR, or the key require of [gate], requires something, as in 'al <= 1.3 s'")),
            };
        }
        let defaults = Minimum::default();
        let minimum = Minimum {
            iterations: layer.min_iterations.unwrap_or(defaults.iterations),
            seconds: layer.min_seconds.map_or(defaults.seconds, |seconds| seconds.0),
        };
        Policy::new(requirements, baselines, minimum, layer.allow_no_data.unwrap_or(false)).map(Some)
    }

    /// The files that the outcome is written to.
    ///
    /// # Errors
    /// One of them can never be written.
    pub fn files(&self) -> Result<Files, Error> {
        Files::prepare(self.layer.junit.clone(), self.layer.gitlab_metrics.clone())
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
    let texts = Vec::<Checked>::deserialize(deserializer)?;
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

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber(PhantomData))
    }
}
