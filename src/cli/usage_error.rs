//! Turns clap's errors into [`Error`], so that all errors look alike.

use std::env;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use crate::config::value_error;
use crate::error::{Error, Location};

/// clap's error about the arguments of this process.
pub fn usage_error(error: &clap::Error) -> Error {
    let name = called_command();
    let arguments = context(error, ContextKind::InvalidArg);
    let argument = arguments.first().map(|shown| location(shown));
    let subcommand = context(error, ContextKind::InvalidSubcommand);
    let unexpected = arguments.first().or(subcommand.first()).cloned().unwrap_or_default();
    let mut usage = match error.kind() {
        ErrorKind::UnknownArgument => Error::usage(format!("unexpected argument '{unexpected}'")),
        ErrorKind::InvalidSubcommand => Error::usage(format!("unknown command '{unexpected}'")),
        ErrorKind::MissingRequiredArgument => {
            let names: Vec<String> = arguments.iter().map(|shown| location(shown).to_string()).collect();
            Error::usage(format!("'{name}' needs {}", names.join(" and ")))
        }
        ErrorKind::InvalidUtf8 => {
            Error::usage("an argument is not valid UTF-8; only file names can be other bytes")
        }
        ErrorKind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg).into_iter().find(|other| *other != unexpected);
            let with = other.map(|other| format!("cannot be used with {}", location(&other)));
            Error { location: argument, ..Error::usage(with.unwrap_or_else(|| "given twice".to_owned())) }
        }
        _ => Error { location: argument, ..value_error(error) },
    };
    let help = || match (name.as_str(), error.kind()) {
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
    };
    let help = usage.help.take().or_else(|| suggestion(error)).unwrap_or_else(help);
    usage.help(help)
}

/// The command that the arguments of this process name: `effllm run`.
fn called_command() -> String {
    let (mut command, mut name) = (&Cli::command(), "effllm".to_owned());
    for argument in env::args_os().skip(1) {
        let Some(subcommand) = command.find_subcommand(argument) else { break };
        name = format!("{name} {}", subcommand.get_name());
        command = subcommand;
    }
    name
}

/// An argument by the text that clap's errors show of it: `--gpus <WHICH>`, `<REPORT>...`.
fn location(shown: &str) -> Location {
    let name = shown.split(' ').next().unwrap_or_default();
    match name.strip_prefix("--") {
        Some(long) => Location::Flag(long.to_owned()),
        None => Location::Argument(name.trim_matches(['<', '>', '[', ']', '.']).to_owned()),
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
