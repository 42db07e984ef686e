//! The first stage: finds every usage error, reserves what the command needs, and starts the command with
//! the measurements beside it.

use std::env;
use std::ffi::OsString;
use std::mem;
use std::time::Instant;

use super::pump::PumpThreads;
use super::replace;
use super::supervise::Running;
use crate::config::{AvailableSources, LogRules, ReportTarget, Settings};
use crate::error::{Error, FAILED};
use crate::event::Stream;
use crate::process::{
    self, Copies, Filters, ProcessSlot, SignalPolicy, Signals, StdioMode, Supervisor, Tree, UNBUFFERED,
    adopt_orphans,
};
use crate::report::Command;
use crate::session::Recording;
use crate::session::degradation::Degradation;
use crate::session::environment::{Environment, measured_command};
use crate::session::verdict::Gate;

impl<'a> Running<'a> {
    /// Starts the command. Every thread starts before it, so that its output is carried from the first
    /// byte, except the GPU sampler: opening the GPUs' library can take seconds, or block later threads.
    /// `can_replace`: whether the command may replace effllm where there is no room for both.
    ///
    /// # Errors
    /// The report, a sink or a gate cannot do what the settings ask for, `--gpus` lists a GPU that is not
    /// there, or the command cannot be executed.
    pub fn launch(
        signals: &'a Signals,
        mut settings: Settings,
        argv: &[OsString],
        can_replace: bool,
    ) -> Result<Self, Error> {
        let copies = Copies::find(&settings.streams_of_the_end());
        let slot = ProcessSlot::reserve();
        let report_takes_stdout = settings.options.report.report == ReportTarget::Stdout;
        let pump_threads = match settings.options.command.stdio {
            StdioMode::Inherit => Err(Degradation::OutputInherited),
            StdioMode::Pipe | StdioMode::Pty => PumpThreads::spawn().map_err(|_| Degradation::NoThreads),
        };
        let stdio = if pump_threads.is_ok() { settings.options.command.stdio } else { StdioMode::Inherit };
        let gate = Gate::prepare(&settings, settings.uses(), |metric| {
            settings.never_known(metric, AvailableSources::ALL)
        })?;
        let passes_output = pump_threads.is_ok();
        let unbuffer =
            !settings.options.command.no_unbuffer && passes_output && env::var_os(UNBUFFERED).is_none();
        let arguments = argv.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let cwd = env::current_dir().ok().map(|folder| folder.to_string_lossy().into_owned());
        let command = Command {
            python_unbuffered_set: unbuffer,
            ..measured_command(arguments, cwd, !settings.options.report.no_mask)
        };
        let rules = mem::replace(&mut settings.log, LogRules::Auto);
        let log = pump_threads.as_ref().map(|_| || rules.reader()).map_err(|lost| *lost);
        let (mut recording, feed) = Recording::prepare(
            &settings,
            command,
            Environment::own(),
            || Some(Tree::of_the_command()),
            log,
            passes_output,
        )?;
        let tree = Tree::of_the_command();
        recording.session.print(&gate.warnings());
        let fail_fast = gate.watch(&recording.session, tree.clone());
        recording.check_listed_gpus()?;

        adopt_orphans(true); // so that the whole tree is seen and counted
        signals.begin();
        let started = Instant::now();
        let mask = signals.original_mask();
        let child = match process::spawn(argv, stdio, report_takes_stdout, slot, mask, unbuffer) {
            Err(error) if error.exit == FAILED && can_replace => {
                adopt_orphans(false);
                return Err(replace(&error, argv, Some(mask)));
            }
            child => child?,
        };

        let command = settings.options.command;
        let policy = SignalPolicy::new(command.no_forward, command.kill_after);
        let stdout_to = if report_takes_stdout { Stream::Stderr } else { Stream::Stdout };
        let filters = Filters::new(tree.clone(), &child.outputs);
        let supervisor = Supervisor::new(signals, policy, started, child.pid, tree, child.terminal);
        let copy = copies.close();
        let start = |threads: PumpThreads| {
            threads.start(child.outputs, stdout_to, &recording.session, feed, filters, copy)
        };
        let pumps = pump_threads.ok().map(start);
        recording.begin(started);
        Ok(Self { signals, supervisor, pumps, recording, fail_fast, gate })
    }
}
