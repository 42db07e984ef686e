//! The options of a run, in the groups of the help. A configuration file has the same names as keys.

use std::ffi::{OsStr, OsString};
use std::iter;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use super::values::{
    FailFastAfter, LiveMode, ReportTarget, parse_address, parse_bool, parse_bounded, parse_count,
    parse_duration, parse_fail_fast, parse_interval, parse_parameters, parse_report, parse_seconds,
    parse_series, parse_whole,
};
use crate::gate::Expression;
use crate::gpu::GpuChoice;
use crate::process::{StdioMode, TakenSignal};

/// The heading of the options that are keys of the table `[gate]`.
pub const GATE: &str = "Gate";

#[derive(Debug, Clone, Args)]
pub struct Options {
    #[command(flatten)]
    pub report: ReportOptions,
    #[command(flatten)]
    pub gpus: GpuOptions,
    #[command(flatten)]
    pub model: ModelOptions,
    #[command(flatten)]
    pub log: LogOptions,
    #[command(flatten)]
    pub live: LiveOptions,
    #[command(flatten)]
    pub outputs: OutputOptions,
    #[command(flatten)]
    pub gate: GateOptions,
    #[command(flatten)]
    pub command: CommandOptions,
    #[command(flatten)]
    pub files: FileOptions,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Report")]
pub struct ReportOptions {
    /// Write the JSON report to FILE; `-` prints it on stdout and sends the command's own stdout to
    /// stderr [default: effllm-report.json]
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath,
          default_value = "effllm-report.json",
          value_parser = OsStringValueParser::new().try_map(parse_report))]
    pub report: ReportTarget,

    /// Points kept for the report's plots; never changes an average [default: 1000] [env:
    /// EFFICIENTLLM_HISTORY_SIZE]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_bounded,
          default_value = "1000")]
    pub history_size: u32,

    /// Keep values in the report's command line that look like secrets
    #[arg(long)]
    pub no_mask: bool,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "GPUs")]
pub struct GpuOptions {
    /// Seconds between two samples, 0.01 to 3600 [default: 1.0] [env:
    /// EFFICIENTLLM_COLLECTION_INTERVAL]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = parse_interval,
          default_value = "1")]
    pub interval: Duration,

    /// GPUs to measure: `auto` (those that the command uses, where that can be told), `all`, `none`,
    /// or indices and UUIDs, as in `0,1` [default: auto]
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, default_value = "auto")]
    pub gpus: GpuChoice,

    #[command(flatten)]
    pub nvml: NvmlOptions,
}

#[derive(Debug, Clone, Args)]
pub struct NvmlOptions {
    /// NVML library to load [default: libnvidia-ml.so.1] [env: EFFLLM_NVML_LIB]
    #[arg(long, value_name = "PATH")]
    pub nvml_lib: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Metrics")]
pub struct ModelOptions {
    /// Parameters of the model, as in `7.6B` [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_parameters)]
    pub params: Option<f64>,

    /// Sequence length (tokens per sample) [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_count)]
    pub seq_len: Option<f64>,

    /// Global batch size (samples per iteration) [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_count)]
    pub global_batch_size: Option<f64>,

    /// Leave the first N iterations out of the headline metrics [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_whole,
          default_value = "0")]
    pub warmup: u64,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogOptions {
    /// Read the log with a built-in profile; `auto` detects which [default: auto]
    #[arg(long, value_name = "NAME", conflicts_with = "rules")]
    pub profile: Option<String>,

    /// Read the log with the rules in FILE; see effllm-rules(5) [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub rules: Option<PathBuf>,

    /// Read progress from lines that match REGEX; its named groups are fields, as in
    /// `step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+)` [default: none]
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,

    /// Iterations between two log summaries [default: 10] [env: EFFICIENTLLM_LOG_INTERVAL]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_bounded,
          default_value = "10")]
    pub log_interval: u32,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "While the command runs")]
pub struct LiveOptions {
    /// Show a `table` below the output, a summary in the `log` every log interval, `auto` (a table on a
    /// terminal, else log), or `off` [default: auto]
    #[arg(long, value_name = "HOW", hide_possible_values = true, default_value = "auto")]
    pub live: LiveMode,

    /// Print only errors and failed gates on stderr
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output besides the report")]
pub struct OutputOptions {
    /// Write TensorBoard scalars to DIR every log interval [default: none]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub tensorboard: Option<PathBuf>,

    /// Write samples and records to FILE, .csv or .jsonl [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
          value_parser = OsStringValueParser::new().try_map(parse_series))]
    pub series: Option<PathBuf>,

    /// Write the metrics to FILE every 15 s, as OpenMetrics [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub openmetrics: Option<PathBuf>,

    /// Serve Prometheus metrics; localhost unless ADDR is given [default: off]
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = parse_address)]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = GATE)]
pub struct GateOptions {
    /// Exit 99 unless EXPR (`al <= 1.3 s`) holds; repeatable [default: none]
    #[arg(long, value_name = "EXPR")]
    pub require: Vec<Expression>,

    /// Warn, without failing, if EXPR is false; repeatable [default: none]
    #[arg(long, value_name = "EXPR")]
    pub warn: Vec<Expression>,

    /// Report used as `baseline`; repeat to use the median [default: none]
    #[arg(long, value_name = "REPORT", value_hint = ValueHint::FilePath)]
    pub baseline: Vec<PathBuf>,

    /// Pass if a required metric is null
    #[arg(long)]
    pub allow_no_data: bool,

    /// Minimum iterations for a verdict [default: 10]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_whole,
          default_value = "10")]
    pub min_iterations: u64,

    /// Minimum measured iteration time for a verdict [default: 0]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = parse_seconds,
          default_value = "0")]
    pub min_seconds: f64,

    /// Write the verdicts to FILE as JUnit XML [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,

    /// Write the metrics to FILE for GitLab's metrics report [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub gitlab_metrics: Option<PathBuf>,
}

/// The options that need a command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The command")]
pub struct CommandOptions {
    /// Stop once a requirement has failed for SECONDS [default: off; 30]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "true",
          default_value = "false", value_parser = parse_fail_fast,
          help_heading = GATE)]
    pub fail_fast: FailFastAfter,

    /// Do not set PYTHONUNBUFFERED=1 for the command
    #[arg(long)]
    pub no_unbuffer: bool,

    /// Pass the command's output through a `pipe`, through a `pty` (the command sees a terminal wherever
    /// effllm has one), or let the command `inherit` effllm's own, so that no log is read
    /// [default: pipe]
    #[arg(long, value_name = "HOW", hide_possible_values = true, default_value = "pipe")]
    pub stdio: StdioMode,

    /// SIGKILL remaining processes DURATION after SIGTERM [default: never]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = parse_duration)]
    pub kill_after: Option<Duration>,

    /// Do not forward SIGNAL to the command; repeatable
    #[arg(long, value_name = "SIGNAL")]
    pub no_forward: Vec<TakenSignal>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub struct FileOptions {
    /// Read FILE instead of the project's effllm.toml [default: effllm.toml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

impl Options {
    /// All options, each with a value: in a file, also those that are switches on the command line.
    pub fn command() -> Command {
        let with_value = |arg: Arg| match arg.get_action() {
            ArgAction::SetTrue => arg.action(ArgAction::Set).value_parser(parse_bool).default_value("false"),
            _ => arg,
        };
        Self::augment_args(Command::new("effllm")).disable_help_flag(true).mut_args(with_value)
    }

    /// Reads the options from their long names and values.
    ///
    /// # Errors
    /// An option does not take its value.
    pub fn parse<'a>(given: impl IntoIterator<Item = (&'a str, &'a OsStr)>) -> Result<Self, clap::Error> {
        let argument = |(key, value): (&str, &OsStr)| {
            let mut argument = OsString::from(format!("--{key}="));
            argument.push(value);
            argument
        };
        let arguments = iter::once("effllm".into()).chain(given.into_iter().map(argument));
        Self::from_arg_matches(&Self::command().try_get_matches_from(arguments)?)
    }

    /// The options that were typed among the arguments of a subcommand: their long names and values.
    pub fn typed(arguments: &ArgMatches) -> Vec<(String, Vec<OsString>)> {
        let typed = |arg: &Arg| {
            let id = arg.get_id().as_str();
            let values = arguments.try_get_raw(id).ok()??.map(OsString::from).collect();
            let is_typed = arguments.value_source(id) == Some(ValueSource::CommandLine);
            Some((arg.get_long()?.to_owned(), values)).filter(|_| is_typed)
        };
        Self::command().get_arguments().filter_map(typed).collect()
    }
}
