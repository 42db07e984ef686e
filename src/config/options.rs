//! The options of a run, in the groups of the help. A configuration file has the same names as keys.

use std::ffi::OsString;
use std::iter;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::Error as ClapError;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use super::values::{
    FailFastAfter, LiveMode, ReportTarget, SeriesFile, file_name, parse_address, parse_bool, parse_bounded,
    parse_count, parse_duration, parse_interval, parse_parameters, parse_seconds, parse_whole, value_message,
};
use crate::gpu::GpuChoice;
use crate::process::{StdioMode, TakenSignal};

/// The heading of the options that are keys of the table `[gate]`.
pub const GATE: &str = "Gate";

#[derive(Debug, Clone, Default, Args)]
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

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Report")]
pub struct ReportOptions {
    /// Write the JSON report to FILE; `-` prints it on stdout and sends the command's own stdout to
    /// stderr [default: effllm-report.json]
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath,
          value_parser = file_name::<ReportTarget>())]
    pub report: Option<ReportTarget>,

    /// Points kept for the report's plots; never changes an average [default: 1000] [env:
    /// EFFICIENTLLM_HISTORY_SIZE]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_bounded)]
    pub history_size: Option<u32>,

    /// Keep values in the report's command line that look like secrets
    #[arg(long, num_args = 0, default_missing_value = "true", value_parser = parse_bool)]
    pub no_mask: Option<bool>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "GPUs")]
pub struct GpuOptions {
    /// Seconds between two samples, 0.01 to 3600 [default: 1.0] [env:
    /// EFFICIENTLLM_COLLECTION_INTERVAL]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = parse_interval)]
    pub interval: Option<Duration>,

    /// GPUs to measure: `auto` (those in CUDA_VISIBLE_DEVICES, else all), `all`, `none`, or
    /// indices and UUIDs, as in `0,1` [default: auto]
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true)]
    pub gpus: Option<GpuChoice>,

    #[command(flatten)]
    pub nvml: NvmlOptions,
}

#[derive(Debug, Clone, Default, Args)]
pub struct NvmlOptions {
    /// NVML library to load [default: libnvidia-ml.so.1] [env: EFFLLM_NVML_LIB]
    #[arg(long, value_name = "PATH")]
    pub nvml_lib: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
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
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_whole)]
    pub warmup: Option<u64>,
}

#[derive(Debug, Clone, Default, Args)]
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
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_bounded)]
    pub log_interval: Option<u32>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "While the command runs")]
pub struct LiveOptions {
    /// Show a `table` below the output, a summary in the `log` every log interval, `auto` (a table on a
    /// terminal, else log), or `off` [default: auto]
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub live: Option<LiveMode>,

    /// Print only errors and failed gates on stderr
    #[arg(short, long, num_args = 0, default_missing_value = "true", value_parser = parse_bool)]
    pub quiet: Option<bool>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output besides the report")]
pub struct OutputOptions {
    /// Write TensorBoard scalars to DIR every log interval [default: none]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub tensorboard: Option<PathBuf>,

    /// Write samples and records to FILE, .csv or .jsonl [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
          value_parser = file_name::<SeriesFile>())]
    pub series: Option<SeriesFile>,

    /// Write the metrics to FILE every 15 s, as OpenMetrics [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub openmetrics: Option<PathBuf>,

    /// Serve Prometheus metrics; localhost unless ADDR is given [default: off]
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = parse_address)]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = GATE)]
pub struct GateOptions {
    /// Exit 99 unless EXPR (`al <= 1.3 s`) holds; repeatable [default: none]
    #[arg(long, value_name = "EXPR")]
    pub require: Vec<String>,

    /// Warn, without failing, if EXPR is false; repeatable [default: none]
    #[arg(long, value_name = "EXPR")]
    pub warn: Vec<String>,

    /// Report used as `baseline`; repeat to use the median [default: none]
    #[arg(long, value_name = "REPORT", value_hint = ValueHint::FilePath)]
    pub baseline: Vec<PathBuf>,

    /// Pass if a required metric is null
    #[arg(long, num_args = 0, default_missing_value = "true", value_parser = parse_bool)]
    pub allow_no_data: Option<bool>,

    /// Minimum iterations for a verdict [default: 10]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_whole)]
    pub min_iterations: Option<u64>,

    /// Minimum measured iteration time for a verdict [default: 0]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = parse_seconds)]
    pub min_seconds: Option<f64>,

    /// Write the verdicts to FILE as JUnit XML [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,

    /// Write the metrics to FILE for GitLab's metrics report [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub gitlab_metrics: Option<PathBuf>,
}

/// The options that need a command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The command")]
pub struct CommandOptions {
    /// Stop once a requirement has failed for SECONDS [default: off; 30]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "true", help_heading = GATE)]
    pub fail_fast: Option<FailFastAfter>,

    /// Do not set PYTHONUNBUFFERED=1 for the command
    #[arg(long, num_args = 0, default_missing_value = "true", value_parser = parse_bool)]
    pub no_unbuffer: Option<bool>,

    /// Pass the command's output through a `pipe`, through a `pty` (the command sees a terminal wherever
    /// effllm has one), or let the command `inherit` effllm's own, so that no log is read
    /// [default: pipe]
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub stdio: Option<StdioMode>,

    /// SIGKILL remaining processes DURATION after SIGTERM [default: never]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = parse_duration)]
    pub kill_after: Option<Duration>,

    /// Do not forward SIGNAL to the command; repeatable
    #[arg(long, value_name = "SIGNAL")]
    pub no_forward: Vec<TakenSignal>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct FileOptions {
    /// Read FILE instead of the project's effllm.toml [default: effllm.toml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

impl Options {
    /// All options, each with a value: in a file, also those that are switches on the command line.
    pub fn command() -> Command {
        let is_switch = |arg: &Arg| arg.get_num_args() == Some(0.into());
        Self::augment_args(Command::new("effllm"))
            .disable_help_flag(true)
            .mut_args(|arg| if is_switch(&arg) { arg.num_args(0..=1) } else { arg })
    }

    /// Sets one option, in the place of an earlier value.
    ///
    /// # Errors
    /// The message about a value that the option does not take.
    pub fn set(&mut self, key: &str, values: &[OsString]) -> Result<(), String> {
        let argument = |value: &OsString| {
            let mut argument = OsString::from(format!("--{key}="));
            argument.push(value);
            argument
        };
        let arguments = iter::once("effllm".into()).chain(values.iter().map(argument));
        let matches =
            Self::command().try_get_matches_from(arguments).map_err(|error| value_message(&error))?;
        // A profile and a file of rules are one choice: the later one hides the earlier one.
        if ["profile", "rules"].contains(&key) {
            (self.log.profile, self.log.rules) = (None, None);
        }
        self.update_from_arg_matches(&matches).map_err(|error| value_message(&error))
    }
}

/// The flags of a command that takes the options of the group `G`, as they were typed.
#[derive(Debug, Clone)]
pub struct Flags<G> {
    typed: Typed,
    group: PhantomData<G>,
}

/// Options by their long names with their values.
pub type Typed = Vec<(String, Vec<OsString>)>;

impl<G> From<Flags<G>> for Typed {
    fn from(flags: Flags<G>) -> Self {
        flags.typed
    }
}

impl<G: Args> Args for Flags<G> {
    fn augment_args(command: Command) -> Command {
        // The command's own arguments after these are under no heading of the group.
        G::augment_args(command).next_help_heading(None::<&'static str>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<G: Args> FromArgMatches for Flags<G> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, ClapError> {
        let group = G::augment_args(Command::new("effllm"));
        let typed = group.get_arguments().filter_map(|arg| {
            let values = matches.get_raw(arg.get_id().as_str())?;
            Some((arg.get_long()?.to_owned(), values.map(OsString::from).collect()))
        });
        Ok(Self { typed: typed.collect(), group: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), ClapError> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
