//! The configuration files: the user's and the project's.

use std::env;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction};
use nix::unistd::{getegid, geteuid};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::options::{GATE, Options};
use super::origins::Given;
use crate::error::{self, Error, Location};
use crate::fs::bounded;
use crate::log::Rules;

/// The most bytes of a file of settings or rules.
const LARGEST: u64 = 1 << 20;

/// A setting of a file: its key and its values.
pub type Setting = (String, Vec<Given>);

/// The settings of the user's file, then those of the project's; `chosen` replaces the project's
/// `effllm.toml`. With them, the files that exist and that cannot be read or trusted: they count as absent.
///
/// # Errors
/// The chosen file cannot be read, or a file is not valid.
pub fn settings(chosen: Option<&Path>) -> Result<(Vec<Setting>, Vec<String>), Error> {
    let mut unread = Vec::new();
    let mut settings = match user_file() {
        Some(file) => read_if_present(&file, &mut unread)?,
        None => Vec::new(),
    };
    settings.extend(match chosen {
        Some(file) => parse(file, &read(file, "config", "name a TOML file; its keys are the long flags")?)?,
        None => read_if_present(Path::new("effllm.toml"), &mut unread)?,
    });
    Ok((settings, unread))
}

/// The rules in a file that the user named.
///
/// # Errors
/// The file cannot be read, or the rules are not valid.
pub fn read_rules(file: &Path) -> Result<Rules, Error> {
    let text = read(file, "rules", "name a file of rules; see effllm-rules(5)")?;
    let name = file.file_stem().map_or_else(|| "custom".into(), |stem| stem.to_string_lossy());
    Rules::parse(&text, &file.display().to_string(), &name)
}

fn user_file() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("effllm/config.toml"))
}

/// A file that the user did not name. In a container the home can be another user's, with a file that is
/// not for this user.
fn read_if_present(file: &Path, unread: &mut Vec<String>) -> Result<Vec<Setting>, Error> {
    let is_absent = |error: &io::Error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied)
    };
    match file.metadata() {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Ok(found) if !found.is_file() => unread.push(format!("{}: not a regular file", file.display())),
        Ok(found) if !is_trusted(file, &found) => unread
            .push(format!("{0}: others may write it or its folder; '--config {0}' reads it", file.display())),
        _ => match File::open(file) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                unread.push(format!("{}: {error}", file.display()));
            }
            _ => return parse(file, &read(file, "config", "make it readable, or remove it")?),
        },
    }
    Ok(Vec::new())
}

/// Whether a file and its folder belong to the user or to root, and nobody else may write them: settings
/// name a library to load and files to write.
fn is_trusted(file: &Path, found: &Metadata) -> bool {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let is_safe = |found: &Metadata| {
        let is_of_the_user_alone = found.gid() == group && group == user; // a private group
        let others = if is_of_the_user_alone { 0o002 } else { 0o022 };
        [0, user].contains(&found.uid()) && found.mode() & others == 0
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    is_safe(found) && folder.metadata().is_ok_and(|folder| is_safe(&folder))
}

/// The text of a file that the setting `key` names.
fn read(file: &Path, key: &str, help: &str) -> Result<String, Error> {
    let cannot_read =
        |error| Error::usage(format!("cannot read {}: {error}", file.display())).of_flag(key).help(help);
    let bytes = bounded::read_file(file, LARGEST).map_err(cannot_read)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Error::in_file(&file.display().to_string(), &text, valid, "not valid UTF-8")
            .help("TOML files are UTF-8 text")
    })
}

/// The settings in a file's text.
///
/// # Errors
/// It is not TOML, a key is unknown, or a value has no text.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Setting>, Error> {
    let path = file.display().to_string();
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', " ");
        Error::in_file(&path, text, offset, &message).help(KEYS)
    })?;
    let options = Options::command();
    let mut settings = Vec::new();
    for (key, value) in table.get_ref() {
        match value.get_ref() {
            DeValue::Table(gate) if key.get_ref() == "gate" => {
                for (key, value) in gate {
                    settings.push(setting(&options, (&path, text), key, value, true)?);
                }
            }
            _ => settings.push(setting(&options, (&path, text), key, value, false)?),
        }
    }
    Ok(settings)
}

const KEYS: &str = "the keys are the long flags of 'effllm run --help', those of the gate in [gate]";

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

fn setting(
    options: &clap::Command,
    (path, text): (&str, &str),
    key: &Key,
    value: &Spanned<DeValue>,
    is_in_gate: bool,
) -> Result<Setting, Error> {
    let name = key.get_ref().as_ref();
    let belongs =
        |arg: &&Arg| (arg.get_help_heading() == Some(GATE)) == is_in_gate && arg.get_id() != "config";
    let known = || options.get_arguments().filter(belongs);
    let Some(arg) = known().find(|arg| arg.get_long() == Some(name)) else {
        let unknown = Error::in_file(path, text, key.span().start, &format!("unknown key '{name}'"));
        return Err(match error::nearest(name, known().filter_map(Arg::get_long)) {
            Some(nearest) => unknown.help(format!("did you mean '{nearest}'? {KEYS}")),
            None => unknown.help(KEYS),
        });
    };
    let values = match value.get_ref() {
        DeValue::Array(values) if matches!(arg.get_action(), ArgAction::Append) => values.iter().collect(),
        _ => vec![value],
    };
    let given = |value: &Spanned<DeValue>| {
        let (location, excerpt) = Location::in_file(path, text, value.span().start, Some(name));
        match text_of(value.get_ref()) {
            Ok(text) => Ok(Given { value: text.into(), location, excerpt: Some(excerpt) }),
            Err(why) => Err(Error::usage(why).at(location).excerpt(excerpt).help(manual(name))),
        }
    };
    Ok((name.to_owned(), values.into_iter().map(given).collect::<Result<_, _>>()?))
}

/// The help for a value that an option does not take.
pub fn manual(key: &str) -> String {
    format!("see --{key} in effllm-run(1)")
}

/// A value as a flag would give it.
fn text_of(value: &DeValue) -> Result<String, &'static str> {
    Ok(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(is_set) => is_set.to_string(),
        DeValue::Array(_) => return Err("needs one value, not a list"),
        DeValue::Table(_) => return Err("needs a value, not a table"),
        DeValue::Datetime(_) => return Err("needs a string or a number, not a date"),
    })
}
