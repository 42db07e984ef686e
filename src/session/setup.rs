//! The first stage of a run: its files and addresses are open and checked, and nothing is sampled or shown.

use std::sync::Arc;
use std::time::Duration;

use super::console_reporter::ConsoleReporter;
use super::degradation::Degradation;
use super::environment::{Environment, machine};
use super::log_follower::{self, LogFeed};
use super::panic::install_panic_hook;
use super::recording::{Armed, Threads};
use super::report_file::ReportFile;
use super::shared_recorder::SharedRecorder;
use super::{Session, recorder_options};
use crate::config::Settings;
use crate::error::Error;
use crate::event::{Clock, StartLatch};
use crate::gpu;
use crate::host;
use crate::log::LogReader;
use crate::process::Tree;
use crate::recorder::Recorder;
use crate::report::Command;
use crate::sink::Sinks;
use crate::terminal::{self, Live, Terminal, Ticker};

/// A run before its start.
pub struct Setup {
    pub session: Session,
    report_file: ReportFile,
    sinks: Sinks,
    gpus: gpu::Options,
    interval: Duration,
    log_interval: u64,
}

impl Setup {
    /// Opens and checks everything. `owns_screen`: whether the measured output passes through effllm, so
    /// that effllm may write between its lines.
    ///
    /// # Errors
    /// The report or a sink cannot be written to its place.
    pub fn new(
        settings: &Settings,
        command: Command,
        environment: Environment,
        owns_screen: bool,
    ) -> Result<Self, Error> {
        let options = &settings.options;
        let log_interval = options.log.log_interval.into();
        let report_file = ReportFile::prepare(&options.report.report)?;
        let clock = Clock::new();
        let mut recorder = Recorder::new(recorder_options(settings), command, environment.job());
        recorder.environment = machine();
        let sinks = Sinks::open(&options.outputs, log_interval)?;
        let recorder = SharedRecorder::new(recorder, sinks.series());
        let is_silent = options.live.quiet || !owns_screen;
        let live =
            if is_silent { Live::Off } else { Live::of(options.live.live, terminal::stderr_can_draw()) };
        let terminal =
            Terminal::standard(live).map_err(|error| Error::failed(format!("cannot use stderr: {error}")))?;
        install_panic_hook();
        let session =
            Session { clock, recorder, terminal: Arc::new(terminal), live, quiet: options.live.quiet };
        if let Some(url) = sinks.served_at() {
            session.print(&format!("effllm: the metrics are served at {url}\n"));
        }
        Ok(Self {
            session,
            report_file,
            sinks,
            gpus: gpu_options(settings, environment),
            interval: options.gpus.interval,
            log_interval,
        })
    }

    /// Starts every thread that reads the log, samples the processes, draws the table, fills the sinks and
    /// saves the report. All of them wait for the run's start.
    pub fn arm(
        self,
        processes: Option<Tree>,
        log: Result<impl FnOnce() -> LogReader + Send + 'static, Degradation>,
    ) -> (Armed, Option<LogFeed>) {
        let Self { session, report_file, sinks, gpus, interval, log_interval } = self;
        let (started, recorder) = (StartLatch::default(), &session.recorder);
        let mut console = ConsoleReporter::new(session.clone(), log_interval);
        let mut scalars = sinks.scalars(session.clock);
        let after_reading = {
            let recorder = recorder.clone();
            move || {
                console.update();
                if let Some(scalars) = &mut scalars {
                    scalars.look(&recorder.lock());
                }
            }
        };
        let log = log.and_then(|open| {
            log_follower::follow(open, recorder.clone(), started.clone(), after_reading)
                .map_err(|_| Degradation::NoThreads)
        });
        let (feed, follower) = log.inspect_err(|lost| session.no_log(*lost)).ok().unzip();
        let sample = |tree| {
            let sampler = host::sample(tree, interval, session.clock, started.clone(), recorder.on_event());
            let lost = Degradation::NoHostSampler.sentence();
            sampler.inspect_err(|_| recorder.lock().cannot_know("host", lost)).ok()
        };
        let host = processes.and_then(sample);
        let snapshot = session.snapshot(&started);
        let draw = || Ticker::start(session.terminal.clone(), snapshot.clone()).ok();
        let threads = Threads {
            host,
            follower,
            kept_current: report_file.keep_current(snapshot.clone()),
            sinks: sinks.start(session.clock, started.clone(), snapshot.clone(), recorder.on_warning()),
            _ticker: if session.live == Live::Table { draw() } else { None },
        };
        (Armed { session, started, report_file, gpus, threads }, feed)
    }
}

fn gpu_options(settings: &Settings, environment: Environment) -> gpu::Options {
    gpu::Options {
        choice: settings.options.gpus.gpus.clone(),
        choice_origin: settings.origins.given("gpus"),
        interval: settings.options.gpus.interval,
        library: settings.options.gpus.nvml.nvml_lib.clone(),
        variables: Arc::new(move |name| environment.variable(name)),
    }
}
