//! What already runs, measured from outside: an inference server, a job that someone else started.

mod interrupt;
pub use interrupt::interruptions;
mod log_tailer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use jiff::Timestamp;

use crate::config::Settings;
use crate::error::Error;
use crate::fs::conflicts::FileUse;
use crate::gpu::GpuChoice;
use crate::log::tail::{StartAt, Tail};
use crate::process::Ending;
use crate::process::{NamedProcess, Tree};
use crate::report::{Command, Status};
use crate::session::Session;
use crate::session::environment::Environment;
use crate::session::gate::RunGate;
use crate::session::secrets;
use crate::text::sanitize::{clip, plain};
use crate::text::units::show_duration;
use interrupt::Stops;
use log_tailer::LogTailer;

/// What is measured besides the GPUs, and for how long.
#[derive(Debug)]
pub struct MonitorTarget {
    pub pid: Option<u32>,
    pub log: Option<PathBuf>,
    pub start_at: StartAt,
    pub duration: Option<Duration>,
}

/// Measures until the process ends, the time is up, or a signal says so, and writes the report.
/// Answers with how effllm is to end: well, or as a gate that was not passed.
///
/// # Errors
/// Before it begins: there is no such process, the log cannot be read, there is nothing to measure.
pub fn monitor(settings: Settings, subject: &MonitorTarget) -> Result<Ending, Error> {
    let log = subject.log.iter().map(|path| FileUse::read("--log", path));
    let mut gate = RunGate::prepare(&settings.gate, settings.uses().into_iter().chain(log).collect())?;
    let process = subject.pid.map(find).transpose()?;
    let open = |log| open(log, subject.start_at).map_err(|error| error.of_flag("log"));
    let mut tail = subject.log.as_deref().map(open).transpose()?;
    let only_gpus = process.is_none() && tail.is_none();
    if only_gpus && settings.gpus == GpuChoice::None {
        return Err(Error::usage("with none, there is nothing to measure")
            .of_flag("gpus")
            .hint("--pid PID names a process, --log FILE its log"));
    }
    let environment = process.map_or(Ok(Environment::Own), |process| Environment::of(process.pid()));
    let unreadable = environment.is_err();
    let environment = environment.unwrap_or(Environment::Of(BTreeMap::new()));
    let command = command(process, subject, settings.mask);
    let name = clip(&plain(&command.argv.join(" ")), 60);
    let stops = Stops::take();
    let mut session = Session::prepare(&settings, command, &environment, true)?;
    let mut reader = settings.log.reader();
    if let Some(tail) = &mut tail {
        let facts = log_tailer::scan_existing(tail, &mut reader)?;
        facts.into_iter().for_each(|facts| session.recorder.fold(facts));
    }
    session.say(&gate.warnings());
    describe(&session, process, unreadable);
    if subject.log.is_none() {
        session.recorder.lock().no_log("no log is read: --log FILE names one");
    }
    let interruptions = interruptions()?;
    stops.clear_the_screen_of(session.terminal.clone());

    session.begin(process.map(|process| Tree::Of(process.pid())));
    let log = tail.and_then(|tail| {
        let (feed, follower) = session.follow(reader)?;
        let (clock, started, recorder) = (session.clock, session.started.clone(), session.recorder.clone());
        Some(LogTailer::read(tail, clock, started, recorder, feed, follower))
    });
    session.sample_gpus()?;
    let without_gpus = session.why_no_gpus(Duration::from_secs(2));
    if let Some(reason) = without_gpus.as_ref().filter(|_| only_gpus) {
        return Err(Error::failed(format!("there is nothing to measure: {reason}"))
            .hint("'effllm gpus' explains; --pid PID names a process, --log FILE its log"));
    }
    let begun = Instant::now();
    let started = session.clock.at(begun);
    session.recorder.lock().started(started, Timestamp::now().to_string());
    session.started.set(started);
    session.say(&beginning(without_gpus.is_none(), process, &name, subject));
    let until = subject.duration.and_then(|duration| begun.checked_add(duration));
    let status = wait(process, &interruptions, until);
    let ended = session.clock.now();
    session.stop_sampling();
    session.finish(
        ended,
        status,
        log.is_none_or(LogTailer::finish),
        |_| {},
        |report| {
            gate.judge(report);
            gate.outcome(report, gate.ending(Ending::Exited(0)), settings.quiet)
        },
    );
    Ok(gate.ending(Ending::Exited(0)))
}

/// The log. A pipe has no name that can be followed, and opening it would wait for who writes into it.
fn open(log: &Path, start_at: StartAt) -> Result<Tail, Error> {
    match log.metadata() {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            Err(Error::usage(format!("{} is no file", log.display()))
                .hint("a log must be a file; 'effllm parse' reads a pipe"))
        }
        _ => Tail::open(log, start_at),
    }
}

fn find(pid: u32) -> Result<NamedProcess, Error> {
    NamedProcess::find(pid).ok_or_else(|| {
        Error::usage(format!("no process {pid} is visible to this user"))
            .of_flag("pid")
            .hint("'ps -e' lists those that run")
    })
}

/// What is measured, as the report's command.
fn command(process: Option<NamedProcess>, subject: &MonitorTarget, mask: bool) -> Command {
    let log = || subject.log.iter().map(|log| log.display().to_string()).collect();
    let argv = process.map_or_else(log, NamedProcess::argv);
    Command {
        cwd: process.and_then(NamedProcess::cwd),
        started_at: Some(Timestamp::now().to_string()),
        ..Command::of(if mask { secrets::mask(&argv) } else { argv })
    }
}

/// What the report is to say of a run that was not seen from its start.
fn describe(session: &Session, process: Option<NamedProcess>, unreadable_environment: bool) {
    let mut recorder = session.recorder.lock();
    recorder.join();
    let why = match process {
        Some(_) => "the process is no child of effllm: only its parent is told how it ended",
        None => "no process was measured",
    };
    recorder.cannot_know("command.exit", why);
    recorder.cannot_know("command.max_rss_bytes", why);
    if unreadable_environment {
        recorder.warn(
            "the environment of the process may not be read: its CUDA_VISIBLE_DEVICES, rank and job are \
             not known",
        );
    }
}

/// What is said when measuring begins. `name` is the process's command line as it may be shown.
fn beginning(with_gpus: bool, process: Option<NamedProcess>, name: &str, subject: &MonitorTarget) -> String {
    let mut what = Vec::new();
    if with_gpus {
        what.push("GPUs".to_owned());
    }
    let mut until = vec!["Ctrl-C".to_owned()];
    if let Some(process) = process {
        what.push(format!("process {} ({name})", process.pid()));
        until.push("the process has ended".to_owned());
    }
    what.extend(subject.log.as_ref().map(|log| plain(&log.display().to_string())));
    until.extend(subject.duration.map(|time| format!("{} have passed", show_duration(time.as_secs_f64()))));
    format!("effllm: measuring {} until {}\n", what.join(" and "), until.join(" or "))
}

/// How often it is looked whether the process still runs. Its end is seen in /proc rather than
/// through a pidfd, which kernels before 5.3 do not have.
const LOOK: Duration = Duration::from_millis(100);

fn wait(process: Option<NamedProcess>, interruptions: &Receiver<()>, until: Option<Instant>) -> Status {
    loop {
        let now = Instant::now();
        if process.is_some_and(|process| !process.is_running()) || until.is_some_and(|until| until <= now) {
            return Status::Completed;
        }
        let next = until.map_or(now + LOOK, |until| until.min(now + LOOK));
        if interruptions.recv_deadline(next) != Err(RecvTimeoutError::Timeout) {
            return Status::Interrupted;
        }
    }
}
