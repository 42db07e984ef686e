//! The first stage of `monitor`: the process and the log are found, and everything is checked.

use std::mem;
use std::path::Path;
use std::time::Instant;

use super::MonitorTarget;
use super::log_tailer::{self, spawn_tailer};
use super::measure::Measuring;
use crate::config::{AvailableSources, LogRules, Settings};
use crate::error::Error;
use crate::fs::conflicts::FileUse;
use crate::gpu::GpuChoice;
use crate::log::tail::{StartAt, Tail};
use crate::process::{ExternalProcess, Signals, Tree};
use crate::session::degradation::Degradation;
use crate::session::environment::{Environment, measured_command};
use crate::session::verdict::Gate;
use crate::session::{Recording, Session};
use crate::text::sanitize::{clip, plain};
use crate::text::units::show_duration;

impl<'a> Measuring<'a> {
    /// Begins to measure.
    ///
    /// # Errors
    /// There is no such process, the log cannot be read, a setting cannot be followed, or `--gpus` lists a
    /// GPU that is not there.
    pub fn begin(
        signals: &'a Signals,
        mut settings: Settings,
        target: &MonitorTarget,
    ) -> Result<Self, Error> {
        let log = target.log.iter().map(|path| FileUse::read("--log", path));
        let sources = AvailableSources {
            log: target.log.as_ref().map(|_| ()).ok_or("no log is read without --log FILE"),
            ..AvailableSources::ALL
        };
        let uses = settings.uses().into_iter().chain(log).collect();
        let gate = Gate::prepare(&settings, uses, |metric| settings.never_known(metric, sources))?;
        let process = target.pid.map(find).transpose()?;
        let open = |log| open(log, target.start_at).map_err(|error| error.of_flag("log"));
        let mut tail = target.log.as_deref().map(open).transpose()?;
        let measures_gpus = settings.options.gpus.gpus != GpuChoice::None;
        if process.is_none() && tail.is_none() && !measures_gpus {
            return Err(Error::usage("without GPUs there is nothing to measure")
                .of_flag("gpus")
                .help("pass a process with --pid PID, or its log with --log FILE"));
        }
        let environment =
            process.map_or_else(|| Ok(Environment::own()), |process| process.environment().map(Environment));
        let is_readable = environment.is_ok();
        let environment = environment.unwrap_or_default();
        let log = || target.log.iter().map(|log| log.display().to_string()).collect();
        let argv = process.map_or_else(log, ExternalProcess::argv);
        let command =
            measured_command(argv, process.and_then(ExternalProcess::cwd), !settings.options.report.no_mask);
        let process_name = clip(&plain(&command.argv.join(" ")), 60);
        let mut reader = mem::replace(&mut settings.log, LogRules::Auto).reader();
        let facts = tail.as_mut().map(|tail| log_tailer::scan_existing(tail, &mut reader)).transpose()?;
        let log = tail.as_ref().map(|_| || reader).ok_or(Degradation::NoLogFile);
        let tree = process.map(|process| Tree::Of(process.pid()));
        let (mut recording, feed) = Recording::prepare(&settings, command, environment, || tree, log, true)?;
        let session = &recording.session;
        facts.flatten().into_iter().for_each(|facts| session.recorder.fold(facts));
        session.print(&gate.warnings());
        note_unknowns(session, process, is_readable);
        session.print(&announcement(
            process.map(|process| (process.pid(), process_name)),
            measures_gpus,
            target,
        ));
        let log_tailer = tail.zip(feed).map(|(tail, feed)| spawn_tailer(tail, session.clone(), feed));
        recording.check_listed_gpus()?;
        signals.begin();
        let begun = Instant::now();
        recording.begin(begun);
        let until = target.duration.and_then(|duration| begun.checked_add(duration));
        let only_gpus = process.is_none() && target.log.is_none();
        Ok(Self { signals, process, log_tailer, only_gpus, until, recording, gate })
    }
}

/// The line on stderr when measuring begins. `process`: its PID, and its command line as it may be shown.
fn announcement(process: Option<(u32, String)>, measures_gpus: bool, target: &MonitorTarget) -> String {
    let mut measured = Vec::new();
    if measures_gpus {
        measured.push("GPUs".to_owned());
    }
    let mut until = vec!["Ctrl-C".to_owned()];
    if let Some((pid, name)) = process {
        measured.push(format!("process {pid} ({name})"));
        until.push("the process has ended".to_owned());
    }
    measured.extend(target.log.as_ref().map(|log| plain(&log.display().to_string())));
    until.extend(target.duration.map(|time| format!("{} have passed", show_duration(time.as_secs_f64()))));
    format!("effllm: measuring {} until {}\n", measured.join(" and "), until.join(" or "))
}

/// Opens the log. A pipe cannot be followed by its name, and opening it would wait for its writer.
fn open(log: &Path, start_at: StartAt) -> Result<Tail, Error> {
    match log.metadata() {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            Err(Error::usage(format!("{} is no file", log.display()))
                .help("a log must be a file; 'effllm parse' reads a pipe"))
        }
        _ => Tail::open(log, start_at),
    }
}

fn find(pid: u32) -> Result<ExternalProcess, Error> {
    ExternalProcess::find(pid).ok_or_else(|| {
        Error::usage(format!("--pid {pid}: there is no such process, or it is another user's and hidden"))
            .help("'ps -e' lists the running processes")
    })
}

/// Tells the report what stays unknown of a process that effllm did not start.
fn note_unknowns(session: &Session, process: Option<ExternalProcess>, is_environment_readable: bool) {
    let mut recorder = session.recorder.lock();
    recorder.join(log_tailer::POLL_INTERVAL.as_secs_f64());
    let why = match process {
        Some(_) => "the process is no child of effllm: only its parent learns how it ended",
        None => "no process was measured",
    };
    recorder.cannot_know("command.exit", why);
    recorder.cannot_know("command.max_rss_bytes", why);
    if !is_environment_readable {
        recorder.warn(
            "the environment of the process cannot be read: its visible GPUs, rank and job are not known",
        );
    }
}
