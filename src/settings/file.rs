//! The files' layers: the user's configuration and the project's.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::layer::Layer;
use crate::error::{self, Error};
use crate::log::Rules;

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
    let text = text(file)?;
    let name = file.file_stem().map_or_else(|| "custom".into(), |stem| stem.to_string_lossy());
    Rules::parse(&text, &file.display().to_string(), &name)
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
    let text = text(file)?;
    toml::from_str(&text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let what = match key_at(&text, offset) {
            Some(key) => format!("{key}: {}", one_line(error.message())),
            None => one_line(error.message()),
        };
        let found = Error::in_file(&file.display().to_string(), &text, offset, &what);
        match misspelt(error.message()) {
            Some(key) => found
                .hint(format!("did you mean '{key}'? the keys are the long flags of 'effllm run --help'")),
            None => found.hint("the keys are the long flags of 'effllm run --help'"),
        }
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

fn text(file: &Path) -> Result<String, Error> {
    let bytes =
        fs::read(file).map_err(|error| Error::usage(format!("cannot read {}: {error}", file.display())))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Error::in_file(&file.display().to_string(), &text, valid, "this is not UTF-8")
            .hint("TOML files are UTF-8 text")
    })
}
