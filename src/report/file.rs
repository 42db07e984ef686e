//! Reads report files.

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
        (plain(&file.display().to_string()), bounded::read_file(file, LARGEST))
    };
    let cannot_read =
        |error| Error::usage(format!("cannot read the report {name}: {error}")).help(WRITTEN_BY);
    parse_report(&name, &bytes.map_err(cannot_read)?)
}

fn parse_report(name: &str, text: &[u8]) -> Result<Report, Error> {
    #[derive(Deserialize)]
    struct Header {
        schema: String,
    }
    let not_a_report =
        |reason: String| Error::usage(format!("{name} is not a valid report: {reason}")).help(WRITTEN_BY);
    let invalid = |error: serde_json::Error| match error.classify() {
        Category::Eof => Error::usage(format!("the report {name} is cut off in line {}", error.line()))
            .help("copy it again; effllm itself replaces reports atomically"),
        Category::Syntax => not_a_report(format!("it is not JSON: {error}")),
        Category::Data | Category::Io => not_a_report(error.to_string()),
    };
    if text.trim_ascii().is_empty() {
        return Err(not_a_report("it is empty".to_owned()));
    }
    let Header { schema } = serde_json::from_slice(text).map_err(invalid)?;
    match &*plain(&schema) {
        SCHEMA => serde_json::from_slice(text).map_err(invalid),
        SCHEMA_1 => serde_json::from_slice(text)
            .and_then(|old| serde_json::from_value(schema1::upgraded(old)))
            .map_err(invalid),
        other if other.starts_with("effllm.report/") => {
            Err(Error::usage(format!("the report {name} has the schema {other}; this effllm reads {SCHEMA}"))
                .help("read it with the effllm that wrote it, or with a newer one"))
        }
        other => Err(not_a_report(format!("its schema is '{other}', not '{SCHEMA}'"))),
    }
}
