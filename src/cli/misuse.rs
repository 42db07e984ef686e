//! What clap finds wrong with the arguments, told as every other error is.

use std::env;
use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::Cli;
use crate::error::Error;
use crate::render::plain;

/// What is wrong, and the way out.
pub fn explain(error: &clap::Error) -> Error {
    let arguments: Vec<String> = env::args_os().skip(1).map(|word| word.to_string_lossy().into()).collect();
    let (command, words) = called(&arguments);
    let misuse = Misuse { error, command: &command, words: &words, arguments: &arguments };
    let (what, way_out) = misuse.explain();
    Error::usage(plain(&what)).hint(plain(&way_out))
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

impl Misuse<'_> {
    fn explain(&self) -> (String, String) {
        let name = self.text(ContextKind::InvalidArg).map(|shown| name(&shown)).unwrap_or_default();
        let value = self.text(ContextKind::InvalidValue).unwrap_or_default();
        let takes = format!("'{} --help' says what {name} takes", self.words);
        match self.error.kind() {
            ErrorKind::InvalidValue if value.is_empty() => (format!("{name}: a value is missing"), takes),
            ErrorKind::InvalidValue => {
                let known = self.texts(ContextKind::ValidValue);
                let meant = self.suggested(ContextKind::SuggestedValue);
                (format!("{name}: '{value}' is none of {}", known.join(", ")), meant + &takes)
            }
            ErrorKind::ValueValidation => {
                let why = self.error.source().map(ToString::to_string).unwrap_or_default();
                (format!("{name}: '{value}' {why}"), takes)
            }
            ErrorKind::UnknownArgument => self.unknown(&name),
            ErrorKind::InvalidSubcommand => {
                let word = self.text(ContextKind::InvalidSubcommand).unwrap_or_default();
                let what = format!("'{}' has no command '{word}'", self.words);
                match self.suggested(ContextKind::SuggestedSubcommand) {
                    meant if meant.is_empty() && self.words == "effllm" => {
                        (what, format!("to measure it: effllm run -- {word} …; {}", self.lists_them_all()))
                    }
                    meant => (what, meant + &self.lists_them_all()),
                }
            }
            ErrorKind::MissingRequiredArgument => self.missing(),
            ErrorKind::ArgumentConflict => {
                let other = self.text(ContextKind::PriorArg).map(|shown| self::name(&shown));
                match other {
                    Some(other) if other != name => {
                        (format!("{name} cannot be used with {other}"), "leave one of them out".to_owned())
                    }
                    _ => (format!("{name} is given twice"), "leave one of them out".to_owned()),
                }
            }
            ErrorKind::TooManyValues => (format!("{name} takes no value, and '{value}' is given"), takes),
            ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
                let least = self.text(ContextKind::ExpectedNumValues).or(self.text(ContextKind::MinValues));
                let given = self.text(ContextKind::ActualNumValues).unwrap_or_default();
                let least = least.unwrap_or_default();
                (format!("{name}: {least} are needed, and {given} is given"), self.shows_how())
            }
            _ => {
                let text = self.error.to_string();
                let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                (first.to_owned(), self.shows_how())
            }
        }
    }

    fn unknown(&self, name: &str) -> (String, String) {
        if name.starts_with('-') {
            let meant = self.suggested(ContextKind::SuggestedArg);
            let what = format!("'{}' has no option {name}", self.words);
            return (what, meant + &self.lists_them_all());
        }
        let what = format!("'{name}' is one argument too many");
        let at = self.arguments.iter().rposition(|word| word == name);
        match at.and_then(|at| self.arguments.get(at.checked_sub(1)?)) {
            Some(before) if self.wants_equals_sign(before) => {
                (what, format!("{before} takes its value behind '=': {before}={name}"))
            }
            _ if self.words == "effllm gate" && name.contains(['<', '>', '=']) => {
                (what, format!("an expression comes behind --require: --require '{name}'"))
            }
            _ if self.words == "effllm run" => {
                (what, format!("the command comes behind '--': effllm run [OPTIONS] -- {name} …"))
            }
            _ => (what, self.shows_how()),
        }
    }

    fn missing(&self) -> (String, String) {
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

    /// Whether an argument is an option that takes a value only behind `=`.
    fn wants_equals_sign(&self, argument: &str) -> bool {
        let long = argument.strip_prefix("--");
        self.command.get_arguments().any(|known| known.get_long() == long && known.is_require_equals_set())
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
            Some(ContextValue::Number(number)) => vec![number.to_string()],
            _ => Vec::new(),
        }
    }
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
