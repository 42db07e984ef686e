//! The phases of a run in a report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::{GpuSums, Metrics, Sums};

/// The kinds of time that a run consists of. Every moment of it belongs to exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// Before the first iteration's start.
    Startup,
    /// The time of the iterations that `--warmup` leaves out.
    Warmup,
    /// The iterations' own time.
    Train,
    /// Evaluations and checkpoints, by the log's pause lines.
    Pause,
    /// Time between iterations that nothing explains.
    Gap,
    /// Time in which an inference server generated tokens.
    Generate,
    /// The command was stopped (Ctrl-Z).
    Suspended,
    /// After the last iteration.
    After,
}

impl PhaseKind {
    pub const ALL: [Self; 8] = [
        Self::Startup,
        Self::Warmup,
        Self::Train,
        Self::Pause,
        Self::Gap,
        Self::Generate,
        Self::Suspended,
        Self::After,
    ];
}

/// All time of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// How often the run entered it.
    pub episodes: u64,
    /// The sums that its metrics are computed from.
    pub sums: Sums,
    pub metrics: Metrics,
    /// The longest episodes, in order of time.
    pub longest: Vec<Episode>,
}

impl Phase {
    /// Energy of this node's GPUs, in joules; `None` where readings leave out more than a twentieth of
    /// the time, or there was no GPU.
    pub fn energy_joules(&self) -> Option<f64> {
        whole_energy(&self.sums.gpus, self.sums.seconds)
    }
}

/// Energy of GPUs over some seconds, in joules; `None` where readings leave out more than a twentieth.
pub fn whole_energy(gpus: &BTreeMap<String, GpuSums>, seconds: f64) -> Option<f64> {
    let joules = |gpu: &GpuSums| {
        let energy = gpu.energy();
        (energy.seconds >= 0.95 * seconds).then_some(energy.integral)
    };
    gpus.values().map(joules).sum::<Option<f64>>().filter(|_| !gpus.is_empty())
}

/// One stretch of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Episode {
    /// The kind of work, where the log names it: `evaluation`, `checkpoint`.
    pub name: Option<String>,
    /// Seconds since the start of the run.
    pub from_seconds: f64,
    pub to_seconds: f64,
    /// Energy of this node's GPUs; null where readings leave out more than a twentieth of it.
    pub energy_joules: Option<f64>,
}
