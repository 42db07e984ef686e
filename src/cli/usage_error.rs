//! Turns clap's errors into [`Error`], so that all errors look alike.

use std::env;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::Cli;
use crate::config::value_message;
use crate::error::{Error, Location};
use crate::text::sanitize::plain;

/// clap's error about the arguments of this process.
pub fn usage_error(error: &clap::Error) -> Error {
    let command = called_command();
    let name = command.get_bin_name().unwrap_or("effllm");
    let location = |shown: &String| location(&command, shown);
    let arguments = context(error, ContextKind::InvalidArg);
    let argument = arguments.first();
    let unexpected = argument.or(context(error, ContextKind::InvalidSubcommand).first()).cloned();
    let unexpected = unexpected.unwrap_or_default();
    let (message, location) = match error.kind() {
        ErrorKind::UnknownArgument => (format!("unexpected argument '{unexpected}'"), None),
        ErrorKind::InvalidSubcommand => (format!("unknown command '{unexpected}'"), None),
        ErrorKind::MissingRequiredArgument => {
            let names: Vec<String> = arguments.iter().map(|shown| location(shown).to_string()).collect();
            (format!("'{name}' needs {}", names.join(" and ")), None)
        }
        ErrorKind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg)
                .first()
                .filter(|other| Some(*other) != argument)
                .map(location);
            let message =
                other.map_or("given twice".to_owned(), |other| format!("cannot be used with {other}"));
            (message, argument.map(location))
        }
        ErrorKind::InvalidUtf8 => {
            ("an argument is not valid UTF-8; only file names can be other bytes".to_owned(), None)
        }
        _ => (value_message(error), argument.map(location)),
    };
    let help = suggestion(error).unwrap_or_else(|| match (name, error.kind()) {
        ("effllm run", ErrorKind::MissingRequiredArgument) => {
            "put the command after `--`: effllm run [OPTIONS] -- CMD [ARG…]".to_owned()
        }
        ("effllm run", ErrorKind::UnknownArgument) if !unexpected.starts_with('-') => {
            format!("put the command after `--`: effllm run [OPTIONS] -- {unexpected} …")
        }
        ("effllm gate", ErrorKind::UnknownArgument) if !unexpected.starts_with('-') => {
            format!("put an expression after --require: --require '{unexpected}'")
        }
        ("effllm", ErrorKind::UnknownArgument) => {
            format!("options follow the name of a command: effllm run {unexpected} …")
        }
        ("effllm", ErrorKind::InvalidSubcommand) => {
            format!("to run a program: effllm run -- {unexpected} …; 'effllm --help' lists the commands")
        }
        _ => format!("see '{name} --help'"),
    });
    Error { location, ..Error::usage(plain(&message)).help(plain(&help)) }
}

/// The command that the arguments of this process name.
fn called_command() -> Command {
    let mut command = Cli::command();
    command.build();
    for argument in env::args_os().skip(1) {
        let Some(subcommand) = command.find_subcommand(argument).cloned() else { break };
        command = subcommand;
    }
    command
}

/// An argument by the text that clap's errors show of it: `--gpus <WHICH>`.
fn location(command: &Command, shown: &String) -> Location {
    match command.get_arguments().find(|argument| argument.to_string() == *shown) {
        None => Location::Argument(shown.clone()),
        Some(argument) => match argument.get_long() {
            Some(long) => Location::Flag(long.to_owned()),
            None => Location::Argument(argument.get_value_names().unwrap_or_default().join(" ")),
        },
    }
}

/// `did you mean '--interval'?`, if clap suggests a name.
fn suggestion(error: &clap::Error) -> Option<String> {
    let kinds = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let name = kinds.into_iter().find_map(|kind| context(error, kind).into_iter().next());
    name.map(|name| format!("did you mean '{name}'?"))
}

fn context(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
