//! A run that is measured: its threads wait for its start, measure until its end, and the report is written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Session;
use super::console_reporter::ConsoleReporter;
use super::degradation::Degradation;
use super::environment::{Environment, machine};
use super::log_follower::{Follower, LogFeed, follow};
use super::panic::install_panic_hook;
use super::report_file::{KeptCurrent, ReportFile};
use super::shared_recorder::SharedRecorder;
use super::verdict::Gate;
use crate::config::{LiveMode, Settings};
use crate::error::Error;
use crate::event::{Clock, StartLatch};
use crate::gpu::{self, GpuChoice, Sampler};
use crate::host;
use crate::log::LogReader;
use crate::output;
use crate::process::{Ending, LifecycleEvent, Tree};
use crate::recorder::{self, Recorder};
use crate::report::{Command, Report, Sourced, Status};
use crate::sink::{RunningSinks, Sinks};
use crate::terminal::{Terminal, display, stderr_can_draw, stderr_options};
use crate::text::sanitize::plain;
use crate::text::units::show_duration;
use crate::thread::worker::Worker;

/// How long a run waits to check the GPUs that `--gpus` lists.
const GPU_CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the end of a run waits for the last sample of the GPUs.
const GPU_TIMEOUT: Duration = Duration::from_millis(400);
/// How long it waits for the last reading of the process tree.
const HOST_TIMEOUT: Duration = Duration::from_millis(50);

/// How long it waits for its files.
const PATIENCE: Duration = Duration::from_secs(2);

/// A measured run. Dropping it ends its threads.
pub struct Recording {
    pub session: Session,
    report_file: ReportFile,
    gpu_options: gpu::Options,
    gpus: Option<Sampler>,
    host: Option<Worker>,
    follower: Option<Follower>,
    kept_current: KeptCurrent,
    sinks: RunningSinks,
    table: Option<Worker>,
    /// When measuring ended.
    ended: f64,
}

impl Recording {
    /// Opens and checks everything, and starts the threads that wait for the run's start. `log` opens the
    /// reader of what is fed. `processes` is asked once the processes that write files run. `owns_screen`: whether the measured output passes through effllm, so that
    /// effllm may write between its lines.
    ///
    /// # Errors
    /// The report or a sink cannot be written to its place.
    pub fn prepare(
        settings: &Settings,
        command: Command,
        environment: Environment,
        processes: impl FnOnce() -> Option<Tree>,
        log: Result<impl FnOnce() -> LogReader + Send + 'static, Degradation>,
        owns_screen: bool,
    ) -> Result<(Self, Option<LogFeed>), Error> {
        let options = &settings.options;
        let log_interval = options.log.log_interval.into();
        let report_file = ReportFile::prepare(&options.report.report)?;
        let (clock, started) = (Clock::new(), StartLatch::default());
        let mut recorder = Recorder::new(recorder_options(settings), command, environment.job());
        recorder.environment = machine();
        let sinks = Sinks::open(&options.outputs, log_interval)?;
        let recorder = SharedRecorder::new(recorder, sinks.series());
        let is_silent = options.live.quiet || !owns_screen;
        let live = if is_silent { LiveMode::Off } else { display(options.live.live, stderr_can_draw()) };
        install_panic_hook();
        let (terminal, quiet) = (Arc::new(Terminal::standard(live)), options.live.quiet);
        let session = Session { clock, started, recorder, terminal, live, quiet };
        match sinks.served_at() {
            Some(Ok(url)) => session.print(&format!("effllm: the metrics are served at {url}\n")),
            Some(Err(why)) => session.warn(why),
            None => {}
        }

        let mut console = ConsoleReporter::new(session.clone(), log_interval);
        let mut scalars = sinks.scalars(clock);
        let recorder = session.recorder.clone();
        let after_reading = move || {
            console.update();
            if let Some(scalars) = &mut scalars {
                scalars.look(&recorder.lock());
            }
        };
        let processes = processes(); // after the files' writers, which are none of the command's
        let log =
            log.and_then(|open| follow(open, &session, after_reading).map_err(|_| Degradation::NoThreads));
        let (feed, follower) = log.inspect_err(|lost| session.no_log(*lost)).ok().unzip();
        let snapshot = session.snapshot();
        let draw = || session.terminal.keep_drawing(snapshot.clone()).ok();
        let warn = session.recorder.on_warning();
        let recording = Self {
            report_file: report_file.clone(),
            gpu_options: gpu_options(settings, environment, processes.clone()),
            gpus: None,
            host: processes.and_then(|tree| sample_host(tree, options.gpus.interval, &session)),
            follower,
            table: if live == LiveMode::Table { draw() } else { None },
            kept_current: report_file.keep_current(snapshot.clone()),
            sinks: sinks.start(clock, session.started.clone(), snapshot, warn),
            session,
            ended: 0.0,
        };
        Ok((recording, feed))
    }

    /// If `--gpus` lists GPUs, checks that they are there, for at most 2 s, and samples them from here on.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn check_listed_gpus(&mut self) -> Result<(), Error> {
        if !matches!(self.gpu_options.choice, GpuChoice::List(_)) {
            return Ok(());
        }
        self.sample_gpus().check_list(GPU_CHECK_TIMEOUT)
    }

    /// Starts the GPU sampler, unless it runs already.
    fn sample_gpus(&mut self) -> &Sampler {
        let Session { clock, recorder, .. } = &self.session;
        self.gpus.get_or_insert_with(|| Sampler::spawn(self.gpu_options.clone(), *clock, recorder.on_event()))
    }

    /// Starts the run at a moment, and the GPU sampler beside it: opening the GPUs' library can take seconds.
    pub fn begin(&mut self, at: Instant) {
        let at = self.session.clock.at(at);
        self.session.recorder.lock().started(at, Timestamp::now().to_string());
        self.session.started.set(at);
        self.sample_gpus();
    }

    /// Why no GPU is measured, if that is certain now.
    pub fn why_no_gpus(&self) -> Option<String> {
        self.gpus.as_ref()?.why_unavailable(Duration::ZERO)
    }

    /// Does what an event in the command's life asks for.
    pub fn on_lifecycle_event(&self, event: LifecycleEvent) {
        let Session { clock, recorder, terminal, .. } = &self.session;
        match event {
            LifecycleEvent::EndAnnounced => self.kept_current.save_now(),
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
    pub fn stop(&mut self) {
        self.ended = self.session.clock.now();
        self.session.recorder.lock().close(self.ended);
        self.gpus.take().map(|gpus| gpus.finish(GPU_TIMEOUT));
        self.host.take().map(|host| host.finish(HOST_TIMEOUT));
    }

    /// Reads the log to its end, and writes the report. `is_log_complete`: whether the whole log was fed.
    /// `gate` judges the report of a command that ended so.
    pub fn write(
        self,
        status: Status,
        is_log_complete: bool,
        describe: impl FnOnce(&mut Command),
        gate: &mut Gate,
        ending: Ending,
    ) {
        let Self { session: Session { recorder, terminal, quiet, .. }, report_file, ended, .. } = self;
        let is_read = self.follower.is_none_or(Follower::finish);
        if !(is_log_complete && is_read) {
            recorder
                .lock()
                .warn("reading the log hung or failed: iterations, tokens and samples are not complete");
        }
        recorder.lock().ended(ended, status, describe);
        let report = recorder.lock().report(ended);
        let deadline = Instant::now() + PATIENCE;
        self.sinks.finish(&report, ended);
        let mut report = recorder.lock().report(ended); // with the warnings of sinks that failed
        let verdict = gate.judge_run(&mut report, ending, quiet);
        drop((self.kept_current, self.table));
        let _ = terminal.finish(); // if it fails, the text below waits for the terminal too
        let (written, mut text) = report_file.finish(&report, deadline);
        if !quiet {
            text += &summary(&report, written);
        }
        text += &verdict;
        text += &gate.publish_run(&report, ending, deadline);
        if !text.is_empty() {
            let _ = terminal.print_patiently(&text); // there is no other place for it
        }
    }
}

fn sample_host(tree: Tree, interval: Duration, session: &Session) -> Option<Worker> {
    let Session { clock, started, recorder, .. } = session;
    let sampler = host::sample(tree, interval, *clock, started.clone(), recorder.on_event());
    let lost = "the process tree is not sampled: the system has no threads left";
    sampler.inspect_err(|_| recorder.lock().cannot_know("host", lost)).ok()
}

/// The recorder's options, from the settings.
pub fn recorder_options(settings: &Settings) -> recorder::Options {
    let model = &settings.options.model;
    let given = |value: Option<f64>, key| {
        let source = value.map(|_| settings.origins.source(key));
        Sourced { value, source }
    };
    recorder::Options {
        parameters: given(model.params, "params"),
        sequence_length: given(model.seq_len, "seq-len"),
        global_batch_size: given(model.global_batch_size, "global-batch-size"),
        warmup: model.warmup,
        history_size: settings.options.report.history_size as usize,
        interval: settings.options.gpus.interval.as_secs_f64(),
    }
}

fn gpu_options(settings: &Settings, environment: Environment, processes: Option<Tree>) -> gpu::Options {
    gpu::Options {
        choice: settings.options.gpus.gpus.clone(),
        choice_origin: settings.origins.given("gpus"),
        interval: settings.options.gpus.interval,
        library: settings.options.gpus.nvml.nvml_lib.clone(),
        variables: Arc::new(move |name| environment.variable(name)),
        processes,
    }
}

fn summary(report: &Report, written: Option<&PathBuf>) -> String {
    let mut text = output::summary(report, stderr_options());
    if let Some(path) = written {
        text += &format!("report: {}\n", plain(&path.display().to_string()));
    }
    text
}
