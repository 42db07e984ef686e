//! Everything that measures and shows, whether effllm has started what is measured or found it
//! running: the recorder and its sources, the terminal, the sinks, and the report.

pub mod console_reporter;
pub mod environment;
pub mod gate;
pub mod log_follower;
mod recorder_options;
pub mod report_file;
pub mod secrets;
pub mod shared_recorder;

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::config::Settings;
use crate::error::Error;
use crate::event::{Clock, StartLatch};
use crate::gpu;
use crate::host::HostSampler;
use crate::log::LogReader;
use crate::output;
use crate::process::Tree;
use crate::recorder::Recorder;
use crate::report::Report;
use crate::report::{Command, Status};
use crate::sink::tensorboard::Scalars;
use crate::sink::{RunningSinks, Sinks};
use crate::terminal::{self, Live, Terminal, Ticker};
use crate::thread::worker::failpoint_named;
use console_reporter::ConsoleReporter;
use environment::Environment;
use log_follower::{Follower, LogFeed};
pub use recorder_options::recorder_options;
use report_file::{KeptCurrent, ReportFile};
use shared_recorder::SharedRecorder;

/// How long the start of a run waits to check the GPUs that `--gpus` lists.
const GPU_LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the end of a session waits for the last sample of the GPUs.
const GPU_PATIENCE: Duration = Duration::from_millis(400);
/// How long it waits for the last look at the process tree.
const HOST_PATIENCE: Duration = Duration::from_millis(50);
/// Why the log of a run may not be read.
pub const NO_THREADS: &str = "the log is not read: the system has no threads to give";

/// A run that is measured.
pub struct Session {
    pub clock: Clock,
    /// Told when the run has started; until then what [`begin`](Self::begin) has started waits.
    pub started: StartLatch,
    pub recorder: SharedRecorder,
    pub terminal: Arc<Terminal>,
    live: Live,
    quiet: bool,
    interval: Duration,
    log_interval: u64,
    report_file: ReportFile,
    gpu_options: gpu::Options,
    gpus: Option<gpu::Sampler>,
    sinks: Option<Sinks>,
    scalars: Option<Scalars>,
    begun: Option<Begun>,
}

/// What there is only while the run goes on; dropping it ends it.
struct Begun {
    host: Option<HostSampler>,
    kept_current: KeptCurrent,
    sinks: Option<RunningSinks>,
    _ticker: Option<Ticker>,
}

impl Session {
    /// Makes everything ready. Nothing is shown while the run goes on if the screen is not free for it.
    ///
    /// # Errors
    /// The report or a sink cannot be written to its place.
    pub fn prepare(
        settings: &Settings,
        command: Command,
        environment: &Environment,
        screen_is_free: bool,
    ) -> Result<Self, Error> {
        let report_file = ReportFile::prepare(&settings.report)?;
        let clock = Clock::new();
        let recorder = Recorder::new(recorder_options(settings), command, environment.job());
        let sinks = Sinks::open(&settings.outputs, settings.log_interval)?;
        let recorder = SharedRecorder::new(recorder, sinks.series());
        let is_silent = settings.quiet || !screen_is_free;
        let live = if is_silent { Live::Off } else { Live::of(settings.live, terminal::stderr_can_draw()) };
        let terminal =
            Terminal::standard(live).map_err(|error| Error::failed(format!("cannot use stderr: {error}")))?;
        panic::set_hook(Box::new(panic_hook));
        if let Some(url) = sinks.served_at().filter(|_| !settings.quiet) {
            let _ = terminal.print(&format!("effllm: the metrics are served at {url}\n"));
        }
        Ok(Self {
            clock,
            started: StartLatch::default(),
            recorder,
            terminal: Arc::new(terminal),
            live,
            quiet: settings.quiet,
            interval: settings.interval,
            log_interval: settings.log_interval,
            report_file,
            gpu_options: gpu_options(settings, environment),
            gpus: None,
            scalars: sinks.scalars(clock),
            sinks: Some(sinks),
            begun: None,
        })
    }

    /// Makes ready what samples these processes, shows the table, fills the sinks and keeps the report
    /// current, once the run has started.
    pub fn begin(&mut self, processes: Option<Tree>) {
        let snapshot = self.snapshot();
        let sample = |tree| {
            let sink = self.recorder.sink();
            HostSampler::start(tree, self.interval, self.clock, self.started.clone(), sink).ok()
        };
        self.begun = Some(Begun {
            host: processes.and_then(sample),
            kept_current: self.report_file.keep_current(snapshot.clone()),
            sinks: self.sinks.take().map(|sinks| {
                sinks.start(self.clock, self.started.clone(), snapshot.clone(), self.recorder.warn())
            }),
            _ticker: (self.live == Live::Table)
                .then(|| Ticker::start(self.terminal.clone(), snapshot).ok())
                .flatten(),
        });
    }

    /// The report as it stands whenever it is asked for, once the run has started.
    pub fn snapshot(&self) -> impl Fn() -> Report + Clone + Send + 'static {
        let (started, report) = (self.started.clone(), self.recorder.snapshot(self.clock));
        move || {
            started.wait();
            report()
        }
    }

    /// Starts to sample the GPUs. A library that hangs while it is loaded can block every thread that is
    /// started later, so this comes last.
    ///
    /// # Errors
    /// `--gpus` names a GPU that is not there.
    pub fn sample_gpus(&mut self) -> Result<(), Error> {
        let gpus = gpu::Sampler::spawn(self.gpu_options.clone(), self.clock, self.recorder.sink());
        self.gpus.insert(gpus).check_list(GPU_LIST_TIMEOUT)
    }

    /// Why no GPU will be measured, if that is certain within this time.
    pub fn why_no_gpus(&self, timeout: Duration) -> Option<String> {
        self.gpus.as_ref()?.why_unavailable(timeout)
    }

    /// Starts the thread that reads the log which is put into the feed. Without a thread it is not read,
    /// which is told.
    pub fn follow(&mut self, reader: LogReader) -> Option<(LogFeed, Follower)> {
        let mut scalars = self.scalars.take();
        let (terminal, recorder) = (self.terminal.clone(), self.recorder.clone());
        let mut console_reporter =
            ConsoleReporter::new(terminal, recorder.clone(), self.clock, self.live, self.log_interval);
        let after = move || {
            console_reporter.update();
            if let Some(scalars) = &mut scalars {
                scalars.look(&recorder.lock());
            }
        };
        let followed = log_follower::follow(reader, self.recorder.clone(), after);
        followed.inspect_err(|_| self.do_without_log(NO_THREADS)).ok()
    }

    /// The log cannot be read, and why: says so.
    pub fn do_without_log(&self, reason: &'static str) {
        self.recorder.lock().no_log(reason);
        self.tell()(reason.to_owned());
    }

    /// Says something of effllm's own, unless it is to be quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            // Nobody is left to be told of a stderr that is gone.
            let _ = self.terminal.print(text);
        }
    }

    /// Has the report on disk replaced now, without waiting for it.
    pub fn save_now(&self) {
        if let Some(begun) = &self.begun {
            begun.kept_current.save_now();
        }
    }

    /// What is measured has ended: takes the last samples.
    pub fn stop_sampling(&mut self) {
        if let Some(gpus) = self.gpus.take() {
            gpus.finish(GPU_PATIENCE);
        }
        if let Some(host) = self.begun.as_mut().and_then(|begun| begun.host.take()) {
            host.finish(HOST_PATIENCE);
        }
    }

    /// What tells, on stderr and in the report, of something that effllm itself does to the run.
    pub fn tell(&self) -> impl FnOnce(String) + Send + 'static {
        let (recorder, terminal) = (self.recorder.clone(), self.terminal.clone());
        move |what| {
            recorder.lock().warn(what.as_str());
            let _ = terminal.print(&format!("effllm: {what}\n"));
        }
    }

    /// Writes the report of what has ended at a moment, once the log has been read to its end or
    /// could not be. `judge` has the last word on the report, and what it answers is printed below
    /// the summary.
    pub fn finish(
        mut self,
        ended: f64,
        status: Status,
        is_read_to_end: bool,
        describe: impl FnOnce(&mut Command),
        judge: impl FnOnce(&mut Report) -> String,
    ) {
        if !is_read_to_end {
            self.recorder
                .lock()
                .warn("reading the log hung or failed: iterations, tokens and samples are not complete");
        }
        self.recorder.lock().ended(ended, status, describe);
        if let Some(sinks) = self.begun.as_mut().and_then(|begun| begun.sinks.take()) {
            let report = self.recorder.lock().report(ended);
            sinks.finish(&report, ended);
        }
        // A sink that failed has said so in the meantime.
        let mut report = self.recorder.lock().report(ended);
        let verdict = judge(&mut report);
        self.begun = None;
        let _ = self.terminal.finish(); // what it could not do, the last words wait for too
        let (mut words, written) = match self.report_file.finish(&report) {
            Ok(written) => (String::new(), written),
            Err(lost) => (lost, None),
        };
        if !self.quiet {
            words += &closing(&report, written);
        }
        words += &verdict;
        if !words.is_empty() {
            let _ = self.terminal.print_patiently(&words); // there is no other place to tell it
        }
    }
}

/// A step of effllm's own beside the command's: whatever happens in it, the rest goes on.
pub fn isolate_panic(step: impl FnOnce()) {
    // Told by the hook.
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        failpoint_named("end");
        step();
    }));
}

fn gpu_options(settings: &Settings, environment: &Environment) -> gpu::Options {
    let environment = environment.clone();
    gpu::Options {
        choice: settings.gpus.clone(),
        choice_origin: settings.origins.given("gpus", &settings.gpus),
        interval: settings.interval,
        library: settings.nvml_library.clone(),
        variables: Arc::new(move |name| environment.variable(name)),
    }
}

/// The summary at the end.
fn closing(report: &Report, written: Option<&Path>) -> String {
    let mut text = output::summary(report, terminal::stderr_width(), console::colors_enabled_stderr());
    if let Some(path) = written {
        text += &format!("report: {}\n", path.display());
    }
    text
}

/// Tells of a panic: the thread that it ends measured something, and what is measured goes on.
fn panic_hook(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let _ = writeln!(
        io::stderr(),
        "effllm: internal error in thread {name}, whose measurements end here; the command goes on: {panic}"
    );
}
