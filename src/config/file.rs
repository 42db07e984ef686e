//! The files' layers: the user's configuration and the project's.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::error::Category;

use super::layer::Layer;
use super::origins::SettingOrigins;
use super::read;
use crate::error::{self, Error};
use crate::log::Rules;
use crate::report::Report;
use crate::report::SCHEMA;
use crate::text::sanitize::plain;

/// The project's file, over the user's. `chosen` takes the place of the project's `effllm.toml`.
/// Answers also with the files that nobody asked for and that may not be read: they count as absent.
pub fn layers(chosen: Option<&Path>) -> Result<(Layer, Vec<String>), Error> {
    let mut unread = Vec::new();
    let project = match chosen {
        Some(file) => Some(parsed(file).map_err(|error| match error.location {
            Some(_) => error, // it names the file and the line
            None => error.of_flag("config"),
        })?),
        None => read_if_there(Path::new("effllm.toml"), &mut unread)?,
    };
    let user = user_file().map(|file| read_if_there(&file, &mut unread)).transpose()?.flatten();
    Ok((project.unwrap_or_default().or(user.unwrap_or_default()), unread))
}

/// Rules from a file that the user named.
pub fn read_rules(file: &Path) -> Result<Rules, Error> {
    const WAY_OUT: &str = "--rules FILE, or the key rules of effllm.toml, names a file of rules";
    let text = text(file, WAY_OUT).map_err(|error| match error.location {
        Some(_) => error,
        None => error.of_flag("rules"),
    })?;
    let name = file.file_stem().map_or_else(|| "custom".into(), |stem| stem.to_string_lossy());
    Rules::parse(&text, &file.display().to_string(), &name)
}

/// A report that effllm wrote: a file, or for `-` standard input.
///
/// # Errors
/// It cannot be read, or is no report of a form that this version knows.
pub fn read_report(file: &Path) -> Result<Report, Error> {
    #[derive(Deserialize)]
    struct Form {
        schema: String,
    }
    let (name, text) = if file == Path::new("-") {
        ("standard input".to_owned(), read::report(io::stdin().lock()))
    } else {
        (file.display().to_string(), File::open(file).and_then(read::report))
    };
    const WRITTEN_BY: &str = "'effllm run -o FILE' and 'effllm parse --json LOG' write reports";
    let text = text
        .map_err(|error| Error::usage(format!("cannot read the report {name}: {error}")).hint(WRITTEN_BY))?;
    let no_report =
        |why: String| Error::usage(format!("{name} is no report of effllm: {why}")).hint(WRITTEN_BY);
    if text.trim_ascii().is_empty() {
        return Err(no_report("it is empty".to_owned()));
    }
    let broken = |error: serde_json::Error| match error.classify() {
        Category::Eof => {
            let what = format!("the report {name} is cut off: it ends in line {}", error.line());
            Error::usage(what).hint("copy it once more; effllm itself replaces a report whole")
        }
        Category::Syntax => no_report(format!("it is not JSON: {error}")),
        Category::Data | Category::Io => no_report(error.to_string()),
    };
    let form: Form = serde_json::from_slice(&text).map_err(broken)?;
    match form.schema.strip_prefix(SCHEMA_NAME) {
        _ if form.schema == SCHEMA => serde_json::from_slice(&text).map_err(broken),
        Some(_) => {
            let schema = plain(&form.schema);
            let what = format!("the report {name} is of another form, {schema}; this effllm reads {SCHEMA}");
            Err(Error::usage(what).hint("read it with the effllm that wrote it, or a newer one"))
        }
        None => Err(no_report(format!("its schema is '{}', not '{SCHEMA}'", plain(&form.schema)))),
    }
}

/// The schema of every form of the report, whatever its version.
const SCHEMA_NAME: &str = "effllm.report/";

/// Reports with the names of their files.
///
/// # Errors
/// One of them cannot be read, or two are to be read from standard input.
pub fn read_reports(files: &[PathBuf]) -> Result<Vec<(String, Report)>, Error> {
    if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        return Err(Error::usage("'-' is named twice, but standard input can be read only once")
            .hint("name a file for one of them"));
    }
    files.iter().map(|file| Ok((file.display().to_string(), read_report(file)?))).collect()
}

fn user_file() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("effllm/config.toml"))
}

/// A file that nobody named. In a container the home can be another user's, and the file is then there
/// for others.
fn read_if_there(file: &Path, unread: &mut Vec<String>) -> Result<Option<Layer>, Error> {
    let is_absent = |error: &io::Error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied)
    };
    match file.metadata() {
        Err(error) if is_absent(&error) => return Ok(None),
        Ok(found) if !found.is_file() => unread.push(format!("{}: it is no file", file.display())),
        _ => match File::open(file) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                unread.push(format!("{}: {error}", file.display()));
            }
            _ => return parsed(file).map(Some),
        },
    }
    Ok(None)
}

fn parsed(file: &Path) -> Result<Layer, Error> {
    let text = text(file, "it names a TOML file whose keys are the long flags of 'effllm run --help'")?;
    let origins = SettingOrigins::of(&file.display().to_string(), &text);
    let layer = toml::from_str(&text).map(|layer| Layer { origins, ..layer });
    layer.map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let (message, own_way_out) = match error.message().rsplit_once('\n') {
            Some((message, help)) => (message, Some(help)),
            None => (error.message(), None),
        };
        let key = key_at(&text, offset);
        let what = key.map_or(String::new(), |key| format!("{key}: ")) + &one_line(message);
        const KEYS: &str = "the keys are the long flags of 'effllm run --help'";
        let help = match (own_way_out, misspelt(message), key) {
            (Some(help), ..) => help.to_owned(),
            (None, Some(key), _) => format!("did you mean '{key}'? {KEYS}"),
            (None, None, _) if message == "duplicate key" => "leave one of the two out".to_owned(),
            (None, None, Some("gate")) => "[gate] is a table; effllm-gate(1) has an example".to_owned(),
            (None, None, Some(key)) => format!("effllm-run(1) says what --{key} takes"),
            (None, None, None) => KEYS.to_owned(),
        };
        Error::in_file(&file.display().to_string(), &text, offset, &what).hint(help)
    })
}

/// The key whose value begins at an offset.
fn key_at(text: &str, offset: usize) -> Option<&str> {
    let line = text.get(..offset)?.rsplit('\n').next()?;
    let (key, _) = line.split_once('=')?;
    Some(key.trim())
}

/// The key that an unknown one was meant to be.
fn misspelt(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown field"))?;
    let known: Vec<&str> = quoted.collect();
    error::nearest(unknown, known).map(str::to_owned)
}

/// The first part of a message, without its list of everything that would have been right, in the words
/// of TOML.
fn one_line(message: &str) -> String {
    let message = message.split(", expected one of").next().unwrap_or(message);
    let message = message.replace("unknown field", "unknown key").replace('\n', " ");
    let Some((is, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|types| types.split_once(", expected "))
    else {
        return message;
    };
    let is = match is {
        "sequence" => "a list",
        "map" => "a table",
        is => is,
    };
    let expected = expected.replace("struct GateLayer", "a table").replace("path string", "a string");
    format!("{is} is not {expected}")
}

fn text(file: &Path, help: &str) -> Result<String, Error> {
    let bytes = read::settings(file)
        .map_err(|error| Error::usage(format!("cannot read {}: {error}", file.display())).hint(help))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Error::in_file(&file.display().to_string(), &text, valid, "this is not UTF-8")
            .hint("TOML files are UTF-8 text")
    })
}
