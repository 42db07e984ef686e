//! What clap finds wrong with the arguments, told as every other error is.

use std::env;
use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use super::Cli;
use crate::error::Error;
use crate::text::sanitize::plain;

/// What is wrong, and the way out.
pub fn explain(error: &clap::Error) -> Error {
    let arguments: Vec<String> = env::args_os().skip(1).map(|word| word.to_string_lossy().into()).collect();
    let (command, words) = called(&arguments);
    let misuse = Misuse { error, command: &command, words: &words, arguments: &arguments };
    let (what, help) = misuse.explain();
    Error::usage(plain(&what)).hint(plain(&help))
}

/// The command that was called, and the words that name it: `effllm profiles show`.
fn called(arguments: &[String]) -> (Command, String) {
    let mut command = Cli::command();
    let mut words = "effllm".to_owned();
    for argument in arguments {
        let Some(below) = command.find_subcommand(argument).cloned() else { break };
        words += &format!(" {argument}");
        command = below;
    }
    (command, words)
}

/// One misuse of a command.
struct Misuse<'a> {
    error: &'a clap::Error,
    command: &'a Command,
    words: &'a str,
    arguments: &'a [String],
}

/// What is wrong, and the way out.
type Told = (String, String);

impl Misuse<'_> {
    fn explain(&self) -> Told {
        let name = self.text(ContextKind::InvalidArg).map(|shown| name(&shown)).unwrap_or_default();
        match self.error.kind() {
            ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues => {
                self.value(&name)
            }
            ErrorKind::UnknownArgument if name.starts_with('-') => self.unknown_option(&name),
            ErrorKind::UnknownArgument => self.one_too_many(&name),
            ErrorKind::InvalidSubcommand => self.unknown_command(),
            ErrorKind::MissingRequiredArgument => self.missing(),
            ErrorKind::ArgumentConflict => self.conflict(&name),
            ErrorKind::InvalidUtf8 => (
                "an argument is not UTF-8".to_owned(),
                "names of files may be any bytes; all else is UTF-8 text".to_owned(),
            ),
            _ => {
                let text = self.error.to_string();
                let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                (first.to_owned(), self.shows_how())
            }
        }
    }

    fn value(&self, name: &str) -> Told {
        let value = self.text(ContextKind::InvalidValue).unwrap_or_default();
        let takes = format!("'{} --help' says what {name} takes", self.words);
        match self.error.kind() {
            ErrorKind::ValueValidation => {
                let why = self.error.source().map(ToString::to_string).unwrap_or_default();
                (format!("{name}: '{value}' {why}"), takes)
            }
            ErrorKind::TooManyValues => (format!("{name} takes no value, and '{value}' is given"), takes),
            _ if value.is_empty() => (format!("{name}: a value is missing"), takes),
            _ => {
                let known = self.texts(ContextKind::ValidValue).join(", ");
                let meant = self.suggested(ContextKind::SuggestedValue);
                (format!("{name}: '{value}' is none of {known}"), meant + &takes)
            }
        }
    }

    fn unknown_command(&self) -> Told {
        let word = self.text(ContextKind::InvalidSubcommand).unwrap_or_default();
        let what = format!("'{}' has no command '{word}'", self.words);
        match self.suggested(ContextKind::SuggestedSubcommand) {
            meant if meant.is_empty() && self.words == "effllm" => {
                (what, format!("to measure it: effllm run -- {word} …; {}", self.lists_them_all()))
            }
            meant => (what, meant + &self.lists_them_all()),
        }
    }

    fn unknown_option(&self, name: &str) -> Told {
        let what = format!("'{}' has no option {name}", self.words);
        match self.command.find_subcommand("run").and_then(|run| option(run, name)) {
            Some(_) => (what, format!("the options of a command come behind its name: effllm run {name} …")),
            None => (what, self.suggested(ContextKind::SuggestedArg) + &self.lists_them_all()),
        }
    }

    fn one_too_many(&self, name: &str) -> Told {
        let what = format!("'{name}' is one argument too many");
        let at = self.arguments.iter().rposition(|word| word == name);
        let before = at.and_then(|at| self.arguments.get(at.checked_sub(1)?));
        let before = before.and_then(|before| option(self.command, before).map(|known| (before, known)));
        let help = match (self.words, before) {
            (_, Some((before, known))) if known.is_require_equals_set() => {
                format!("{before} takes its value behind '=': {before}={name}")
            }
            ("effllm gate", _) if name.contains(['<', '>', '=']) => {
                format!("an expression comes behind --require: --require '{name}'")
            }
            ("effllm run", _) => format!("the command comes behind '--': effllm run [OPTIONS] -- {name} …"),
            _ => self.shows_how(),
        };
        (what, help)
    }

    fn conflict(&self, name: &str) -> Told {
        let other = self.text(ContextKind::PriorArg).map(|shown| self::name(&shown));
        let what = match other.filter(|other| other != name) {
            Some(other) => format!("{name} cannot be used with {other}"),
            None => format!("{name} is given twice"),
        };
        (what, "leave one of them out".to_owned())
    }

    fn missing(&self) -> Told {
        let missing: Vec<String> =
            self.texts(ContextKind::InvalidArg).iter().map(|shown| name(shown)).collect();
        match (self.words, missing.as_slice()) {
            ("effllm run", [name]) if name == "CMD" => (
                "no command is given".to_owned(),
                "it comes behind '--': effllm run [OPTIONS] -- CMD [ARG…]".to_owned(),
            ),
            (words, missing) => (format!("'{words}' needs {}", missing.join(" and ")), self.shows_how()),
        }
    }

    fn shows_how(&self) -> String {
        format!("'{} --help' shows how it is used", self.words)
    }

    fn lists_them_all(&self) -> String {
        format!("'{} --help' lists them all", self.words)
    }

    /// `did you mean '--interval'? `, where clap knows one that is near.
    fn suggested(&self, kind: ContextKind) -> String {
        let near = self.texts(kind).into_iter().next();
        near.map_or(String::new(), |near| format!("did you mean '{near}'? "))
    }

    fn text(&self, kind: ContextKind) -> Option<String> {
        self.texts(kind).into_iter().next()
    }

    fn texts(&self, kind: ContextKind) -> Vec<String> {
        match self.error.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }
}

/// A command's option of a name with its dashes.
fn option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let long = name.strip_prefix("--")?;
    command.get_arguments().find(|known| known.get_long() == Some(long))
}

/// An argument's name of what clap shows of it: `--gpus` of `--gpus <WHICH>`, `REPORT` of `<REPORT>...`.
fn name(shown: &str) -> String {
    let first = shown.split([' ', '=']).next().unwrap_or_default();
    match first.strip_prefix('-') {
        Some(_) => first.split('[').next().unwrap_or_default().to_owned(),
        None if first.starts_with(['<', '[']) => first.chars().filter(|c| !"<>[].".contains(*c)).collect(),
        None => shown.to_owned(),
    }
}
