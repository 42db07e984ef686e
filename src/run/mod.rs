//! The main job: a command, exactly as it would run alone, and a report of it.

mod announce;
mod context;
mod follow;
mod pump;
mod report_file;
mod secrets;
mod supervise;
mod wiring;

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;

use crate::child::{self, Ending, Policy, Signals, Wiring};
use crate::error::Error;
use crate::gpu;
use crate::host::HostSampler;
use crate::model::{Clock, Event, Report};
use crate::periodic::{rehearse_panic, rehearse_panic_of};
use crate::recorder::Recorder;
use crate::render;
use crate::settings::{ReportTarget, Settings};
use crate::sink::queue::Queue;
use crate::sink::{Sinks, Warn, series};
use crate::view::{self, Keyboard, Live, Stream, Terminal, Ticker};

use announce::Announcer;
use report_file::ReportFile;
use supervise::{Moment, Supervised};

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
    let wiring = wiring::choose(settings.stdio, &settings.report)?;
    let is_read = !matches!(wiring, Wiring::Inherit { .. });
    let unbuffer = settings.unbuffer && is_read && context::python_unbuffered_is_unset();
    let command = context::command(argv, unbuffer, settings.mask);
    let mut recorder = Recorder::new(settings.recorder_options(), command, context::job());
    if !is_read {
        recorder.no_log("the log is not read: with --stdio inherit the output does not pass through effllm");
    }
    let sinks = Sinks::open(&settings.sinks)?;
    let recorder = Shared { recorder: Arc::new(Mutex::new(recorder)), series: sinks.series() };
    // What does not pass through effllm leaves it no place on the screen.
    let quiet = settings.quiet || !is_read;
    let live = if quiet { Live::Off } else { settings.live.resolve(view::stderr_can_draw()) };
    let terminal =
        Terminal::standard(live).map_err(|error| Error::failed(format!("cannot use stderr: {error}")))?;
    let terminal = Arc::new(terminal);
    panic::set_hook(Box::new(mourn));
    if let Some(url) = sinks.served_at().filter(|_| !settings.quiet) {
        let _ = terminal.print(&format!("effllm: the metrics are served at {url}\n"));
    }
    let gpus = sample_gpus(&settings, clock, &recorder)?;

    // Orphans of the command's tree come to effllm, so that the whole of it is seen and counted.
    let _ = set_child_subreaper(true);
    let like = wiring::terminal(&wiring);
    let started = clock.now();
    recorder.lock().started(started);
    let child = child::spawn(argv, wiring, signals.original_mask(), unbuffer)?;
    let (mut keyboard, slave) = match (child.pty, like) {
        (Some(pty), Some(like)) => (Keyboard::new(like, pty.master).ok(), Some(pty.slave)),
        _ => (None, None),
    };
    if let Some(keyboard) = &mut keyboard {
        keyboard.hold();
    }
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
    let pumps = pump::start(child.outputs, |stream| sink(stream, &settings.report, &terminal), clock, feed);

    let supervised = Supervised {
        signals: &signals,
        pid: child.pid,
        policy: Policy::new(settings.not_forwarded, keyboard.is_some()),
        kill_after: settings.kill_after,
        keyboard: keyboard.as_mut(),
    };
    let ending = supervised.until_it_ends(|moment| {
        guarded(|| match moment {
            Moment::Ending => kept_current.save_now(),
            Moment::Suspending => {
                let _ = terminal.pause();
                recorder.lock().suspended(clock.now());
            }
            Moment::Resumed => {
                terminal.resume();
                recorder.lock().resumed(clock.now());
            }
        });
    });

    let ended = clock.now();
    drop(slave); // the last one: what was written to the command's terminal ends
    guarded(|| {
        if !gpus.finish(NVML_PATIENCE) {
            recorder.lock().warn("NVML did not answer at the end: the last sample may be missing");
        }
        if let Ok(host) = host {
            host.finish(HOST_PATIENCE);
        }
    });
    if let Some(keyboard) = &mut keyboard {
        keyboard.release_keys();
    }
    let is_drained = pumps.drain(|| supervise::interrupted(&signals));
    drop(keyboard);
    guarded(|| {
        if !is_drained {
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
    });
    Ok(ending)
}

/// A step of effllm's own beside the command's: whatever happens in it, the rest goes on.
fn guarded(step: impl FnOnce()) {
    // Told by the hook.
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        rehearse_panic_of("end");
        step();
    }));
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
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        rehearse_panic();
        recorder
    }

    /// The report as it stands whenever it is asked for.
    fn snapshot(&self, clock: Clock) -> impl Fn() -> Report + Clone + Send + 'static {
        let shared = self.clone();
        move || shared.lock().report(clock.now())
    }

    /// Takes in one event.
    fn fold(&self, event: Event) {
        if let Some(series) = self.series.as_ref().filter(|_| series::shows(&event)) {
            series.offer(event.clone());
        }
        self.lock().fold(event);
    }

    /// What a source is to do with its events.
    fn sink(&self) -> impl Fn(Event) + Clone + Send + 'static {
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

/// Where a stream of the command goes: a report on stdout leaves it no room there.
fn sink(stream: child::Stream, report: &ReportTarget, terminal: &Arc<Terminal>) -> pump::Sink {
    let stream = match (stream, report) {
        (child::Stream::Stdout, ReportTarget::File(_)) => Stream::Stdout,
        _ => Stream::Stderr,
    };
    let terminal = terminal.clone();
    Box::new(move |bytes| terminal.write_child(stream, bytes))
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
