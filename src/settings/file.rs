//! The files' layers: the user's configuration and the project's.

use std::env;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::layer::Layer;
use super::places::Places;
use crate::error::{self, Error};
use crate::log::Rules;
use crate::model::Report;
use crate::model::report::SCHEMA;

/// The project's file, over the user's. `chosen` takes the place of the project's `effllm.toml`.
pub fn layers(chosen: Option<&Path>) -> Result<Layer, Error> {
    let project = match chosen {
        Some(file) => Some(read(file)?),
        None => read_if_there(Path::new("effllm.toml"))?,
    };
    let user = user_file().map(|file| read_if_there(&file)).transpose()?.flatten();
    Ok(project.unwrap_or_default().or(user.unwrap_or_default()))
}

/// Rules from a file that the user named.
pub fn read_rules(file: &Path) -> Result<Rules, Error> {
    const WAY_OUT: &str = "--rules FILE, or the key rules of effllm.toml, names a file of rules";
    let text = text(file, WAY_OUT).map_err(|error| error.about("rules"))?;
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
        let mut text = Vec::new();
        ("standard input".to_owned(), io::stdin().lock().read_to_end(&mut text).map(|_| text))
    } else {
        (file.display().to_string(), fs::read(file))
    };
    const WRITTEN_BY: &str = "'effllm run -o FILE' and 'effllm parse --json LOG' write reports";
    let text = text
        .map_err(|error| Error::usage(format!("cannot read the report {name}: {error}")).hint(WRITTEN_BY))?;
    let no_report =
        |why: String| Error::usage(format!("{name} is no report of effllm: {why}")).hint(WRITTEN_BY);
    let form: Form = serde_json::from_slice(&text).map_err(|error| no_report(error.to_string()))?;
    if form.schema != SCHEMA {
        return Err(no_report(format!("its schema is '{}', not '{SCHEMA}'", form.schema)));
    }
    serde_json::from_slice(&text).map_err(|error| no_report(error.to_string()))
}

/// Reports with the names of their files.
///
/// # Errors
/// One of them cannot be read, or two are to be read from standard input.
pub fn read_reports(files: &[PathBuf]) -> Result<Vec<(String, Report)>, Error> {
    if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        return Err(Error::usage("'-' is named twice, but standard input can be read only once"));
    }
    files.iter().map(|file| Ok((file.display().to_string(), read_report(file)?))).collect()
}

fn user_file() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("effllm/config.toml"))
}

fn read_if_there(file: &Path) -> Result<Option<Layer>, Error> {
    match fs::metadata(file) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        _ => read(file).map(Some),
    }
}

fn read(file: &Path) -> Result<Layer, Error> {
    let text = text(file, "settings are a TOML file whose keys are the long flags of 'effllm run --help'")?;
    let places = Places::of(&file.display().to_string(), &text);
    let layer = toml::from_str(&text).map(|layer| Layer { places, ..layer });
    layer.map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let (message, own_way_out) = match error.message().rsplit_once('\n') {
            Some((message, way_out)) => (message, Some(way_out)),
            None => (error.message(), None),
        };
        let key = key_at(&text, offset);
        let what = key.map_or(String::new(), |key| format!("{key}: ")) + &one_line(message);
        const KEYS: &str = "the keys are the long flags of 'effllm run --help'";
        let way_out = match (own_way_out, misspelt(message), key) {
            (Some(way_out), ..) => way_out.to_owned(),
            (None, Some(key), _) => format!("did you mean '{key}'? {KEYS}"),
            (None, None, Some(key)) => format!("effllm-run(1) says what --{key} takes"),
            (None, None, None) => KEYS.to_owned(),
        };
        Error::in_file(&file.display().to_string(), &text, offset, &what).hint(way_out)
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

/// The first part of a message, without its list of everything that would have been right.
fn one_line(message: &str) -> String {
    let message = message.split(", expected one of").next().unwrap_or(message);
    message.replace("unknown field", "unknown key").replace('\n', " ")
}

fn text(file: &Path, way_out: &str) -> Result<String, Error> {
    let bytes = fs::read(file)
        .map_err(|error| Error::usage(format!("cannot read {}: {error}", file.display())).hint(way_out))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Error::in_file(&file.display().to_string(), &text, valid, "this is not UTF-8")
            .hint("TOML files are UTF-8 text")
    })
}
