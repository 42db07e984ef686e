//! The report: everything that effllm says of a run, and the type behind its JSON Schema.

pub mod file;
pub mod gate;
mod phases;
#[cfg(test)]
pub mod samples;
mod schema1;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::sanitize::plain;

pub use crate::metrics::Metrics;
pub use crate::metrics::distribution::LatencyBin;
pub use gate::Gate;
pub use phases::{Episode, Phase, PhaseKind, whole_energy};

/// The version of the document's form.
pub const SCHEMA: &str = "effllm.report/2";

/// What effllm says of a run. A value that is unknown is null; `unavailable` says why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The form of this document: `effllm.report/2`.
    pub schema: String,
    /// The version of effllm that wrote it.
    pub effllm_version: String,
    pub status: Status,
    pub command: Command,
    pub job: Job,
    pub environment: Environment,
    pub model: Model,
    /// The measured GPUs of this node.
    pub gpus: Vec<Gpu>,
    /// GPUs that were measured and that the job did not use: they count in no metric.
    #[serde(default)]
    pub gpus_left_out: Vec<Gpu>,
    pub host: Host,
    pub log: Log,
    pub iterations: Iterations,
    /// What `metrics` is taken over.
    pub window: Window,
    /// The run's time by kind, each with its sums: the kinds together are the whole run. A kind in
    /// which no time passed is left out; a log that is read from a file has only iterations.
    pub phases: BTreeMap<PhaseKind, Phase>,
    pub metrics: Metrics,
    /// The same metrics from the start of the command to its end.
    pub metrics_whole_run: Metrics,
    /// Where each value came from, by the metric's name.
    pub provenance: BTreeMap<String, String>,
    /// Why a value is null, by the metric's name.
    pub unavailable: BTreeMap<String, String>,
    /// Why a value of `metrics_whole_run` is null, where `unavailable` does not say the same.
    #[serde(default)]
    pub unavailable_whole_run: BTreeMap<String, String>,
    /// How far a metric may be off by the clocks that it was measured with, in its own unit.
    pub uncertainty: BTreeMap<String, f64>,
    /// What the reader should know before trusting a number.
    pub warnings: Vec<String>,
    pub series: Series,
    /// What was required of the run and what came of it; null where nothing was.
    pub gate: Option<Gate>,
}

impl Report {
    /// How the command ended: `exit 0`, `killed by SIGTERM` or `still running`. `None` without a command
    /// of effllm's own: of a log, and of a process that it found running.
    pub fn ending(&self) -> Option<String> {
        match (&self.command.exit, self.status) {
            (Some(Exit::Code(code)), _) => Some(format!("exit {code}")),
            (Some(Exit::Signal(signal)), _) => Some(format!("killed by {}", plain(signal))),
            (None, Status::Running) => Some("still running".to_owned()),
            (None, _) => None,
        }
    }

    /// `8 × NVIDIA H100 80GB HBM3`; empty without GPUs.
    pub fn gpu_models(&self) -> String {
        let mut models = BTreeMap::<&str, usize>::new();
        for gpu in &self.gpus {
            *models.entry(gpu.name.as_deref().unwrap_or("GPU")).or_default() += 1;
        }
        models.iter().map(|(name, n)| format!("{n} × {name}")).collect::<Vec<_>>().join(", ")
    }
}

/// A report with the name of its file.
pub type NamedReport = (String, Report);

/// How far the command had come when the report was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The command was still running; a later report replaces this one.
    #[default]
    Running,
    /// The command ended by itself, or was measured for as long as was asked for.
    Completed,
    /// The command, or measuring it, was ended by a signal.
    Interrupted,
}

/// The wrapped command.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    /// The command and its arguments; bytes that are not UTF-8 are replaced.
    pub argv: Vec<String>,
    pub cwd: Option<String>,
    /// RFC 3339, UTC. Of a process that was running before, when measuring began.
    pub started_at: Option<String>,
    /// From just before the start of the command to its end, or to now; null for a log that was
    /// read from a file.
    pub wall_seconds: Option<f64>,
    /// How much of it the command was stopped (Ctrl-Z); it counts in no average.
    #[serde(default)]
    pub suspended_seconds: Option<f64>,
    /// Null while it runs, and of a process that effllm did not start.
    pub exit: Option<Exit>,
    /// User and system time of the command and the children that it waited for; of a process that
    /// was running before, since measuring began.
    pub cpu_seconds: Option<f64>,
    /// The largest resident set of any single process of the tree.
    pub max_rss_bytes: Option<u64>,
    /// Whether effllm set PYTHONUNBUFFERED=1 for the command.
    pub python_unbuffered_set: bool,
}

impl Command {
    /// Arguments of which nothing more is known: a log that was read from a file.
    pub fn of(argv: Vec<String>) -> Self {
        Self { argv, ..Self::default() }
    }
}

/// How the command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// It died by this signal, by name.
    Signal(String),
}

/// The machine and the software that the command ran on; null where it is unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The GPU driver's version.
    pub driver: Option<String>,
    /// The kernel's release.
    pub kernel: Option<String>,
    pub cpu_model: Option<String>,
    /// Logical processors that effllm may run on.
    pub cpus: Option<u64>,
}

/// The job that the command is a part of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    pub host: Option<String>,
    /// Processes of the whole job, one a GPU, as the log states it.
    pub world_size: Option<u64>,
    pub nodes: Option<u64>,
    /// This process's rank, from RANK or SLURM_PROCID.
    pub rank: Option<u64>,
    /// The scheduler's identifiers, by the name of their environment variable.
    pub scheduler: BTreeMap<String, String>,
}

/// The sizes that the per-parameter and per-token metrics rest on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    pub parameters: Sourced,
    /// Tokens a sample.
    pub sequence_length: Sourced,
    /// Samples an iteration, over the whole job.
    pub global_batch_size: Sourced,
}

/// A value and where it came from; both null where it is unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sourced {
    pub value: Option<f64>,
    pub source: Option<String>,
}

/// Where a GPU's energy was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnergySource {
    /// NVML's total energy counter: end minus start.
    Counter,
    /// The integral of sampled power.
    Power,
}

/// One GPU over the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// NVML's index.
    pub index: u32,
    pub uuid: Option<String>,
    pub name: Option<String>,
    pub memory_total_bytes: Option<u64>,
    pub power_limit_watts: Option<f64>,
    pub selected_because: String,
    pub energy_source: Option<EnergySource>,
    /// Readings in which at least one quantity was known.
    pub samples: u64,
    /// The share of the run's time that the readings cover.
    pub coverage_ratio: Option<f64>,
    pub memory_used_bytes: MeanMax,
    pub utilization_ratio: MeanMax,
    pub power_watts: MeanMax,
    pub temperature_celsius: MeanMax,
    pub sm_clock_mhz: MeanMax,
    /// Over the whole run, as far as readings cover it: `coverage_ratio` tells.
    pub energy_joules: Option<f64>,
    /// The command's compute processes on it, and all others; null where PIDs cannot be attributed (in a container,
    /// the driver may name PIDs of the host).
    #[serde(default)]
    pub job_processes: Option<GpuTenant>,
    #[serde(default)]
    pub other_processes: Option<GpuTenant>,
    /// The last reading of each quantity.
    pub now: GpuNow,
    /// Why a quantity is null, by its name.
    pub unavailable: BTreeMap<String, String>,
}

/// Processes on a GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuTenant {
    /// The most at one time.
    pub processes_max: u32,
    /// The most memory that they used together, in bytes; null where the driver does not tell.
    pub memory_bytes_max: Option<u64>,
    /// The share of the time, 0 to 1, in which there was at least one.
    pub time_ratio: Option<f64>,
}

/// A quantity's time average and its highest reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeanMax {
    pub mean: Option<f64>,
    pub max: Option<f64>,
}

/// The last reading of a GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuNow {
    pub memory_used_bytes: Option<f64>,
    pub utilization_ratio: Option<f64>,
    pub power_watts: Option<f64>,
    pub temperature_celsius: Option<f64>,
    pub sm_clock_mhz: Option<f64>,
}

/// The command's process tree, sampled from /proc.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Sum over the tree; shared pages count once for each process.
    pub resident_bytes: Option<MeanMax>,
    /// The last sample.
    pub resident_bytes_now: Option<u64>,
    pub processes_max: Option<u32>,
}

/// What was read from the command's output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// The rules in use.
    pub profile: Option<String>,
    /// Why these rules: a flag, or the line by which they were detected.
    pub profile_source: Option<String>,
    /// Lines read, a carriage return ending one too.
    pub lines: u64,
    /// Bytes read from the command's output.
    pub bytes: u64,
    /// Progress records recognised.
    pub records: u64,
}

/// The iterations of the headline window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Iterations {
    /// Counted iterations: those that the run made, less the warm-up.
    pub count: u64,
    /// Iterations left out as warm-up.
    pub warmup: u64,
    /// The first counted iteration's number.
    pub first: Option<u64>,
    /// The last iteration's number.
    pub last: Option<u64>,
    /// The number of the last iteration that the job will make.
    pub total: Option<u64>,
    /// Tokens and samples of the counted iterations; whole, also where they were estimated.
    pub tokens: Option<f64>,
    pub samples: Option<f64>,
    /// How many of the counted iterations' times are known. Of the others the log does not tell: one
    /// that an evaluation lay in, the first one after its start. All rates are over the known ones.
    #[serde(default)]
    pub timed: u64,
    /// The sum of the times that are known.
    pub seconds: Option<f64>,
    pub latency_seconds: Latency,
    /// How the iterations spread over their times: the bins that hold any, in order of time. Their
    /// bounds are multiples of the step in which the log prints times, where it prints in one. Where
    /// the log states the mean of several iterations, each of them counts as that mean.
    #[serde(default)]
    pub latency_histogram: Vec<LatencyBin>,
    pub loss_last: Option<f64>,
}

/// The distribution of iteration times, in seconds. Percentiles are times that iterations took; where
/// there are more than 10,000 different ones they are within 0.1 % of such a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    pub mean: Option<f64>,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// What the headline metrics are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The iterations' own time: the phase `train`.
    Train,
    /// The time in which tokens were generated, where nothing trains: the phase `generate`.
    Generate,
    /// The whole run: no iteration's time is known.
    Run,
}

/// Readings over time for plots. Bounded by the history size: as a run grows, neighbours are
/// merged, and what is merged keeps its peak.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    pub gpus: Vec<GpuSeries>,
    pub iterations: IterationSeries,
}

/// One GPU's readings. The lists are of equal length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuSeries {
    pub index: u32,
    /// Seconds since the start of the run.
    pub seconds: Vec<f64>,
    pub memory_used_bytes: Vec<Option<f64>>,
    pub utilization_ratio: Vec<Option<f64>>,
    pub power_watts: Vec<Option<f64>>,
}

/// Progress records. The lists are of equal length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IterationSeries {
    /// Neighbouring records that are merged into one point, whose latency is the highest of theirs.
    #[serde(default)]
    pub records_per_point: u64,
    pub iteration: Vec<Option<f64>>,
    /// Seconds since the start of the run, at the record's arrival; null for a log read from a file.
    pub seconds: Vec<Option<f64>>,
    pub latency_seconds: Vec<Option<f64>>,
    pub loss: Vec<Option<f64>>,
}
