//! `effllm monitor`: attaches to a running process or log.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Args, ValueHint};

use crate::config::{
    FileOptions, GateOptions, GpuOptions, LiveOptions, LogOptions, ModelOptions, OutputOptions,
    ReportOptions, Settings, parse_duration,
};
use crate::error::Error;
use crate::log::tail::StartAt;
use crate::monitor::{self, MonitorTarget};

/// Attach to a running process or log, and report its metrics
#[derive(Debug, Args)]
#[command(
    before_help = "\
Examples:
  effllm monitor --pid 4242 --log serve.log      a server, until it ends
  effllm monitor --log train.log --duration 10m  a job started by someone else
  effllm monitor --gpus 0,1 -o -                 GPUs only; report on stdout",
    after_help = "\
The log is followed when it is rotated or truncated. With --from-start, its earlier lines give the \
profile and sizes; iterations count from the first record that is written while effllm measures.

Exit status: 0 once the report is written, after Ctrl-C, SIGTERM or SIGHUP too (`status` then says \
interrupted); 99 a gate did not pass; 2 invalid flags or settings, no such process, or an \
unreadable log; 125 nothing to measure."
)]
pub struct Monitor {
    /// Measure process PID and its descendants until it ends [default: none]
    #[arg(long, value_name = "PID", allow_hyphen_values = true, value_parser = pid)]
    pid: Option<u32>,

    /// Read progress from FILE as another program writes it [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    log: Option<PathBuf>,

    /// Read the profile and sizes from the log's earlier lines, too [default: off]
    #[arg(long, requires = "log")]
    from_start: bool,

    /// End after this time, as in `90`, `10m` or `1h 30m` [default: none]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = parse_duration)]
    duration: Option<Duration>,

    #[command(flatten)]
    _report: ReportOptions,
    #[command(flatten)]
    _gpus: GpuOptions,
    #[command(flatten)]
    _model: ModelOptions,
    #[command(flatten)]
    _log: LogOptions,
    #[command(flatten)]
    _live: LiveOptions,
    #[command(flatten)]
    _outputs: OutputOptions,
    #[command(flatten)]
    _gate: GateOptions,
    #[command(flatten)]
    _files: FileOptions,
}

fn pid(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|pid| *pid > 0);
    number.ok_or_else(|| "is not a process ID; 'ps -e' lists them".to_owned())
}

impl Monitor {
    pub fn run(self, arguments: &ArgMatches) -> Result<ExitCode, Error> {
        let subject = MonitorTarget {
            pid: self.pid,
            log: self.log,
            start_at: if self.from_start { StartAt::Start } else { StartAt::End },
            duration: self.duration,
        };
        let settings = Settings::resolve(arguments)?;
        let origins = settings.origins.clone();
        monitor::monitor(settings, &subject).map_err(|error| origins.attach_origin(error))?.imitate()
    }
}
