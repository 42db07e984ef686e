//! The first stage of `monitor`: the process and the log are found, and everything is checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;

use super::MonitorTarget;
use super::log_tailer::{self, LogTailer};
use super::measure::Measuring;
use crate::config::{AvailableSources, Settings};
use crate::error::Error;
use crate::fs::conflicts::FileUse;
use crate::gpu::GpuChoice;
use crate::log::LogReader;
use crate::log::tail::{StartAt, Tail};
use crate::process::{DefaultSignalHandler, ExternalProcess, Signals, Tree};
use crate::report::Command;
use crate::session::degradation::Degradation;
use crate::session::environment::Environment;
use crate::session::gate::RunGate;
use crate::session::{Setup, secrets};
use crate::text::sanitize::{clip, plain};
use crate::text::units::show_duration;

/// A measurement before its start.
pub struct Prepared<'a> {
    signals: &'a Signals,
    default_handler: DefaultSignalHandler,
    process: Option<ExternalProcess>,
    log: Option<(Tail, LogReader)>,
    measures_gpus: bool,
    target: &'a MonitorTarget,
    /// The process's command line, as it may be shown.
    process_name: String,
    gate: RunGate,
    setup: Setup,
    quiet: bool,
}

impl<'a> Prepared<'a> {
    /// # Errors
    /// There is no such process, the log cannot be read, or a setting cannot be followed.
    pub fn new(signals: &'a Signals, settings: Settings, target: &'a MonitorTarget) -> Result<Self, Error> {
        let default_handler = signals.install_default_handler();
        let log = target.log.iter().map(|path| FileUse::read("--log", path));
        let sources = AvailableSources {
            log: target.log.as_ref().map(|_| ()).ok_or("no log is read without --log FILE"),
            ..AvailableSources::ALL
        };
        let uses = settings.uses().into_iter().chain(log).collect();
        let gate = RunGate::prepare(&settings, uses, sources)?;
        let process = target.pid.map(find).transpose()?;
        let open = |log| open(log, target.start_at).map_err(|error| error.of_flag("log"));
        let mut tail = target.log.as_deref().map(open).transpose()?;
        let measures_gpus = settings.options.gpus.gpus != GpuChoice::None;
        if process.is_none() && tail.is_none() && !measures_gpus {
            return Err(Error::usage("without GPUs there is nothing to measure")
                .of_flag("gpus")
                .help("pass a process with --pid PID, or its log with --log FILE"));
        }
        let variables = process.map(ExternalProcess::environment).transpose();
        let is_readable = variables.is_ok();
        let environment = match variables {
            Ok(None) => Environment::Own,
            Ok(Some(variables)) => Environment::Of(variables),
            Err(_) => Environment::Of(BTreeMap::new()),
        };
        let command = command(process, target, !settings.options.report.no_mask);
        let process_name = clip(&plain(&command.argv.join(" ")), 60);
        let setup = Setup::new(&settings, command, environment, true)?;
        let mut reader = settings.log.reader();
        if let Some(tail) = &mut tail {
            let facts = log_tailer::scan_existing(tail, &mut reader)?;
            facts.into_iter().for_each(|facts| setup.session.recorder.fold(facts));
        }
        setup.session.print(&gate.warnings());
        note_unknowns(&setup, process, is_readable);
        let (log, quiet) = (tail.map(|tail| (tail, reader)), settings.options.live.quiet);
        Ok(Self {
            signals,
            default_handler,
            process,
            log,
            measures_gpus,
            target,
            process_name,
            gate,
            setup,
            quiet,
        })
    }

    /// Begins to measure.
    ///
    /// # Errors
    /// `--gpus` lists a GPU that is not there.
    pub fn begin(self) -> Result<Measuring<'a>, Error> {
        self.setup.session.print(&self.announcement());
        let Self { signals, default_handler, process, target, gate, quiet, .. } = self;
        let tree = process.map(|process| Tree::Of(process.pid()));
        let (tail, reader) = self.log.unzip();
        let (armed, feed) =
            self.setup.arm(tree, reader.map(|reader| || reader).ok_or(Degradation::NoLogFile));
        let log_tailer = tail.zip(feed).map(|(tail, feed)| LogTailer::spawn(tail, &armed, feed));
        let gpus = armed.check_listed_gpus()?;
        default_handler.suspend();
        let begun = Instant::now();
        let recording = armed.begin(begun, gpus);
        let until = target.duration.and_then(|duration| begun.checked_add(duration));
        let only_gpus = process.is_none() && target.log.is_none();
        Ok(Measuring {
            signals,
            default_handler,
            process,
            log_tailer,
            only_gpus,
            until,
            recording,
            gate,
            quiet,
        })
    }

    /// The line on stderr when measuring begins.
    fn announcement(&self) -> String {
        let mut measured = Vec::new();
        if self.measures_gpus {
            measured.push("GPUs".to_owned());
        }
        let mut until = vec!["Ctrl-C".to_owned()];
        if let Some(process) = self.process {
            measured.push(format!("process {} ({})", process.pid(), self.process_name));
            until.push("the process has ended".to_owned());
        }
        measured.extend(self.target.log.as_ref().map(|log| plain(&log.display().to_string())));
        until.extend(
            self.target.duration.map(|time| format!("{} have passed", show_duration(time.as_secs_f64()))),
        );
        format!("effllm: measuring {} until {}\n", measured.join(" and "), until.join(" or "))
    }
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

/// The target as the report's command.
fn command(process: Option<ExternalProcess>, target: &MonitorTarget, mask: bool) -> Command {
    let log = || target.log.iter().map(|log| log.display().to_string()).collect();
    let argv = process.map_or_else(log, ExternalProcess::argv);
    Command {
        cwd: process.and_then(ExternalProcess::cwd),
        started_at: Some(Timestamp::now().to_string()),
        ..Command::of(if mask { secrets::mask(&argv) } else { argv })
    }
}

/// Tells the report what stays unknown of a process that effllm did not start.
fn note_unknowns(setup: &Setup, process: Option<ExternalProcess>, is_environment_readable: bool) {
    let mut recorder = setup.session.recorder.lock();
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
