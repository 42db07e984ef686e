//! The first stage: every usage error is found, and everything that the command needs is reserved.

use std::env;
use std::ffi::OsString;

use jiff::Timestamp;

use super::pump::PumpThreads;
use crate::config::{AvailableSources, LogRules, Options, ReportTarget, Settings};
use crate::error::Error;
use crate::process::{
    DefaultSignalHandler, ProcessSlot, SignalPolicy, Signals, StdioMode, StdioPlan, UNBUFFERED,
};
use crate::report::Command;
use crate::session::degradation::Degradation;
use crate::session::environment::Environment;
use crate::session::gate::RunGate;
use crate::session::{Setup, secrets};

/// A run before its command.
pub struct Prepared<'a> {
    pub signals: &'a Signals,
    pub default_handler: DefaultSignalHandler,
    pub signal_policy: SignalPolicy,
    pub argv: &'a [OsString],
    /// Set PYTHONUNBUFFERED for the command.
    pub unbuffer: bool,
    pub slot: ProcessSlot,
    pub stdio: StdioPlan,
    pub pump_threads: Result<PumpThreads, Degradation>,
    pub log: Result<LogRules, Degradation>,
    pub gate: RunGate,
    pub setup: Setup,
    pub report: ReportTarget,
    pub quiet: bool,
}

impl<'a> Prepared<'a> {
    /// # Errors
    /// The report, a sink or a gate cannot do what the settings ask for.
    pub fn new(signals: &'a Signals, settings: Settings, argv: &'a [OsString]) -> Result<Self, Error> {
        let slot = ProcessSlot::reserve();
        let options = &settings.options;
        let report_takes_stdout = options.report.report == ReportTarget::Stdout;
        let (stdio, pump_threads) = plan_output(options.command.stdio, report_takes_stdout)?;
        let default_handler = signals.install_default_handler();
        let gate = RunGate::prepare(&settings, settings.uses(), AvailableSources::ALL)?;
        let passes_output = pump_threads.is_ok();
        let unbuffer = !options.command.no_unbuffer && passes_output && env::var_os(UNBUFFERED).is_none();
        let command = describe(argv, unbuffer, !options.report.no_mask);
        let setup = Setup::new(&settings, command, Environment::Own, passes_output)?;
        setup.session.print(&gate.warnings());
        let Options { command, report, live, .. } = settings.options;
        let lost = pump_threads.as_ref().err().copied();
        Ok(Self {
            signals,
            default_handler,
            signal_policy: SignalPolicy::new(command.no_forward, command.kill_after),
            argv,
            unbuffer,
            slot,
            stdio,
            pump_threads,
            log: lost.map_or(Ok(settings.log), Err),
            gate,
            setup,
            report: report.report,
            quiet: live.quiet,
        })
    }
}

/// Where the command's streams lead, with the threads that carry them. Without threads the command
/// inherits effllm's own streams.
fn plan_output(
    mode: StdioMode,
    report_takes_stdout: bool,
) -> Result<(StdioPlan, Result<PumpThreads, Degradation>), Error> {
    let plan = StdioPlan::choose(mode, report_takes_stdout)?;
    if matches!(plan, StdioPlan::Inherit { .. }) {
        return Ok((plan, Err(Degradation::OutputInherited)));
    }
    match PumpThreads::spawn() {
        Ok(threads) => Ok((plan, Ok(threads))),
        Err(_) => {
            let plan = StdioPlan::choose(StdioMode::Inherit, report_takes_stdout)?;
            Ok((plan, Err(Degradation::NoThreads)))
        }
    }
}

/// The command as the report names it.
fn describe(argv: &[OsString], python_unbuffered_set: bool, mask: bool) -> Command {
    let argv: Vec<_> = argv.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    Command {
        cwd: env::current_dir().ok().map(|folder| folder.to_string_lossy().into_owned()),
        started_at: Some(Timestamp::now().to_string()),
        python_unbuffered_set,
        ..Command::of(if mask { secrets::mask(&argv) } else { argv })
    }
}
