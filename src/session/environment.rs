//! The environment of a measured process, and the job that it names.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

use jiff::Timestamp;

use super::secrets;
use crate::report::{self, Command, Job};

/// Variables by which schedulers identify a job.
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

/// The environment of a measured process. Bytes that are not UTF-8 are replaced.
#[derive(Debug, Clone, Default)]
pub struct Environment(pub BTreeMap<String, String>);

impl Environment {
    /// effllm's own, which the command inherits.
    pub fn own() -> Self {
        let text = |bytes: OsString| bytes.to_string_lossy().into_owned();
        Self(env::vars_os().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// The value of a variable, which may be empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// The job that a process with this environment is a part of.
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

/// A measured command, which starts now, as the report shows it.
pub fn measured_command(argv: Vec<String>, cwd: Option<String>, mask: bool) -> Command {
    let argv = if mask { secrets::mask(&argv) } else { argv };
    Command { cwd, started_at: Some(Timestamp::now().to_string()), ..Command::of(argv) }
}

/// This machine, as far as the report names it.
pub fn machine() -> report::Environment {
    let read = |file| std::fs::read_to_string(file).ok();
    let cpu_model = read("/proc/cpuinfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    report::Environment {
        driver: None, // the GPUs tell it
        kernel: read("/proc/sys/kernel/osrelease").map(|release| release.trim().to_owned()),
        cpu_model,
        cpus: std::thread::available_parallelism().ok().map(|cpus| cpus.get() as u64),
    }
}
