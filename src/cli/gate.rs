//! `effllm gate`: a report judged again and again, without a run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};

use super::{print, say};
use crate::config::{FileOptions, Flags, GateOptions, Settings};
use crate::error::{Error, FAILED, GATE};
use crate::fs::conflicts::FileUse;
use crate::metrics::registry::METRICS;
use crate::output;
use crate::output::ci;
use crate::report::Report;
use crate::report::file::read_report;
use crate::report::gate::Verdict;

const EXAMPLES: &str = "\
Examples:
  effllm gate report.json --require 'al <= 1.3 s' --require 'pcu >= 85%'
  effllm gate report.json --baseline a.json --require 'al <= baseline * 1.02'
  effllm gate --metrics                    every name, its unit and definition";

const LANGUAGE: &str = "\
Expressions: METRIC OP VALUE, quoted for the shell.
  METRIC  amu, pcu, al, tt, st, it, aec, mfu, or a name in `metrics` of a report
  OP      < <= > >= ==
  VALUE   a number, in the metric's own unit or with one: 820 ms, 0.65 kW, 85 %;
          or baseline, baseline * 0.95, baseline - 5 % (of it), baseline + 10 ms

Exit status: 0 all that is required holds; 99 it does not, there is no data to tell, or the command \
of the run failed; 2 bad flags, expressions or reports; 125 it holds, and a file that was asked for \
could not be written.";

/// Judge a report by what is required, without running anything again
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, after_help = LANGUAGE)]
pub struct Gate {
    /// The report; `-` is standard input
    #[arg(value_name = "REPORT", required_unless_present = "metrics", value_hint = ValueHint::FilePath)]
    report: Option<PathBuf>,

    /// List what can be required: every metric with its unit and definition
    #[arg(long)]
    metrics: bool,

    /// Print the verdicts as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    flags: Flags<JudgeOptions>,
}

/// The options of a run that concern its gate.
#[derive(Debug, Clone, Args)]
struct JudgeOptions {
    #[command(flatten)]
    _gate: GateOptions,
    #[command(flatten)]
    _files: FileOptions,
}

impl Gate {
    pub fn run(self) -> Result<ExitCode, Error> {
        let Some(file) = self.report.filter(|_| !self.metrics) else {
            return print(&output::metrics_table(METRICS));
        };
        let mut settings = Settings::resolve(self.flags)?;
        settings.gate.fail_fast = None; // there is no run to stop
        let (policy, files) = settings.gate.prepare(vec![FileUse::read("REPORT", &file)])?;
        let policy = policy.ok_or_else(|| {
            Error::usage("nothing is required of the report")
                .hint("--require EXPR requires something, as in --require 'al <= 1.3 s'")
        })?;
        let mut report = read_report(&file)?;
        report.warnings.clear(); // those of the run were told at its end
        policy.apply(&mut report);
        if self.json {
            print(&(serde_json::to_string_pretty(&report.gate).unwrap_or_default() + "\n"))?;
        }
        tell(&report, &files)
    }
}

/// Tells a report's verdict on stderr and in files; the exit status is what it comes to. A verdict that
/// could not be written where it was asked for is no pass.
pub fn tell(report: &Report, files: &ci::Files) -> Result<ExitCode, Error> {
    let exit = match &report.gate {
        Some(gate) if gate.verdict != Verdict::Pass => GATE,
        _ => 0,
    };
    if let Some(gate) = &report.gate {
        say(&ci::told(gate, exit, console::colors_enabled_stderr()));
        report
            .warnings
            .iter()
            .for_each(|warning| say(&format!("warning: {}\n", crate::text::sanitize::plain(warning))));
        say(&ci::summarize(gate, exit).unwrap_or_default());
    }
    let errors = files.write(report);
    errors.iter().for_each(|error| say(&format!("{error}\n")));
    let exit = if exit == 0 && !errors.is_empty() { FAILED } else { exit };
    Ok(ExitCode::from(exit))
}
