//! The main job: a command, exactly as it would run alone, and a report of it.

mod context;
mod follow;
mod pump;
mod report_file;
mod supervise;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::child::{self, Ending, Signals};
use crate::error::Error;
use crate::model::Clock;
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
}

/// Runs the command, and answers with how it ended once the report is written.
///
/// # Errors
/// Only before the command has started; what fails later costs measurements and is a warning.
pub fn run(settings: Settings, argv: &[OsString]) -> Result<Ending, Error> {
    let report_file = ReportFile::prepare(&settings.report)?;
    let signals = Signals::take()?;
    let clock = Clock::new();
    let unbuffer = settings.unbuffer && context::python_unbuffered_is_unset();
    let recorder =
        Recorder::new(context::options(&settings), context::command(argv, unbuffer), context::job(), 0.0);
    let recorder = Shared(Arc::new(Mutex::new(recorder)));
    let started = clock.now();
    let child = child::spawn(argv, signals.original_mask(), unbuffer)?;
    recorder.lock().started(started);
    let pid = child.pid;
    let kept_current = report_file.keep_current({
        let recorder = recorder.clone();
        move || recorder.lock().report(clock.now())
    });
    let (feed, follower) = follow::follow(settings.log.reader(), recorder.clone(), || {});
    let to_stdout: pump::Sink = match settings.report {
        ReportTarget::Stdout => Box::new(|bytes| io::stderr().write_all(bytes)),
        ReportTarget::File(_) => Box::new(|bytes| {
            let mut o = io::stdout();
            o.write_all(bytes)?;
            o.flush()
        }),
    };
    let pumps =
        pump::start(child, [to_stdout, Box::new(|bytes| io::stderr().write_all(bytes))], clock, &feed);
    let ending = supervise::supervise(&signals, pid);
    let ended = clock.now();
    if !pumps.drain() {
        recorder
            .lock()
            .warn("something that the command left behind holds its output open; it was not waited for");
    }
    drop(kept_current);
    if !follower.finish(feed) {
        recorder
            .lock()
            .warn("reading the log hung or failed: iterations, tokens and samples are not complete");
    }
    let (cpu_seconds, max_rss_bytes) = context::usage_of_children();
    recorder.lock().ended(ended, ending.status(), |command| {
        command.exit = ending.exit();
        (command.cpu_seconds, command.max_rss_bytes) = (cpu_seconds, max_rss_bytes);
    });
    let report = recorder.lock().report(ended);
    report_file.write(&report);
    Ok(ending)
}
