//! The main job: a command, exactly as it would run alone, and a report of it.

mod announce;
mod context;
mod follow;
mod pump;
mod report_file;
mod supervise;

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;

use crate::child::{self, Ending, Policy, Signals};
use crate::error::Error;
use crate::gpu;
use crate::host::HostSampler;
use crate::model::{Clock, Event, Report};
use crate::recorder::Recorder;
use crate::render;
use crate::settings::{ReportTarget, Settings};
use crate::sink::queue::Queue;
use crate::sink::{Sinks, Warn};
use crate::view::{self, Live, Stream, Terminal, Ticker};

use announce::Announcer;
use report_file::ReportFile;
use supervise::Moment;

/// How long the end of a run waits for NVML's last sample.
const NVML_PATIENCE: Duration = Duration::from_millis(400);
/// How long it waits for the last look at the process tree.
const HOST_PATIENCE: Duration = Duration::from_millis(50);

/// Runs the command, and answers with how it ended once the report is written.
///
/// # Errors
/// Only before the command has started; what fails later costs measurements and is a warning.
pub fn run(settings: Settings, argv: &[OsString]) -> Result<Ending, Error> {
    let report_file = ReportFile::prepare(&settings.report)?;
    // Before the first thread: those that come later leave the signals alone.
    let signals = Signals::take()?;
    let clock = Clock::new();
    let unbuffer = settings.unbuffer && context::python_unbuffered_is_unset();
    let recorder =
        Recorder::new(settings.recorder_options(), context::command(argv, unbuffer), context::job());
    let sinks = Sinks::open(&settings.sinks)?;
    let recorder = Shared { recorder: Arc::new(Mutex::new(recorder)), series: sinks.series() };
    let live = if settings.quiet { Live::Off } else { settings.live.resolve(view::stderr_can_draw()) };
    let terminal =
        Terminal::standard(live).map_err(|error| Error::failed(format!("cannot use stderr: {error}")))?;
    let terminal = Arc::new(terminal);
    if let Some(url) = sinks.served_at().filter(|_| !settings.quiet) {
        let _ = terminal.print(&format!("effllm: the metrics are served at {url}\n"));
    }
    let gpus = sample_gpus(&settings, clock, &recorder)?;

    // Orphans of the command's tree come to effllm, so that the whole of it is seen and counted.
    let _ = set_child_subreaper(true);
    let started = clock.now();
    let child = child::spawn(argv, signals.original_mask(), unbuffer)?;
    panic::set_hook(Box::new(mourn));
    recorder.lock().started(started);
    let pid = child.pid;
    let snapshot = recorder.snapshot(clock);
    let host = HostSampler::start(std::process::id(), settings.interval, clock, recorder.sink());
    let kept_current = report_file.keep_current(snapshot.clone());
    let ticker = (live == Live::Table).then(|| Ticker::start(terminal.clone(), snapshot.clone()));
    let mut announcer =
        Announcer::new(terminal.clone(), recorder.clone(), clock, live, settings.log_interval);
    let mut scalars = sinks.scalars(clock);
    let sinks = sinks.start(clock, started, snapshot, recorder.warn());
    let look = {
        let recorder = recorder.clone();
        move || {
            announcer.look();
            if let Some(scalars) = &mut scalars {
                scalars.look(&recorder.lock());
            }
        }
    };
    let (feed, follower) = follow::follow(settings.log.reader(), recorder.clone(), look);
    let pumps = pump::start(child, outputs(&settings.report, &terminal), clock, feed);

    let ending = supervise::supervise(&signals, pid, Policy::default(), None, |moment| match moment {
        Moment::Ending => kept_current.save_now(),
        Moment::Suspending => {
            let _ = terminal.pause();
            recorder.lock().suspended();
        }
        Moment::Resumed => {
            terminal.resume();
            recorder.lock().suspended();
        }
    });

    let finish = || {
        let ended = clock.now();
        if !gpus.finish(NVML_PATIENCE) {
            recorder.lock().warn("NVML did not answer at the end: the last sample may be missing");
        }
        if let Ok(host) = host {
            host.finish(HOST_PATIENCE);
        }
        if !pumps.drain(|| supervise::interrupted(&signals)) {
            recorder
                .lock()
                .warn("something that the command left behind holds its output open; it was not waited for");
        }
        if !follower.finish() {
            recorder
                .lock()
                .warn("reading the log hung or failed: iterations, tokens and samples are not complete");
        }
        recorder.lock().ended(ended, ending.status(), |command| {
            command.exit = ending.exit();
            (command.cpu_seconds, command.max_rss_bytes) = context::usage_of_children();
        });
        let report = recorder.lock().report(ended);
        sinks.finish(&report, ended);
        // A sink that failed has said so in the meantime.
        let report = recorder.lock().report(ended);
        drop(ticker);
        let is_free = terminal.finish().is_ok();
        report_file.finish(&report);
        if is_free && !settings.quiet {
            let _ = terminal.print(&closing(&report, &report_file));
        }
    };
    // Whatever happens there, the command's ending is kept.
    let _ = panic::catch_unwind(AssertUnwindSafe(finish));
    Ok(ending)
}

/// The recorder, as the sources' threads share it.
#[derive(Clone)]
struct Shared {
    recorder: Arc<Mutex<Recorder>>,
    /// Where copies of the events go.
    series: Option<Queue<Event>>,
}

impl Shared {
    /// A thread that panicked while it held the recorder ends its own measurements, not the others'.
    fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The report as it stands whenever it is asked for.
    fn snapshot(&self, clock: Clock) -> impl Fn() -> Report + Clone + Send + 'static {
        let shared = self.clone();
        move || shared.lock().report(clock.now())
    }

    /// Takes in one event.
    fn fold(&self, event: Event) {
        if let Some(series) = &self.series {
            series.offer(event.clone());
        }
        self.lock().fold(event);
    }

    /// What a source is to do with its events.
    fn sink(&self) -> impl Fn(Event) + Send + 'static {
        let shared = self.clone();
        move |event| shared.fold(event)
    }

    /// What a sink is to do with its warnings.
    fn warn(&self) -> Warn {
        let shared = self.clone();
        Arc::new(move |warning| shared.lock().warn(warning))
    }
}

/// Starts the GPU sampler; its first sample is taken when this returns.
fn sample_gpus(settings: &Settings, clock: Clock, recorder: &Shared) -> Result<gpu::Sampler, Error> {
    let options = gpu::Options {
        choice: settings.gpus.clone(),
        interval: settings.interval,
        library: settings.nvml_library.clone(),
        visible_devices: context::variable("CUDA_VISIBLE_DEVICES"),
        device_order: context::variable("CUDA_DEVICE_ORDER"),
    };
    let (sampler, start) = gpu::Sampler::start(options, clock, recorder.sink())?;
    match start {
        gpu::Start::Measuring { .. } => {}
        gpu::Start::Unavailable { reason } | gpu::Start::Late { reason } => recorder.lock().no_gpus(reason),
    }
    Ok(sampler)
}

/// Where the command's stdout and stderr go: a report on stdout leaves it no room there.
fn outputs(report: &ReportTarget, terminal: &Arc<Terminal>) -> [pump::Sink; 2] {
    let to = |stream| -> pump::Sink {
        let terminal = terminal.clone();
        Box::new(move |bytes| terminal.write_child(stream, bytes))
    };
    match report {
        ReportTarget::Stdout => [to(Stream::Stderr), to(Stream::Stderr)],
        ReportTarget::File(_) => [to(Stream::Stdout), to(Stream::Stderr)],
    }
}

/// The summary at the end.
fn closing(report: &Report, file: &ReportFile) -> String {
    let mut text = render::summary(report, view::stderr_width(), console::colors_enabled_stderr());
    if let Some(path) = file.path() {
        text += &format!("report: {}\n", path.display());
    }
    text
}

/// Tells of a panic: the thread that it ends measured something, and the command goes on.
fn mourn(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let _ = writeln!(
        io::stderr(),
        "effllm: internal error in thread {name}, whose measurements end here; the command goes on: {panic}"
    );
}
