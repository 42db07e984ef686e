//! `effllm report`: reports as documents for people and tables for programs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::render;
use crate::replace::replace;
use crate::settings::read_reports;

const EXAMPLES: &str = "\
Examples:
  effllm report effllm-report.json                          the summary table once more
  effllm report effllm-report.json -o report.html           a page for the browser
  effllm report before.json after.json -o comparison.html   one that compares
  effllm report --format csv runs/*.json > runs.csv         a row a run";

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
    fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "html" | "htm" => Some(Self::Html),
            "md" => Some(Self::Markdown),
            "csv" => Some(Self::Csv),
            "xml" => Some(Self::Junit),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Report {
    pub fn run(self) -> Result<ExitCode, Error> {
        let output = self.output.filter(|path| path != Path::new("-"));
        let format = self.format.or_else(|| Format::of_file(output.as_deref()?)).unwrap_or(Format::Table);
        let text = rendered(format, &read_reports(&self.reports)?);
        match output {
            Some(path) => replace(&path, text.as_bytes())
                .map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))?,
            None => match io::stdout().lock().write_all(text.as_bytes()) {
                // Whoever reads may have had enough (`| head`): that is no failure.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(Error::failed(format!("cannot write to stdout: {error}")));
                }
                _ => {}
            },
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A report with the name of its file.
type Named = (String, crate::model::Report);

fn rendered(format: Format, reports: &[Named]) -> String {
    match (format, reports) {
        (Format::Html, reports) => render::html(reports),
        (Format::Markdown, reports) => render::markdown(reports),
        (Format::Csv, reports) => render::csv(reports),
        (Format::Junit, reports) => {
            render::junit(reports.iter().map(|(name, report)| (name.as_str(), report)))
        }
        (Format::Json, [(_, report)]) => render::json(report),
        (Format::Json, reports) => {
            let all: Vec<String> =
                reports.iter().map(|(_, report)| render::json(report).trim_end().to_owned()).collect();
            format!("[\n{}\n]\n", all.join(",\n"))
        }
        (Format::Table, reports) => {
            let gate = |report: &crate::model::Report| {
                report.gate.as_ref().map_or(String::new(), |gate| render::gate_table(gate, None, false))
            };
            let tables =
                reports.iter().map(|(_, report)| render::summary(report, None, false) + &gate(report));
            tables.collect::<Vec<_>>().join("\n")
        }
    }
}
