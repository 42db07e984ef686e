//! `effllm compare`: reports side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};

use super::print;
use super::report::formats;
use crate::error::Error;
use crate::output::Format;
use crate::report::file::read_reports;
use crate::terminal::stdout_options;

/// Compare reports: the changes, and which are statistically significant
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  effllm compare before.json after.json   significant changes
  effllm compare a.json b.json c.json     b and c, each against a
  effllm compare --format markdown a.json b.json >> note.md")]
pub struct Compare {
    /// The reports; each is compared with the first
    #[arg(value_name = "REPORT", required = true, value_hint = ValueHint::FilePath)]
    reports: Vec<PathBuf>,

    /// Format of the output
    #[arg(long, value_name = "FORMAT", value_parser = formats(|format| format.comparison.is_some()), default_value = "table")]
    format: &'static Format,
}

impl Compare {
    pub fn run(self) -> Result<ExitCode, Error> {
        let reports = read_reports(&self.reports)?;
        if let [(only, _)] = &reports[..] {
            let what = format!("there is no second report to compare {only} with");
            let help =
                format!("'effllm compare {only} OTHER' compares two; 'effllm report {only}' shows one");
            return Err(Error::usage(what).help(help));
        }
        print(&self.format.comparison.map_or(String::new(), |compare| compare(&reports, stdout_options())))
    }
}
