//! Warnings of a report: what the reader should know before trusting a number.

use super::gpu::GpuTrack;
use super::report::State;
use super::tenants::{LeftOut, are_attributable};
use crate::metrics::Sums;
use crate::report::Sourced;

impl State<'_> {
    /// The report's warnings; `window` is what the headline covers.
    pub fn warnings(&self, window: &Sums) -> Vec<String> {
        let recorder = self.recorder;
        let mut warnings = recorder.warnings.clone();
        let sums = |key: &str| window.gpus.get(key).copied().unwrap_or_default();
        let is_attributable = are_attributable(&recorder.gpus);
        for gpu in &self.gpus {
            warnings.extend(gpu.warnings(&sums(&gpu.facts.key), window.seconds));
            let others = gpu.tenants.warning().filter(|_| is_attributable);
            warnings.extend(others.map(|others| format!("{}: {others}", gpu.facts.label)));
        }
        warnings.extend(LeftOut::warning(&self.left_out));
        warnings.extend(self.iterations.divergence.warning());
        for (count, what) in [
            (self.iterations.timing.rejected, "iteration times"),
            (self.iterations.amounts.samples.rejected, "sample counts"),
            (self.iterations.amounts.tokens.rejected, "token counts"),
        ] {
            if count > 0 {
                warnings.push(format!(
                    "{count} of the {what} that the log states were left out: the lines around them contradict them"
                ));
            }
        }
        if let Some(iteration) = self.iterations.guessed {
            warnings.push(format!(
                "one line alone tells of a training, at iteration {iteration}; of how many iterations is not known: it \
                 counts as one"
            ));
        }
        let (options, facts, iterations) = (&recorder.options, &recorder.facts, &self.iterations);
        let batch = iterations.global_batch_size.or(facts.global_batch_size);
        for (given, stated, source) in [
            (&options.global_batch_size, batch, format!("samples are {}", iterations.amounts.samples.source)),
            (&options.sequence_length, facts.sequence_length, "tokens use the former".to_owned()),
        ] {
            if let (Sourced { value: Some(value), source: Some(flag) }, Some(stated)) = (given, stated)
                && *value != stated
            {
                warnings.push(format!("{flag} is {value}, the log states {stated}: {source}"));
            }
        }
        if options.global_batch_size.value.is_some() && iterations.counts_batches {
            warnings.push(
                "iterations are batches here: if a step accumulates the gradients of several, \
                 --global-batch-size must be the size of one batch"
                    .to_owned(),
            );
        }
        if self.iterations.timing.is_bursty() {
            warnings.push(
                "the log's lines came in bursts (the output is buffered): iteration times are means over a \
                 burst; --stdio pty, or stdbuf -oL before the command, prevents bursts"
                    .to_owned(),
            );
        }
        if let (Some(earlier), Some(last)) =
            (self.iterations.sequence_length.earlier, self.iterations.sequence_length.last)
        {
            warnings.push(format!(
                "the sequence length changed from {earlier} to {last}: each sample counts with the length of its time"
            ));
        }
        let is_long = window.seconds > 5.0;
        let gap = |gpu: &GpuTrack| gpu.gap(&sums(&gpu.facts.key), window.seconds);
        let gaps: Vec<_> = self.gpus.iter().filter(|_| is_long).filter_map(|gpu| gap(gpu)).collect();
        if !gaps.is_empty() {
            warnings.push(format!("readings cover only a part of the time: {}", gaps.join("; ")));
        }
        if self.phases.coarsest > 3.0 * recorder.options.interval.max(1.0) {
            warnings.push(format!(
                "the log was silent so long that older GPU readings were thinned: the edges of phases are known within {:.0} s",
                self.phases.coarsest
            ));
        }
        if let Some(world) = recorder.facts.job_world_size().filter(|world| *world < self.gpus.len() as f64) {
            let measured = self.gpus.len();
            let plural = if world == 1.0 { "" } else { "s" };
            warnings.push(format!(
                "the log reports {world} GPU{plural}, {measured} were measured; select the job's with --gpus"
            ));
        }
        if self.model.parameters.source.as_deref() == Some("log, trainable parameters") {
            warnings.push(
                "the log names only the trainable parameters; if a base model is frozen, give --params"
                    .to_owned(),
            );
        }
        warnings
    }
}
