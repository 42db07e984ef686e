//! `effllm parse`: the log half of the main job, on a log that exists.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::gate;
use crate::config::{Bounded, Count, GateLayer, Layer, Parameters, Settings, Whole};
use crate::error::Error;
use crate::fs::conflicts::FileUse;
use crate::parse::{self, ParseOutput, Request};
use crate::report::Report;

const EXAMPLES: &str = "\
Examples:
  effllm parse train.log                       what the log says, as a table
  effllm parse --json train.log | jq .metrics  the report
  effllm parse --events - < train.log          a JSON object a progress record
  effllm parse --explain train.log.gz          what each rule matched, or nearly";

const NOTES: &str = "\
Logs that gzip or zstd has compressed are read as they are, from standard input too. Of a log that is \
damaged or cannot be read to its end, what could be read is reported before the error.";

/// Read a log that exists, and report what it says
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct Parse {
    /// The log; standard input if it is left out or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long, conflicts_with_all = ["events", "explain"])]
    json: bool,

    /// Print what was recognised as JSON Lines: what the log states once, then an object a record
    #[arg(long, conflicts_with = "explain")]
    events: bool,

    /// Show what each rule matched, and for those that never did the line nearest to a match
    #[arg(long)]
    explain: bool,

    /// Read on as the file grows, is rotated or truncated, until Ctrl-C
    #[arg(long)]
    follow: bool,

    #[command(flatten)]
    flags: ParseFlags,
}

/// Those options of a run that concern its log.
#[derive(Debug, Args)]
struct ParseFlags {
    /// Read the log by a built-in profile; `auto` takes the first that recognises it [default: auto]
    #[arg(long, value_name = "NAME", conflicts_with = "rules", help_heading = "Log")]
    profile: Option<String>,

    /// Read the log by the rules in FILE; see effllm-rules(5) [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Log")]
    rules: Option<PathBuf>,

    /// Read progress from lines that match REGEX; its named groups are fields [default: none]
    #[arg(long, value_name = "REGEX", help_heading = "Log")]
    pattern: Option<String>,

    /// Parameters of the model, as in `7.6B`, `494M` or `7615616512` [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Metrics")]
    params: Option<Parameters>,

    /// Tokens a sample [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Metrics")]
    seq_len: Option<Count>,

    /// Samples an iteration, over the whole job [default: from the log]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Metrics")]
    global_batch_size: Option<Count>,

    /// Leave the first N iterations out of the headline metrics [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Metrics")]
    warmup: Option<Whole>,

    /// Iterations between two reports of --follow [default: 10] [env: EFFICIENTLLM_LOG_INTERVAL]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Log")]
    log_interval: Option<Bounded>,

    #[command(flatten)]
    gate: GateLayer,
}

impl Parse {
    pub fn run(self) -> Result<ExitCode, Error> {
        let flags = self.flags;
        let settings = Settings::resolve(Layer {
            profile: flags.profile,
            rules: flags.rules,
            pattern: flags.pattern,
            params: flags.params,
            seq_len: flags.seq_len,
            global_batch_size: flags.global_batch_size,
            warmup: flags.warmup,
            log_interval: flags.log_interval,
            gate: flags.gate,
            ..Layer::default()
        })?;
        let output = match (self.json, self.events, self.explain) {
            (true, ..) => ParseOutput::Json,
            (_, true, _) => ParseOutput::Events,
            (.., true) => ParseOutput::Explanation,
            _ => ParseOutput::Summary,
        };
        let file = self.file.filter(|file| file != Path::new("-"));
        let log = file.as_ref().map(|path| FileUse::read("FILE", path));
        let request = Request { file, follow: self.follow, output };
        if !output.is_report() {
            parse::parse(settings, &request, |_| {})?;
            return Ok(ExitCode::SUCCESS);
        }
        let (policy, files) = settings.gate.prepare(log.into_iter().collect())?;
        let judge = |report: &mut Report| {
            if let Some(policy) = policy {
                policy.apply(report);
            }
        };
        let report = parse::parse(settings, &request, judge)?;
        report.map_or(Ok(ExitCode::SUCCESS), |report| gate::tell(&report, &files))
    }
}
