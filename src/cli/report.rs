//! `effllm report`: reports as documents and tables.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::print;
use crate::error::Error;
use crate::fs::atomic::{can_replace, is_stream, replace};
use crate::fs::conflicts::{FileUse, check_output_conflicts};
use crate::output::{FORMATS, Format, RenderOptions};
use crate::report::file::read_reports;

/// Render reports as a table, a web page, Markdown, CSV or JUnit XML
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  effllm report effllm-report.json                         the summary table
  effllm report effllm-report.json -o report.html          a page for a browser
  effllm report before.json after.json -o comparison.html  a comparison
  effllm report --format csv runs/*.json > runs.csv        a row per run")]
pub struct Report {
    /// Reports that effllm wrote; `-` reads one from standard input. Markdown and HTML compare several
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,

    /// Format of the output [default: by the extension of the -o file, else table]
    #[arg(long, value_name = "FORMAT", value_parser = formats(|_| true))]
    format: Option<&'static Format>,

    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A parser of the names of the formats that `offers` accepts.
pub fn formats(offers: fn(&Format) -> bool) -> impl TypedValueParser<Value = &'static Format> {
    let formats = move || FORMATS.iter().filter(move |format| offers(format));
    let names = formats().map(|format| PossibleValue::new(format.name).help(format.help));
    PossibleValuesParser::new(names)
        .try_map(move |name| formats().find(|format| format.name == name).ok_or("is not a format"))
}

/// The format that the extension of a file's name asks for. A name without one, a device and a pipe get
/// the first of the formats.
///
/// # Errors
/// No format has this extension.
fn format_of_file(path: &Path) -> Result<&'static Format, Error> {
    let extension = path.extension().filter(|_| !is_stream(path)).unwrap_or_default();
    let extension = extension.to_string_lossy().to_ascii_lowercase();
    let default = FORMATS.first().filter(|_| extension.is_empty());
    let of_extension = || FORMATS.iter().find(|format| format.extensions.contains(&&*extension));
    default.or_else(of_extension).ok_or_else(|| {
        let known = FORMATS.iter();
        let known =
            known.filter_map(|format| Some(format!(".{} ({})", format.extensions.first()?, format.name)));
        let known = known.collect::<Vec<_>>().join(", ");
        Error::usage(format!("-o: {}: no format is written as .{}", path.display(), extension))
            .help(format!("name it {known}, or set --format"))
    })
}

impl Report {
    pub fn run(self) -> Result<ExitCode, Error> {
        let output = self.output.filter(|path| path != Path::new("-"));
        let by_name = || format_of_file(output.as_deref().unwrap_or(Path::new("")));
        let format = self.format.map_or_else(by_name, Ok)?;
        if let Some(path) = &output {
            can_replace(path).map_err(|why| cannot_write(Error::usage, path, why))?;
            let read = self.reports.iter().map(|report| FileUse::read("REPORT", report));
            check_output_conflicts(&read.chain([FileUse::written("-o", path)]).collect::<Vec<_>>())?;
        }
        let text = (format.render)(&read_reports(&self.reports)?, RenderOptions::default());
        let Some(path) = output else { return print(&text) };
        replace(&path, text.as_bytes()).map_err(|error| cannot_write(Error::failed, &path, error))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn cannot_write(of_kind: fn(String) -> Error, path: &Path, why: impl Display) -> Error {
    of_kind(format!("-o: {} cannot be written: {why}", path.display()))
        .help("name a file in an existing, writable folder")
}
