//! Reads report files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::error::Category;

use super::schema1::{self, SCHEMA_1};
use super::{Report, SCHEMA};
use crate::error::Error;
use crate::fs::bounded;
use crate::text::sanitize::plain;

/// The most bytes of a report: a thousand times the usual size.
const LARGEST: u64 = 256 << 20;
const WRITTEN_BY: &str = "'effllm run -o FILE' and 'effllm parse --json LOG' write reports";

/// Reports with the names of their files.
///
/// # Errors
/// A report cannot be read, or two are to be read from standard input.
pub fn read_reports(files: &[PathBuf]) -> Result<Vec<(String, Report)>, Error> {
    if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        return Err(Error::usage("'-' is given twice, but standard input can be read only once")
            .help("name a file for one of them"));
    }
    files.iter().map(|file| Ok((file.display().to_string(), read_report(file)?))).collect()
}

/// A report in a file, or for `-` from standard input.
///
/// # Errors
/// The file cannot be read, or is not a report that this version reads.
pub fn read_report(file: &Path) -> Result<Report, Error> {
    let (name, bytes) = if file == Path::new("-") {
        ("standard input".to_owned(), bounded::read(io::stdin().lock(), LARGEST))
    } else {
        (plain(&file.display().to_string()), File::open(file).and_then(|file| bounded::read(file, LARGEST)))
    };
    let cannot_read =
        |error| Error::usage(format!("cannot read the report {name}: {error}")).help(WRITTEN_BY);
    parse_report(&bytes.map_err(cannot_read)?).map_err(|error| match error {
        ReportError::Truncated { line } => {
            Error::usage(format!("the report {name} is cut off in line {line}"))
                .help("copy it again; effllm itself replaces reports atomically")
        }
        ReportError::OtherSchema(schema) => {
            Error::usage(format!("the report {name} has the schema {schema}; this effllm reads {SCHEMA}"))
                .help("read it with the effllm that wrote it, or with a newer one")
        }
        ReportError::NotAReport(reason) => {
            Error::usage(format!("{name} is not a valid report: {reason}")).help(WRITTEN_BY)
        }
    })
}

/// Why a text is not a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportError {
    /// The JSON ends early.
    Truncated {
        line: usize,
    },
    /// A report of a schema that this version does not read.
    OtherSchema(String),
    NotAReport(String),
}

/// A report from its JSON.
///
/// # Errors
/// The text is not a report that this version reads.
pub fn parse_report(text: &[u8]) -> Result<Report, ReportError> {
    #[derive(Deserialize)]
    struct Header {
        schema: String,
    }
    if text.trim_ascii().is_empty() {
        return Err(ReportError::NotAReport("it is empty".to_owned()));
    }
    let invalid = |error: serde_json::Error| match error.classify() {
        Category::Eof => ReportError::Truncated { line: error.line() },
        Category::Syntax => ReportError::NotAReport(format!("it is not JSON: {error}")),
        Category::Data | Category::Io => ReportError::NotAReport(error.to_string()),
    };
    let Header { schema } = serde_json::from_slice(text).map_err(invalid)?;
    if schema == SCHEMA {
        return serde_json::from_slice(text).map_err(invalid);
    }
    if schema == SCHEMA_1 {
        let mut old = serde_json::from_slice(text).map_err(invalid)?;
        schema1::upgrade(&mut old);
        return serde_json::from_value(old).map_err(invalid);
    }
    let schema = plain(&schema);
    Err(if schema.starts_with("effllm.report/") {
        ReportError::OtherSchema(schema)
    } else {
        ReportError::NotAReport(format!("its schema is '{schema}', not '{SCHEMA}'"))
    })
}
