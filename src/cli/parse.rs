//! `effllm parse`: the metrics of an existing log.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgMatches, Args};

use super::gate::conclude;
use crate::config::{AvailableSources, FileOptions, GateOptions, LogOptions, ModelOptions, Settings};
use crate::error::Error;
use crate::fs::conflicts::FileUse;
use crate::metrics::Metric;
use crate::parse::{self, ParseOutput, Request};
use crate::session::verdict::Gate;

/// Parse an existing log, and report its metrics
#[derive(Debug, Args)]
#[command(
    before_help = "\
Examples:
  effllm parse train.log                       the metrics, as a table
  effllm parse --json train.log | jq .metrics  the report
  effllm parse --events - < train.log          a JSON object per progress record
  effllm parse --explain train.log.gz          what each rule matched, or almost",
    after_help = "\
Logs compressed with gzip or zstd are read directly, also from standard input. A damaged log is reported \
as far as it can be read, before the error."
)]
pub struct Parse {
    /// The log; standard input if absent or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long, conflicts_with_all = ["events", "explain"])]
    json: bool,

    /// Print the recognised facts and records as JSON Lines
    #[arg(long, conflicts_with = "explain")]
    events: bool,

    /// Show what each rule matched, and the closest line for rules without a match
    #[arg(long)]
    explain: bool,

    /// Follow the file as it grows, is rotated or truncated, until Ctrl-C
    #[arg(long)]
    follow: bool,

    #[command(flatten)]
    _log: LogOptions,
    #[command(flatten)]
    _model: ModelOptions,
    #[command(flatten)]
    _gate: GateOptions,
    #[command(flatten)]
    _files: FileOptions,
}

impl Parse {
    pub fn run(self, arguments: &ArgMatches) -> Result<ExitCode, Error> {
        let settings = Settings::resolve(arguments)?;
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
        let sources = AvailableSources {
            gpus: Err("a log has no GPU figures"),
            log: Ok(()),
            wall_time: Err("a log does not tell the wall time of its run"),
        };
        let never_known = |metric: &Metric| settings.never_known(metric, sources);
        let mut gate = Gate::prepare(&settings, log.into_iter().collect(), never_known)?;
        let report = parse::parse(settings, &request, |report| gate.judge(report))?;
        Ok(report.map_or(ExitCode::SUCCESS, |report| conclude(&mut gate, &report)))
    }
}
