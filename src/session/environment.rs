//! What the report says of the command's surroundings.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;

use jiff::Timestamp;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::secrets;
use crate::process::spawn::UNBUFFERED;
use crate::report::{Command, Job};

/// Variables by which schedulers tell a job who it is.
const SCHEDULER_VARIABLES: &[&str] = &[
    "SLURM_JOB_ID",
    "SLURM_JOB_NAME",
    "SLURM_STEP_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_RESTART_COUNT",
    "LSB_JOBID",
    "PBS_JOBID",
    "JOB_ID",
];

/// The command as it is about to start.
pub fn command(argv: &[OsString], python_unbuffered_set: bool, mask: bool) -> Command {
    let argv: Vec<_> = argv.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    Command {
        cwd: env::current_dir().ok().map(|folder| folder.to_string_lossy().into_owned()),
        started_at: Some(Timestamp::now().to_string()),
        python_unbuffered_set,
        ..Command::of(if mask { secrets::mask(&argv) } else { argv })
    }
}

/// The environment of what is measured.
#[derive(Debug, Clone)]
pub enum Environment {
    /// effllm's own, which the command inherits.
    Own,
    /// That of a process that effllm did not start.
    Of(BTreeMap<String, String>),
}

impl Environment {
    /// The environment that a process was started with, if it may be read.
    pub fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/environ"))?;
        let variables = text.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let pair = |variable: Cow<str>| {
            let (name, value) = variable.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Ok(Self::Of(variables.filter_map(pair).collect()))
    }

    /// A variable; one that is set to nothing still says something.
    pub fn variable(&self, name: &str) -> Option<String> {
        match self {
            Self::Own => env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
            Self::Of(variables) => variables.get(name).cloned(),
        }
    }

    /// The job that a command with this environment is a part of.
    pub fn job(&self) -> Job {
        let set = |name: &str| self.variable(name).filter(|value| !value.is_empty());
        let rank = ["RANK", "SLURM_PROCID"].into_iter().find_map(|name| set(name)?.parse().ok());
        let scheduler = SCHEDULER_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), set(name)?)));
        Job {
            host: nix::unistd::gethostname().ok().map(|host| host.to_string_lossy().into_owned()),
            world_size: None,
            nodes: None,
            rank,
            scheduler: scheduler.collect(),
        }
    }
}

/// Whether the caller left the choice of Python's buffering to us.
pub fn python_unbuffered_is_unset() -> bool {
    env::var_os(UNBUFFERED).is_none()
}

/// CPU seconds of the command and of the children it waited for, and the largest resident set of
/// any one of them in bytes (getrusage(2), RUSAGE_CHILDREN).
pub fn usage_of_children() -> (Option<f64>, Option<u64>) {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return (None, None) };
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let kibibytes = u64::try_from(usage.max_rss()).ok();
    (Some(microseconds as f64 / 1e6), kibibytes.map(|kibibytes| kibibytes * 1024))
}
