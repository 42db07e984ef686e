//! `effllm parse`: the log half of the main job, on a log that exists.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::gate;
use crate::config::{FileOptions, Flags, GateOptions, LogOptions, ModelOptions, Settings};
use crate::error::Error;
use crate::fs::conflicts::FileUse;
use crate::parse::{self, Form, Request};
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
    flags: Flags<ParseOptions>,
}

/// The options of a run that concern its log.
#[derive(Debug, Clone, Args)]
struct ParseOptions {
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
    pub fn run(self) -> Result<ExitCode, Error> {
        let settings = Settings::resolve(self.flags)?;
        let form = match (self.json, self.events, self.explain) {
            (true, ..) => Form::Json,
            (_, true, _) => Form::Events,
            (.., true) => Form::Explanation,
            _ => Form::Summary,
        };
        let file = self.file.filter(|file| file != Path::new("-"));
        let log = file.as_ref().map(|path| FileUse::read("FILE", path));
        let request = Request { file, follow: self.follow, form };
        if !form.is_of_a_report() {
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
