//! Becoming the command in place of starting it, and why a command cannot be executed.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::file_writer::end_file_writers;
use super::inherited;
use crate::error::{Error, FAILED, NOT_EXECUTABLE, NOT_FOUND};

/// Replaces effllm by the command, with this signal mask if it is not the present one; returns only
/// if that fails.
pub fn exec(argv: &[OsString], mask: Option<SigSet>) -> Error {
    match command(argv) {
        Ok(mut command) => {
            let prepare = move || {
                inherited::restore()?;
                sigprocmask(SigmaskHow::SIG_SETMASK, mask.as_ref(), None).map_err(io::Error::from)
            };
            // SAFETY: all that it does is allowed here as well as between fork and exec.
            unsafe { command.pre_exec(prepare) };
            end_file_writers();
            cannot_execute(argv, &command.exec())
        }
        Err(error) => error,
    }
}

pub(super) fn command(argv: &[OsString]) -> Result<Command, Error> {
    let (program, arguments) = argv.split_first().ok_or_else(|| Error::usage("no command is given"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// The address space and the stack in which effllm can measure, and those in which it can read its arguments.
const TO_MEASURE: [(Resource, u64); 2] =
    [(Resource::RLIMIT_AS, 256 << 20), (Resource::RLIMIT_DATA, 64 << 20)];
const TO_START: [(Resource, u64); 3] =
    [(Resource::RLIMIT_AS, 64 << 20), (Resource::RLIMIT_DATA, 16 << 20), (Resource::RLIMIT_STACK, 1 << 20)];

fn are_limits_below(least: &[(Resource, u64)]) -> bool {
    least.iter().any(|(resource, least)| getrlimit(*resource).is_ok_and(|(soft, _)| soft < *least))
}

/// Where effllm has too little memory to read its arguments: the command in them, and whether it may replace
/// effllm. It may not where a verdict or a report on stdout is waited for.
pub fn unreadable_command() -> Option<(Vec<OsString>, bool)> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if !are_limits_below(&TO_START) || arguments.next_if(|first| first == "run").is_none() {
        return None;
    }
    let options: Vec<OsString> = arguments.by_ref().take_while(|argument| argument != "--").collect();
    let is_awaited = options.iter().map(|option| option.to_string_lossy()).any(|option| {
        option.starts_with("--require") || matches!(&*option, "-" | "-o-") || option.ends_with("=-")
    });
    Some((arguments.collect::<Vec<_>>(), !is_awaited)).filter(|(command, _)| !command.is_empty())
}

/// Checks that effllm can measure beside the command with little memory left for allocations.
///
/// # Errors
/// 125 where a limit (RLIMIT_AS, RLIMIT_DATA) leaves too little.
pub fn check_memory(argv: &[OsString]) -> Result<(), Error> {
    let error = io::Error::from_raw_os_error(libc::ENOMEM);
    if are_limits_below(&TO_MEASURE) { Err(cannot_execute(argv, &error)) } else { Ok(()) }
}

/// The descriptors that effllm opens at least where it measures beside the command.
const DESCRIPTORS: usize = 12;

/// Checks that effllm can open its descriptors and the command's.
///
/// # Errors
/// 125 where the limit (RLIMIT_NOFILE) or the system leaves too few.
pub fn check_descriptors(argv: &[OsString]) -> Result<(), Error> {
    let opened: io::Result<Vec<OwnedFd>> =
        (0..DESCRIPTORS).map(|_| io::stdin().as_fd().try_clone_to_owned()).collect();
    opened.map(drop).map_err(|error| cannot_execute(argv, &error))
}

/// 127 for a command that is not found, 125 where the system is short of resources, else 126.
pub(super) fn cannot_execute(argv: &[OsString], error: &io::Error) -> Error {
    let program = argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let (path, is_path) = (Path::new(&program), program.contains('/'));
    let failed = |exit| Error::new(exit, format!("'{program}' cannot be executed: {error}"));
    let not_found = |why: &str| Error::new(NOT_FOUND, format!("'{program}': {why}"));
    match error.raw_os_error() {
        Some(libc::ENOMEM | libc::EAGAIN | libc::EMFILE | libc::ENFILE) => failed(FAILED)
            .help("the system is short of processes, memory or descriptors; 'ulimit -a' shows the limits"),
        Some(libc::ENOENT) if is_path && path.exists() => {
            not_found("the interpreter that it asks for is missing").help(format!(
                "a script names its interpreter in its first line; 'file {program}' shows that of a program"
            ))
        }
        Some(libc::ENOENT) if is_path => not_found("no such file")
            .help("a relative path begins in the directory that effllm is started in"),
        Some(libc::ENOENT) => not_found("command not found").help(help_to_find(&program)),
        Some(libc::EACCES) if path.is_dir() => {
            failed(NOT_EXECUTABLE).help("it is a directory; name a file in it")
        }
        Some(libc::EACCES) => failed(NOT_EXECUTABLE).help(format!(
            "make it executable with 'chmod +x {program}', or run a script with 'bash {program}'"
        )),
        _ => failed(NOT_EXECUTABLE)
            .help(format!("'file {program}' shows its type; run a script with 'bash {program}'")),
    }
}

fn help_to_find(program: &str) -> String {
    if program.is_empty() {
        "the command is an empty string; a variable that should hold it may be unset".to_owned()
    } else if program.contains(' ') {
        "pass the command and its arguments as separate words, or a whole line to a shell: bash -c '…'"
            .to_owned()
    } else if Path::new(program).exists() {
        format!("to run the file in this directory, use ./{program}")
    } else {
        "it is in no directory of PATH; give its path".to_owned()
    }
}
