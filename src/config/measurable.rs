//! Metrics that can never be known with some settings.

use super::Settings;
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
        let states = |fields: &[&str]| fields.iter().any(|field| self.log.states(field));
        let log = || {
            sources.log?;
            match self.options.command.stdio {
                StdioMode::Inherit => Err("with --stdio inherit the log is not read"),
                StdioMode::Pipe | StdioMode::Pty => Ok(()),
            }
        };
        let stated = |is_stated: bool, why| if is_stated { log() } else { log().and(Err(why)) };
        let samples = self.options.model.global_batch_size.is_some()
            || states(&["samples", "consumed_samples", "samples_per_s", "global_batch_size"]);
        let length = self.options.model.seq_len.is_some() || states(&["sequence_length"]);
        match basis {
            Basis::Memory | Basis::Utilization | Basis::Power | Basis::Energy => match self.options.gpus.gpus
            {
                GpuChoice::None => Err("with --gpus none no GPU is measured"),
                _ => sources.gpus,
            },
            Basis::Activity | Basis::PeakFlops => Err("this version of effllm does not measure it"),
            Basis::WallTime => sources.wall_time,
            Basis::IterationTime => {
                stated(states(&["iteration", "step_time"]), "the rules state no iterations")
            }
            Basis::Samples => {
                stated(samples, "the rules state no samples, and there is no --global-batch-size")
            }
            Basis::Tokens => {
                let own = states(&["tokens", "consumed_tokens", "tokens_per_s", "tokens_per_iteration"]);
                stated(own || samples && length, "the rules state no tokens, and there is no --seq-len")
            }
            Basis::GeneratedTokens => stated(
                states(&["generated_tokens", "generation_tokens_per_s"]),
                "the rules state no generated tokens",
            ),
            Basis::Parameters if self.options.model.params.is_some() => Ok(()),
            Basis::Parameters => stated(
                states(&[
                    "parameters",
                    "trainable_parameters",
                    "parameters_of_rank",
                    "parameters_of_largest_rank",
                ]),
                "the rules state no parameters, and there is no --params",
            ),
        }
    }
}
