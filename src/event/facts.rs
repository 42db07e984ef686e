//! Facts that a log states once: sizes of the model, the batch and the job.

use std::collections::BTreeMap;

/// A value that the log stated, and how finely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stated {
    pub value: f64,
    /// Half a unit in the last printed place: `0.49` billions is 490e6 ± 5e6. 0 for whole numbers.
    pub half_unit: f64,
}

/// All facts that a log stated so far; each is `None` until it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Parameters of the whole model.
    pub parameters: Option<Stated>,
    /// Trainable parameters; fewer than `parameters` where a base model is frozen.
    pub trainable_parameters: Option<Stated>,
    /// Parameters that are not trained.
    pub frozen_parameters: Option<Stated>,
    /// Parameters that each model-parallel rank said it holds, by the rank's printed name.
    pub parameters_by_rank: BTreeMap<String, f64>,
    /// Parameters of the rank that holds most.
    pub parameters_of_largest_rank: Option<Stated>,
    pub sequence_length: Option<f64>,
    pub global_batch_size: Option<f64>,
    pub micro_batch_size: Option<f64>,
    /// Tokens that one iteration takes over the whole job.
    pub tokens_per_iteration: Option<f64>,
    /// Processes of the whole job, one for each GPU.
    pub world_size: Option<f64>,
    pub nodes: Option<f64>,
    pub processes_per_node: Option<f64>,
    pub tensor_parallel_size: Option<f64>,
    pub pipeline_parallel_size: Option<f64>,
    pub total_iterations: Option<u64>,
    /// Iterations between two progress lines.
    pub log_interval: Option<u64>,
    /// The iteration that training resumed from.
    pub resume_iteration: Option<u64>,
}

impl Facts {
    /// Processes of the whole job: stated, or nodes × processes on each.
    pub fn job_world_size(&self) -> Option<f64> {
        self.world_size.or_else(|| Some(self.nodes.unwrap_or(1.0) * self.processes_per_node?))
    }

    /// [`model_parameters`](Self::model_parameters) with the precision that they are stated with.
    pub fn stated_parameters(&self) -> Option<Stated> {
        let (value, _) = self.model_parameters()?;
        let is_total = self.parameters.is_some_and(|total| total.value == value);
        let half_unit = self.parameters.filter(|_| is_total).map_or(0.0, |total| total.half_unit);
        Some(Stated { value, half_unit })
    }

    /// Parameters of the whole model as finely as the log allows, and where they come from.
    ///
    /// A total of two decimals is bettered by the ranks' own counts where these agree with it to
    /// the last printed place: then nothing large is held twice. Without a total, one rank's count
    /// is the model's only if the model is not split.
    pub fn model_parameters(&self) -> Option<(f64, &'static str)> {
        let of_ranks: f64 = self.parameters_by_rank.values().sum();
        if let Some(total) = self.parameters {
            let agrees = |value: f64| value > 0.0 && (value - total.value).abs() <= total.half_unit;
            if agrees(of_ranks) {
                return Some((of_ranks, "log, sum of the ranks' parameters"));
            }
            if let Some(largest) = self.parameters_of_largest_rank.filter(|largest| agrees(largest.value)) {
                return Some((largest.value, "log, parameters of the only rank"));
            }
            // One of two decimals says nothing of a small model.
            return Some((total.value, "log, total parameters")).filter(|(total, _)| *total > 0.0);
        }
        let unsplit = self.tensor_parallel_size == Some(1.0) && self.pipeline_parallel_size == Some(1.0);
        if unsplit && self.parameters_by_rank.len() == 1 {
            return Some((of_ranks, "log, parameters of the only rank"));
        }
        match (self.trainable_parameters, self.frozen_parameters) {
            (Some(trainable), Some(frozen)) => {
                Some((trainable.value + frozen.value, "log, trainable and frozen parameters"))
            }
            (Some(trainable), None) => Some((trainable.value, "log, trainable parameters")),
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn billions(value: f64) -> Option<Stated> {
        Some(Stated { value: value * 1e9, half_unit: 0.005e9 })
    }

    #[test]
    fn counts_of_the_ranks_better_a_rounded_total() {
        let mut facts = Facts { parameters: billions(0.49), ..Facts::default() };
        assert_eq!(facts.model_parameters(), Some((0.49e9, "log, total parameters")));
        facts.parameters_by_rank.insert("(0, 0)".into(), 494_032_768.0);
        assert_eq!(facts.model_parameters().map(|p| p.0), Some(494_032_768.0));
    }

    #[test]
    fn a_total_that_is_rounded_to_nothing_is_not_known() {
        let mut facts = Facts { parameters: billions(0.0), ..Facts::default() };
        assert_eq!(facts.model_parameters(), None);
        facts.parameters_by_rank.insert("(0, 0)".into(), 4_500_000.0);
        assert_eq!(facts.model_parameters().map(|p| p.0), Some(4_500_000.0));
    }

    #[test]
    fn counts_that_hold_a_large_part_twice_do_not() {
        let mut facts = Facts { parameters: billions(0.49), ..Facts::default() };
        facts.parameters_by_rank.insert("(0, 0)".into(), 315e6);
        facts.parameters_by_rank.insert("(0, 1)".into(), 315e6);
        assert_eq!(facts.model_parameters().map(|p| p.0), Some(0.49e9));
    }

    #[test]
    fn one_ranks_count_alone_is_no_models() {
        let mut facts = Facts::default();
        facts.parameters_by_rank.insert("0".into(), 805_560_320.0);
        assert_eq!(facts.model_parameters(), None);
        facts.tensor_parallel_size = Some(1.0);
        facts.pipeline_parallel_size = Some(1.0);
        assert_eq!(facts.model_parameters().map(|p| p.0), Some(805_560_320.0));
    }
}
