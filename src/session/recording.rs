//! The stages between setup and end: the threads wait for the start, then everything is measured.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Session;
use super::finished::Finished;
use super::log_follower::Follower;
use super::report_file::{KeptCurrent, ReportFile};
use crate::error::Error;
use crate::event::StartLatch;
use crate::gpu::{self, GpuChoice, Sampler};
use crate::host::HostSampler;
use crate::process::LifecycleEvent;
use crate::report::Report;
use crate::sink::RunningSinks;
use crate::text::units::show_duration;
use crate::thread::worker::Worker;

/// How long a run waits to check the GPUs that `--gpus` lists.
const GPU_CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the end of a run waits for the last sample of the GPUs.
const GPU_TIMEOUT: Duration = Duration::from_millis(400);
/// How long it waits for the last reading of the process tree.
const HOST_TIMEOUT: Duration = Duration::from_millis(50);

/// A run whose threads wait for its start.
pub struct Armed {
    pub session: Session,
    pub(super) started: StartLatch,
    pub(super) report_file: ReportFile,
    pub(super) gpus: gpu::Options,
    pub(super) threads: Threads,
}

/// The threads beside the measured command; dropping them ends them.
pub struct Threads {
    pub host: Option<HostSampler>,
    pub follower: Option<Follower>,
    pub kept_current: KeptCurrent,
    pub sinks: RunningSinks,
    pub _ticker: Option<Worker>,
}

impl Armed {
    /// Draws up the report as it stands, once the run has started.
    pub fn snapshot(&self) -> impl Fn() -> Report + Clone + Send + 'static {
        self.session.snapshot(&self.started)
    }

    /// Told when the run starts.
    pub fn started(&self) -> StartLatch {
        self.started.clone()
    }

    /// If `--gpus` lists GPUs, checks that they are there, for at most 2 s, and samples them from here on.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn check_listed_gpus(&self) -> Result<Option<Sampler>, Error> {
        if !matches!(self.gpus.choice, GpuChoice::List(_)) {
            return Ok(None);
        }
        let sampler = self.sample_gpus();
        sampler.check_list(GPU_CHECK_TIMEOUT)?;
        Ok(Some(sampler))
    }

    fn sample_gpus(&self) -> Sampler {
        Sampler::spawn(self.gpus.clone(), self.session.clock, self.session.recorder.on_event())
    }

    /// Starts the run at a moment, and the GPU sampler beside it, unless it runs already: opening the GPUs'
    /// library can take seconds.
    pub fn begin(self, at: Instant, gpus: Option<Sampler>) -> Recording {
        let at = self.session.clock.at(at);
        self.session.recorder.lock().started(at, Timestamp::now().to_string());
        self.started.set(at);
        let gpus = gpus.unwrap_or_else(|| self.sample_gpus());
        let Self { session, report_file, threads, .. } = self;
        Recording { session, report_file, gpus, threads }
    }
}

/// A run that is being measured.
pub struct Recording {
    pub session: Session,
    report_file: ReportFile,
    gpus: Sampler,
    threads: Threads,
}

impl Recording {
    /// Why no GPU is measured, if that is certain within this time.
    pub fn why_no_gpus(&self, timeout: Duration) -> Option<String> {
        self.gpus.why_unavailable(timeout)
    }

    /// Does what an event in the command's life asks for.
    pub fn on_lifecycle_event(&self, event: LifecycleEvent) {
        let Session { clock, recorder, terminal, .. } = &self.session;
        match event {
            LifecycleEvent::EndAnnounced => self.threads.kept_current.save_now(),
            LifecycleEvent::Suspended(since) => {
                let _ = terminal.pause();
                recorder.lock().suspended(clock.at(since));
            }
            LifecycleEvent::Resumed => {
                terminal.resume();
                recorder.lock().resumed(clock.now());
            }
            LifecycleEvent::Stalled(duration) => recorder.lock().warn(format!(
                "effllm was stopped (or had no CPU time) for {}; lines that arrived meanwhile came together",
                show_duration(duration.as_secs_f64())
            )),
        }
    }

    /// Ends measuring now: takes the last samples.
    pub fn stop(self) -> Finished {
        let Self { session, report_file, gpus, threads } = self;
        let ended = session.clock.now();
        session.recorder.lock().close(ended);
        gpus.finish(GPU_TIMEOUT);
        let Threads { host, follower, kept_current, sinks, _ticker } = threads;
        if let Some(host) = host {
            host.finish(HOST_TIMEOUT);
        }
        Finished { session, report_file, ended, follower, sinks, _shown: (kept_current, _ticker) }
    }
}
