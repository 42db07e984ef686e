//! Metrics that can never be known with some settings.

use super::{Options, Settings};
use crate::gpu::GpuChoice;
use crate::metrics::Metric;
use crate::metrics::window::Basis;
use crate::process::StdioMode;

/// The sources that a subcommand has besides what its settings choose, or why it lacks them.
#[derive(Debug, Clone, Copy)]
pub struct AvailableSources {
    pub gpus: Result<(), &'static str>,
    pub log: Result<(), &'static str>,
    pub wall_time: Result<(), &'static str>,
}

impl AvailableSources {
    pub const ALL: Self = Self { gpus: Ok(()), log: Ok(()), wall_time: Ok(()) };
}

impl Settings {
    /// Why a metric can never be known, if so: no source measures it, or no rule states it.
    pub fn never_known(&self, metric: &Metric, sources: AvailableSources) -> Option<String> {
        metric.basis.iter().find_map(|basis| self.can_know(*basis, sources).err()).map(str::to_owned)
    }

    fn can_know(&self, basis: Basis, sources: AvailableSources) -> Result<(), &'static str> {
        let Options { gpus, model, command, .. } = &self.options;
        let states = |fields: &[&str]| fields.iter().any(|field| self.log.states(field));
        let samples = model.global_batch_size.is_some()
            || states(&["samples", "consumed_samples", "samples_per_s", "global_batch_size"]);
        let length = model.seq_len.is_some() || states(&["sequence_length"]);
        let (is_stated, why_not) = match basis {
            Basis::Memory | Basis::Utilization | Basis::Power | Basis::Energy => match gpus.gpus {
                GpuChoice::None => return Err("with --gpus none no GPU is measured"),
                _ => return sources.gpus,
            },
            Basis::Activity | Basis::PeakFlops => return Err("this version of effllm does not measure it"),
            Basis::WallTime => return sources.wall_time,
            Basis::IterationTime => (states(&["iteration", "step_time"]), "the rules state no iterations"),
            Basis::Samples => (samples, "the rules state no samples, and there is no --global-batch-size"),
            Basis::Tokens => {
                let own = states(&["tokens", "consumed_tokens", "tokens_per_s", "tokens_per_iteration"]);
                (own || samples && length, "the rules state no tokens, and there is no --seq-len")
            }
            Basis::GeneratedTokens => {
                let own = states(&["generated_tokens", "generation_tokens_per_s"]);
                (own, "the rules state no generated tokens")
            }
            Basis::Parameters if model.params.is_some() => return Ok(()),
            Basis::Parameters => {
                let of_rank = states(&["parameters_of_rank", "parameters_of_largest_rank"]);
                let own = states(&["parameters", "trainable_parameters"]);
                (own || of_rank, "the rules state no parameters, and there is no --params")
            }
        };
        sources.log?;
        match command.stdio {
            StdioMode::Inherit => Err("with --stdio inherit the log is not read"),
            StdioMode::Pipe | StdioMode::Pty if is_stated => Ok(()),
            StdioMode::Pipe | StdioMode::Pty => Err(why_not),
        }
    }
}
