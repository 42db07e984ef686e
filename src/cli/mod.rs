//! The command line: one file a subcommand.

mod gpus;
mod parse;
mod profiles;
mod report;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;

/// Wraps a training command, leaves it as it is, and reports the EfficientLLM metrics of the run
#[derive(Debug, Parser)]
#[command(name = "effllm", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Parse(parse::Parse),
    Gpus(gpus::Gpus),
    Profiles(profiles::Profiles),
    Report(report::Report),
}

/// Reads the arguments, does what they say, and answers with the exit status.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => run.run(),
        Command::Parse(parse) => parse.run(),
        Command::Gpus(gpus) => gpus.run(),
        Command::Profiles(profiles) => profiles.run(),
        Command::Report(report) => report.run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(error.exit)
}
