//! The GPUs before the start of a run.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::environment::Environment;
use crate::config::Settings;
use crate::error::Error;
use crate::gpu::{self, GpuChoice, Sampler};

/// How long a run waits to check the GPUs that `--gpus` lists.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The GPUs before the start of a run. Opening their library can take seconds, or block threads that are
/// started later for ever, so the run does not wait for it.
pub enum PendingGpus {
    /// `--gpus` lists them: they have been checked, and are sampled already.
    Checked(Sampler),
    /// Nothing has been opened.
    Unopened(gpu::Options),
}

impl PendingGpus {
    /// # Errors
    /// `--gpus` lists a GPU that is not there.
    pub fn check(options: gpu::Options, session: &Session) -> Result<Self, Error> {
        if !matches!(options.choice, GpuChoice::List(_)) {
            return Ok(Self::Unopened(options));
        }
        let sampler = Self::Unopened(options).start(session);
        sampler.check_list(CHECK_TIMEOUT)?;
        Ok(Self::Checked(sampler))
    }

    /// The running sampler.
    pub fn start(self, session: &Session) -> Sampler {
        match self {
            Self::Checked(sampler) => sampler,
            Self::Unopened(options) => Sampler::spawn(options, session.clock, session.recorder.on_event()),
        }
    }
}

/// The settings of the sampler.
pub fn options(settings: &Settings, environment: Environment) -> gpu::Options {
    gpu::Options {
        choice: settings.gpus.clone(),
        choice_origin: settings.origins.given("gpus", &settings.gpus),
        interval: settings.interval,
        library: settings.nvml_library.clone(),
        variables: Arc::new(move |name| environment.variable(name)),
    }
}
