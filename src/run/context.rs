//! What the report says of the command's surroundings.

use std::env;
use std::ffi::OsString;

use jiff::Timestamp;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::secrets;
use crate::child::spawn::UNBUFFERED;
use crate::model::report::{Command, Job};

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
        argv: if mask { secrets::mask(&argv) } else { argv },
        cwd: env::current_dir().ok().map(|folder| folder.to_string_lossy().into_owned()),
        started_at: Some(Timestamp::now().to_string()),
        wall_seconds: None,
        suspended_seconds: None,
        exit: None,
        cpu_seconds: None,
        max_rss_bytes: None,
        python_unbuffered_set,
    }
}

/// The job that the command is a part of, as the environment tells it.
pub fn job() -> Job {
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

/// A variable of the command's environment; one that is set to nothing still says something.
pub fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn set(name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
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
