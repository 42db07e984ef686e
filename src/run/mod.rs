//! The main job: a command, exactly as it would run alone, and a report of it.

mod context;
mod follow;
mod pump;
mod report_file;
mod supervise;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::unistd::Pid;

use crate::child::{self, Ending, Signals};
use crate::error::Error;
use crate::gpu;
use crate::host::HostSampler;
use crate::model::{Clock, Event};
use crate::recorder::Recorder;
use crate::settings::{ReportTarget, Settings};

use report_file::ReportFile;

/// The recorder, as the sources' threads share it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Recorder>>);

impl Shared {
    /// A thread that panicked while it held the recorder ends its own measurements, not the others'.
    fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a source is to do with its events.
    fn sink(&self) -> impl Fn(Event) + Send + 'static {
        let shared = self.clone();
        move |event| shared.lock().fold(event)
    }
}

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
    let recorder = Shared(Arc::new(Mutex::new(recorder)));
    let gpus = sample_gpus(&settings, clock, &recorder)?;

    let started = clock.now();
    let child = child::spawn(argv, signals.original_mask(), unbuffer)?;
    recorder.lock().started(started);
    let pid = child.pid;
    let host = sample_host(pid, settings.interval, clock, &recorder);
    let kept_current = report_file.keep_current({
        let recorder = recorder.clone();
        move || recorder.lock().report(clock.now())
    });
    let (feed, follower) = follow::follow(settings.log.reader(), recorder.clone(), || {});
    let pumps = pump::start(child, sinks(&settings.report), clock, &feed);

    let ending = supervise::supervise(&signals, pid);
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
    drop(kept_current);
    feed.end();
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
    report_file.write(&report);
    Ok(ending)
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
        gpu::Start::Unavailable { reason } | gpu::Start::Late { reason } => {
            recorder.lock().no_gpus(reason);
        }
    }
    Ok(sampler)
}

fn sample_host(pid: Pid, interval: Duration, clock: Clock, recorder: &Shared) -> io::Result<HostSampler> {
    HostSampler::start(pid.as_raw().unsigned_abs(), interval, clock, recorder.sink())
}

/// Where the command's stdout and stderr go.
fn sinks(report: &ReportTarget) -> [pump::Sink; 2] {
    let to_stdout: pump::Sink = match report {
        ReportTarget::Stdout => Box::new(|bytes| io::stderr().write_all(bytes)),
        ReportTarget::File(_) => Box::new(|bytes| {
            let mut o = io::stdout();
            o.write_all(bytes)?;
            o.flush()
        }),
    };
    [to_stdout, Box::new(|bytes| io::stderr().write_all(bytes))]
}
