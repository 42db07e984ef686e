//! The command line: one file a subcommand.

mod compare;
mod gate;
mod generate;
mod gpus;
mod monitor;
mod parse;
mod profiles;
mod report;
mod run;
mod usage_error;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{self, Error};
use crate::process::Ending;
use crate::text::say;

/// The output of `effllm` without arguments.
const WELCOME: &str = "\
effllm runs a training or inference command unmodified, samples its GPUs, reads its progress from its
log, and writes a report of the EfficientLLM metrics.

  effllm run -- bash train.sh …   run a command, and write effllm-report.json
  effllm parse train.log          parse an existing log
  effllm run --help               the options, with examples

effllm --help lists every command.
";

/// Run a training command unmodified, and report the EfficientLLM metrics of the run
#[derive(Debug, Parser)]
#[command(name = "effllm", version, mut_subcommands(|command| command.mut_args(without_default)))]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The options of a run tell their defaults in words.
fn without_default(arg: Arg) -> Arg {
    let is_of_a_run = arg.get_help_heading().is_some();
    let has_default = !arg.get_default_values().is_empty();
    arg.hide_default_value(is_of_a_run && has_default)
}

#[derive(Debug, Subcommand)]
enum Command {
    // Boxed: these are much larger than the others.
    Run(Box<run::Run>),
    Parse(parse::Parse),
    Gate(gate::Gate),
    Compare(compare::Compare),
    Monitor(Box<monitor::Monitor>),
    Gpus(gpus::Gpus),
    Profiles(profiles::Profiles),
    Report(report::Report),
    Completions(generate::Completions),
    Man(generate::Man),
    /// Print the JSON Schema of the report
    Schema,
}

/// Runs the command in the arguments; returns the exit status.
pub fn main() -> ExitCode {
    if std::env::args_os().len() < 2 {
        say(WELCOME);
        return ExitCode::from(error::USAGE);
    }
    if let Err(error) = crate::run::replace_if_unreadable() {
        fail(&error);
    }
    let matches = Cli::command().try_get_matches();
    let (cli, matches) = match matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches))) {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() && error.kind() != DisplayHelpOnMissingArgumentOrSubcommand => {
            fail(&usage_error::usage_error(&error))
        }
        Err(help) => help.exit(),
    };
    let arguments = matches.subcommand().map_or(&matches, |(_, arguments)| arguments);
    let done = match cli.command {
        Command::Run(run) => run.run(arguments),
        Command::Parse(parse) => parse.run(arguments),
        Command::Gate(gate) => gate.run(arguments),
        Command::Compare(compare) => compare.run(),
        Command::Monitor(monitor) => monitor.run(arguments),
        Command::Gpus(_) => gpus::run(arguments),
        Command::Profiles(profiles) => profiles.run(),
        Command::Report(report) => report.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
        Command::Schema => generate::schema(),
    };
    match done {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Prints on stdout. A reader that has gone away (`| head`) is not an error.
fn print(text: &str) -> Result<ExitCode, Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::failed(format!("cannot write to stdout: {error}"))
                .help("redirect the output to a file system with free space"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Ends effllm without the usual cleanup of a process: NVML may still be loading, and the loader would
/// wait for it.
fn fail(error: &Error) -> ! {
    say(&format!("{error}\n"));
    Ending::Exited(error.exit.into()).imitate()
}
