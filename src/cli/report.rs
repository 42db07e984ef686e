//! `effllm report`: reports as documents for people and tables for programs.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::print;
use crate::error::Error;
use crate::fs::atomic::{can_replace, is_stream, replace};
use crate::fs::conflicts::{FileUse, check_output_conflicts};
use crate::output;
use crate::report::file::read_reports;

const EXAMPLES: &str = "\
Examples:
  effllm report effllm-report.json                         the summary table
  effllm report effllm-report.json -o report.html          a page for a browser
  effllm report before.json after.json -o comparison.html  a comparison
  effllm report --format csv runs/*.json > runs.csv        a row per run";

/// Render reports as a table, a web page, Markdown, CSV or JUnit XML
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub struct Report {
    /// Reports that effllm wrote; `-` reads one from standard input
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,

    /// The form of the output [default: by the ending of the -o file's name, else table]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The summary that `effllm run` ends with
    Table,
    /// Tables for a pull request; of several reports one that compares them
    Markdown,
    /// A page that needs nothing else; of several reports one that compares them
    Html,
    /// A row a report
    Csv,
    /// What was required and what came of it, as JUnit XML: a test suite a report
    Junit,
    /// The report itself; of several reports an array
    Json,
}

impl Format {
    /// By the ending of a file's name. What has none, or is a device or a pipe, is read by people.
    ///
    /// # Errors
    /// The ending is that of a format which effllm does not write.
    fn of_file(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().filter(|_| !is_stream(path)).map(|ending| ending.to_ascii_lowercase());
        match ending.as_ref().map(|ending| ending.to_string_lossy()).as_deref() {
            None | Some("txt") => Ok(Self::Table),
            Some("html" | "htm") => Ok(Self::Html),
            Some("md" | "markdown") => Ok(Self::Markdown),
            Some("csv") => Ok(Self::Csv),
            Some("xml") => Ok(Self::Junit),
            Some("json") => Ok(Self::Json),
            Some(other) => {
                let what = format!(
                    "-o: {}: no format is written as .{}",
                    plain_name(path),
                    crate::text::sanitize::plain(other)
                );
                Err(Error::usage(what)
                    .hint("name it .html, .md, .csv, .xml (JUnit), .json or .txt, or choose by --format"))
            }
        }
    }
}

impl Report {
    pub fn run(self) -> Result<ExitCode, Error> {
        let output = self.output.filter(|path| path != Path::new("-"));
        let by_name = || output.as_deref().map_or(Ok(Format::Table), Format::of_file);
        let format = self.format.map_or_else(by_name, Ok)?;
        if let Some(path) = &output {
            can_replace(path).map_err(|why| cannot_write(Error::usage, path, why))?;
            let read = self.reports.iter().map(|report| FileUse::read("REPORT", report));
            check_output_conflicts(&read.chain([FileUse::written("-o", path)]).collect::<Vec<_>>())?;
        }
        let text = rendered(format, &read_reports(&self.reports)?);
        let Some(path) = output else { return print(&text) };
        replace(&path, text.as_bytes()).map_err(|error| cannot_write(Error::failed, &path, error))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn cannot_write(of_kind: fn(String) -> Error, path: &Path, why: impl Display) -> Error {
    of_kind(format!("-o: {} cannot be written: {why}", plain_name(path)))
        .hint("name a file in a folder that is there and can be written to")
}

fn plain_name(path: &Path) -> String {
    crate::text::sanitize::plain(&path.display().to_string())
}

/// A report with the name of its file.
type Named = (String, crate::report::Report);

fn rendered(format: Format, reports: &[Named]) -> String {
    match (format, reports) {
        (Format::Html, reports) => output::html(reports),
        (Format::Markdown, reports) => output::markdown(reports),
        (Format::Csv, reports) => output::csv(reports),
        (Format::Junit, reports) => {
            output::junit(reports.iter().map(|(name, report)| (name.as_str(), report)))
        }
        (Format::Json, [(_, report)]) => output::json(report),
        (Format::Json, reports) => {
            let all: Vec<String> =
                reports.iter().map(|(_, report)| output::json(report).trim_end().to_owned()).collect();
            format!("[\n{}\n]\n", all.join(",\n"))
        }
        (Format::Table, reports) => {
            let gate = |report: &crate::report::Report| {
                report.gate.as_ref().map_or(String::new(), |gate| output::gate_table(gate, None, false))
            };
            let tables =
                reports.iter().map(|(_, report)| output::summary(report, None, false) + &gate(report));
            tables.collect::<Vec<_>>().join("\n")
        }
    }
}
