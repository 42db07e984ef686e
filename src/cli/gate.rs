//! `effllm gate`: checks a report against thresholds.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, ValueHint};

use super::print;
use crate::config::{FileOptions, GateOptions, Settings};
use crate::error::Error;
use crate::fs::conflicts::FileUse;
use crate::metrics::registry::METRICS;
use crate::output;
use crate::report::Report;
use crate::report::file::read_report;
use crate::session::verdict;
use crate::text::say;

/// Check a report against thresholds
#[derive(Debug, Args)]
#[command(
    before_help = "\
Examples:
  effllm gate report.json --require 'al <= 1.3 s' --require 'pcu >= 85%'
  effllm gate report.json --baseline a.json --require 'al <= baseline * 1.02'
  effllm gate --metrics                    every name, its unit and definition",
    after_help = "\
Expressions: METRIC OP VALUE, quoted for the shell.
  METRIC  amu, pcu, al, tt, st, it, aec, mfu, or a name in `metrics` of a report
  OP      < <= > >= ==
  VALUE   a number, in the metric's own unit or with one: 820 ms, 0.65 kW, 85 %;
          or baseline, baseline * 0.95, baseline - 5 % (of it), baseline + 10 ms

Exit status: 0 all requirements hold; 99 one failed or has no data, or the command of the run failed; \
2 invalid flags, expressions or reports; 125 all hold, but an output file could not be written."
)]
pub struct Gate {
    /// The report; `-` is standard input
    #[arg(value_name = "REPORT", required_unless_present = "metrics", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,

    /// List every metric with its unit and definition
    #[arg(long)]
    metrics: bool,

    /// Print the verdicts as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    _gate: GateOptions,
    #[command(flatten)]
    _files: FileOptions,
}

impl Gate {
    pub fn run(self, arguments: &ArgMatches) -> Result<ExitCode, Error> {
        let Some(file) = self.file.filter(|_| !self.metrics) else {
            return print(&output::metrics_table(METRICS));
        };
        let mut settings = Settings::resolve(arguments)?;
        settings.options.command.fail_fast = None; // there is no run to end
        let mut gate = verdict::Gate::prepare(&settings, vec![FileUse::read("REPORT", &file)], |_| None)?;
        if !gate.has_requirements() {
            return Err(Error::usage("there are no requirements")
                .help("--require EXPR adds one, as in --require 'al <= 1.3 s'"));
        }
        let mut report = read_report(&file)?;
        report.warnings.clear(); // the run has shown its own at its end
        gate.judge(&mut report);
        if self.json {
            print(&output::json(&report.gate))?;
        }
        Ok(conclude(&mut gate, &report))
    }
}

/// Publishes the verdict in a report, which is the exit status.
pub fn conclude(gate: &mut verdict::Gate, report: &Report) -> ExitCode {
    let (text, exit) = gate.conclude(report);
    say(&text);
    ExitCode::from(exit)
}
