//! One layer of settings: a configuration file, the environment or the flags. What a layer leaves
//! out, the one below it says.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Deserialize;

use super::gate::{FailFastAfter, GateLayer};
use super::origins::SettingOrigins;
use super::values::{
    Bounded, Count, Interval, Parameters, Patience, ReportTarget, Whole, file_name, some_or_more,
    text_or_number, yes_or_no,
};
use crate::gpu::GpuChoice;
use crate::process::{StdioMode, TakenSignal};
use crate::sink::listen::Address;
use crate::sink::series::SeriesFile;
use crate::terminal::LiveMode;

/// The groups in which help and manual page show the options.
const REPORT: &str = "Report";
const GPUS: &str = "GPUs";
const METRICS: &str = "Metrics";
const LOG: &str = "Log";
const LIVE: &str = "While the command runs";
const OUTPUT: &str = "Output besides the report";
/// That of options which say how to run a command.
pub const COMMAND: &str = "The command";
const SETTINGS: &str = "Settings";
pub(super) const GATE: &str = "Gate";

/// The options of a run. A configuration file spells the same names as keys.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Layer {
    /// Write the JSON report to FILE; `-` prints it on stdout and sends the command's own stdout to
    /// stderr [default: effllm-report.json]
    #[arg(short = 'o', long, value_name = "FILE", help_heading = REPORT, value_hint = ValueHint::FilePath,
          value_parser = file_name::<ReportTarget>())]
    #[serde(default, deserialize_with = "text_or_number")]
    pub report: Option<ReportTarget>,

    /// Seconds between two samples, 0.01 to 3600 [default: 1.0] [env:
    /// EFFICIENTLLM_COLLECTION_INTERVAL]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, help_heading = GPUS)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub interval: Option<Interval>,

    /// Which GPUs to measure: `auto` (those of CUDA_VISIBLE_DEVICES, else all), `all`, `none`, or
    /// indices and UUIDs, as in `0,1` [default: auto]
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, help_heading = GPUS)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub gpus: Option<GpuChoice>,

    /// Load NVML from this library [default: libnvidia-ml.so.1] [env: EFFLLM_NVML_LIB]
    #[arg(long, value_name = "PATH", help_heading = GPUS)]
    pub nvml_lib: Option<PathBuf>,

    /// Parameters of the model, as in `7.6B` [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = METRICS)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub params: Option<Parameters>,

    /// Tokens a sample [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = METRICS)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub seq_len: Option<Count>,

    /// Samples an iteration, over the whole job [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = METRICS)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub global_batch_size: Option<Count>,

    /// Leave the first N iterations out of the headline metrics [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = METRICS)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub warmup: Option<Whole>,

    /// Read the log by a built-in profile; `auto` detects which [default: auto]
    #[arg(long, value_name = "NAME", conflicts_with = "rules", help_heading = LOG)]
    pub profile: Option<String>,

    /// Read the log by the rules in FILE; see effllm-rules(5) [default: none]
    #[arg(long, value_name = "FILE", help_heading = LOG)]
    pub rules: Option<PathBuf>,

    /// Read progress from lines that match REGEX; its named groups are fields, as in
    /// `step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+)` [default: none]
    #[arg(long, value_name = "REGEX", help_heading = LOG)]
    pub pattern: Option<String>,

    /// What to show: `table` below the output, `log` lines every log interval, `auto` (a table
    /// on a terminal, else log lines), or `off` [default: auto]
    #[arg(long, value_name = "HOW", help_heading = LIVE)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub live: Option<LiveMode>,

    /// Iterations between two log lines of `--live log` [default: 10] [env: EFFICIENTLLM_LOG_INTERVAL]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = LIVE)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub log_interval: Option<Bounded>,

    /// Write TensorBoard scalars to DIR every log interval [default: none]
    #[arg(long, value_name = "DIR", help_heading = OUTPUT, value_hint = ValueHint::DirPath)]
    pub tensorboard: Option<PathBuf>,

    /// Write samples and records to FILE, .csv or .jsonl [default: none]
    #[arg(long, value_name = "FILE", help_heading = OUTPUT, value_hint = ValueHint::FilePath,
          value_parser = file_name::<SeriesFile>())]
    #[serde(default, deserialize_with = "text_or_number")]
    pub series: Option<SeriesFile>,

    /// Write the metrics to FILE every 15 s, as OpenMetrics [default: none]
    #[arg(long, value_name = "FILE", help_heading = OUTPUT, value_hint = ValueHint::FilePath)]
    pub openmetrics: Option<PathBuf>,

    /// Serve them at /metrics; PORT alone: this machine only [default: not]
    #[arg(long, value_name = "[ADDR:]PORT", help_heading = OUTPUT)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub listen: Option<Address>,

    /// Points kept for the report's plots; never changes an average [default: 1000] [env: EFFICIENTLLM_HISTORY_SIZE]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = REPORT)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub history_size: Option<Bounded>,

    #[command(flatten)]
    #[serde(default)]
    pub gate: GateLayer,

    /// End a run that for SECONDS could not pass any more [default: off; 30]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", help_heading = GATE)]
    #[serde(skip)]
    pub fail_fast: Option<FailFastAfter>,

    /// Do not set PYTHONUNBUFFERED=1 for the command
    #[arg(long, num_args = 0, default_missing_value = "true", help_heading = COMMAND)]
    #[serde(default, deserialize_with = "yes_or_no")]
    pub no_unbuffer: Option<bool>,

    /// Print nothing of effllm's own on stderr but errors and a gate that fails
    #[arg(short, long, num_args = 0, default_missing_value = "true", help_heading = LIVE)]
    #[serde(default, deserialize_with = "yes_or_no")]
    pub quiet: Option<bool>,

    /// How the command's output reaches the screen: `pipe` (as under `| cat`), `pty` (the command has
    /// a terminal wherever effllm has one), or `inherit` (past effllm, which then reads no log)
    /// [default: pipe]
    #[arg(long, value_name = "HOW", help_heading = COMMAND)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub stdio: Option<StdioMode>,

    /// Kill what is left so long after a forwarded SIGTERM [default: never]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, help_heading = COMMAND)]
    #[serde(default, deserialize_with = "text_or_number")]
    pub kill_after: Option<Patience>,

    /// Keep this signal, sent to effllm, from the command; repeatable
    #[arg(long, value_name = "SIGNAL", help_heading = COMMAND)]
    #[serde(default, deserialize_with = "some_or_more")]
    pub no_forward: Option<Vec<TakenSignal>>,

    /// Keep values in the report's command line that look like secrets
    #[arg(long, num_args = 0, default_missing_value = "true", help_heading = REPORT)]
    #[serde(default, deserialize_with = "yes_or_no")]
    pub no_mask: Option<bool>,

    /// Read FILE in place of the project's effllm.toml [default: effllm.toml]
    #[arg(long, value_name = "FILE", help_heading = SETTINGS)]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Where a file's layer has its values from.
    #[arg(skip)]
    #[serde(skip)]
    pub origins: SettingOrigins,
}

impl Layer {
    /// This layer over another one.
    pub fn or(self, mut below: Self) -> Self {
        // One choice of rules: a layer's own choice hides the other kinds of the layers below.
        if self.profile.is_some() || self.rules.is_some() {
            (below.profile, below.rules) = (None, None);
        }
        macro_rules! over {
            ($($option:ident),*) => {
                Self {
                    $($option: match self.$option {
                        None => below.$option,
                        own => {
                            below.origins.forget(&stringify!($option).replace('_', "-"));
                            own
                        }
                    },)*
                    gate: self.gate.or(below.gate, &mut below.origins),
                    origins: self.origins.or(below.origins),
                }
            };
        }
        over!(
            report,
            interval,
            gpus,
            nvml_lib,
            params,
            seq_len,
            global_batch_size,
            warmup,
            profile,
            rules,
            pattern,
            live,
            log_interval,
            tensorboard,
            series,
            openmetrics,
            listen,
            history_size,
            fail_fast,
            no_unbuffer,
            quiet,
            stdio,
            kill_after,
            no_forward,
            no_mask,
            config
        )
    }
}
