//! Facts that a log states once: sizes of the model, the batch and the job.

use std::collections::BTreeMap;

use super::field::{Stated, fields};

fields! {
    /// All facts that a log stated so far; each is `None` until it is.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Facts, FACT_FIELDS;

    /// parameters of the whole model
    parameters: Option<Stated> = Count;
    /// parameters that are trained
    trainable_parameters: Option<Stated> = Count;
    /// parameters that are not trained
    frozen_parameters: Option<Stated> = Count;
    /// parameters that the model-parallel rank `rank` holds
    parameters_by_rank: BTreeMap<String, f64> = Count as parameters_of_rank {
        /// the name of that rank
        rank: Text;
    };
    /// parameters that the rank with most of them holds
    parameters_of_largest_rank: Option<Stated> = Count;
    /// tokens a sample
    sequence_length: Option<f64> = Size;
    /// samples an iteration, over the whole job
    global_batch_size: Option<f64> = Size;
    /// samples a device takes at a time
    micro_batch_size: Option<f64> = Size;
    /// tokens an iteration, over the whole job
    tokens_per_iteration: Option<f64> = Size;
    /// processes of the whole job, one a GPU
    world_size: Option<f64> = Size;
    /// nodes of the job
    nodes: Option<f64> = Size;
    /// processes on each node
    processes_per_node: Option<f64> = Size;
    /// tensor-parallel ranks
    tensor_parallel_size: Option<f64> = Size;
    /// pipeline-parallel ranks
    pipeline_parallel_size: Option<f64> = Size;
    /// expert-parallel ranks
    expert_parallel_size: Option<f64> = Size;
    /// the last iteration that the job will make
    total_iterations: Option<u64> = Ordinal;
    /// iterations between two progress lines
    log_interval: Option<u64> = Size;
    /// the iteration that training resumed from
    resume_iteration: Option<u64> = Ordinal;

    besides {}
}

impl Facts {
    /// Processes of the whole job: stated, or nodes × processes on each.
    pub fn job_world_size(&self) -> Option<f64> {
        self.world_size.or_else(|| Some(self.nodes.unwrap_or(1.0) * self.processes_per_node?))
    }

    /// [`model_parameters`](Self::model_parameters) with the precision that they are stated with.
    pub fn stated_parameters(&self) -> Option<Stated> {
        let (value, _) = self.model_parameters().ok()?;
        let is_total = self.parameters.is_some_and(|total| total.value == value);
        let half_unit = self.parameters.filter(|_| is_total).map_or(0.0, |total| total.half_unit);
        Some(Stated { value, half_unit })
    }

    /// Parameters of the whole model as finely as the log allows, and their source.
    ///
    /// The counts of the ranks are better than a total of two decimals if they agree with it to the last
    /// printed place: then no large part is counted twice.
    ///
    /// # Errors
    /// The reason why the number is not known.
    pub fn model_parameters(&self) -> Result<(f64, &'static str), &'static str> {
        if let Some(total) = self.parameters {
            let agrees = |value: f64| value > 0.0 && (value - total.value).abs() <= total.half_unit;
            let of_ranks = self.parameters_by_rank.values().sum();
            if agrees(of_ranks) {
                return Ok((of_ranks, "log, sum of the ranks' parameters"));
            }
            if let Some(largest) = self.parameters_of_largest_rank.filter(|largest| agrees(largest.value)) {
                return Ok((largest.value, "log, parameters of the only rank"));
            }
            // A total of a small model may be rounded to zero.
            if total.value > 0.0 {
                return Ok((total.value, "log, total parameters"));
            }
        }
        self.parameters_of_all_ranks().or_else(|reason| {
            match (self.trainable_parameters, self.frozen_parameters) {
                (Some(trainable), Some(frozen)) => {
                    Ok((trainable.value + frozen.value, "log, trainable and frozen parameters"))
                }
                (Some(trainable), None) => Ok((trainable.value, "log, trainable parameters")),
                (None, _) => Err(reason),
            }
        })
    }

    /// The sum of the counts of the model-parallel ranks, if each has stated one.
    fn parameters_of_all_ranks(&self) -> Result<(f64, &'static str), &'static str> {
        if self.parameters_by_rank.is_empty() {
            return Err("the log states no number of parameters");
        }
        let (Some(tensor), Some(pipeline)) = (self.tensor_parallel_size, self.pipeline_parallel_size) else {
            return Err("the log states parameters of single ranks, but not the model-parallel sizes");
        };
        // Tensor and pipeline rank; a single number is the rank in both.
        let is_rank = |name: &String| {
            let numbers = name.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
            let numbers: Vec<f64> = numbers.filter_map(|number| number.parse().ok()).collect();
            match numbers[..] {
                [rank] => rank < tensor * pipeline,
                [first, second, ref others @ ..] => {
                    first < tensor && second < pipeline && others.iter().all(|other| *other == 0.0)
                }
                [] => false,
            }
        };
        let ranks = self.parameters_by_rank.len() as f64;
        if ranks != tensor * pipeline || !self.parameters_by_rank.keys().all(is_rank) {
            return Err("the log states the parameters of some model-parallel ranks, but not of every one");
        }
        if self.expert_parallel_size.is_some_and(|size| size > 1.0) {
            return Err(
                "the log states the parameters of one expert-parallel rank, which lacks the others' experts",
            );
        }
        if pipeline > 1.0 {
            return Err("the first and the last pipeline rank may both count a shared embedding");
        }
        let source = if ranks == 1.0 {
            "log, parameters of the only rank"
        } else {
            "log, sum of the ranks' parameters"
        };
        Ok((self.parameters_by_rank.values().sum(), source))
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
        assert_eq!(facts.model_parameters(), Ok((0.49e9, "log, total parameters")));
        facts.parameters_by_rank.insert("(0, 0)".into(), 494_032_768.0);
        assert_eq!(facts.model_parameters().map(|p| p.0), Ok(494_032_768.0));
    }

    #[test]
    fn a_total_that_is_rounded_to_nothing_is_not_known() {
        let mut facts = Facts { parameters: billions(0.0), ..Facts::default() };
        assert!(facts.model_parameters().is_err());
        facts.parameters_by_rank.insert("(0, 0)".into(), 4_500_000.0);
        assert_eq!(facts.model_parameters().map(|p| p.0), Ok(4_500_000.0));
    }

    #[test]
    fn counts_that_hold_a_large_part_twice_do_not() {
        let mut facts = Facts { parameters: billions(0.49), ..Facts::default() };
        facts.parameters_by_rank.insert("(0, 0)".into(), 315e6);
        facts.parameters_by_rank.insert("(0, 1)".into(), 315e6);
        assert_eq!(facts.model_parameters().map(|p| p.0), Ok(0.49e9));
    }

    /// The model's parameters by the counts of these ranks and the tensor- and pipeline-parallel sizes.
    fn by_ranks(ranks: &[&str], sizes: Option<(f64, f64)>) -> Result<f64, &'static str> {
        let mut facts = Facts::default();
        facts.parameters_by_rank.extend(ranks.iter().map(|rank| ((*rank).to_owned(), 1e9)));
        (facts.tensor_parallel_size, facts.pipeline_parallel_size) = sizes.unzip();
        facts.model_parameters().map(|parameters| parameters.0)
    }

    #[test]
    fn counts_of_all_ranks_are_the_models() {
        assert_eq!(by_ranks(&["(0, 0)"], Some((1.0, 1.0))), Ok(1e9));
        assert_eq!(by_ranks(&["0"], Some((1.0, 1.0))), Ok(1e9));
        assert_eq!(by_ranks(&["(0, 0)", "(1, 0)"], Some((2.0, 1.0))), Ok(2e9));
        assert_eq!(by_ranks(&["(0 ,0)", "(1 ,0)"], Some((2.0, 1.0))), Ok(2e9));
        assert_eq!(by_ranks(&["(0, 0, 0)", "(1, 0, 0)"], Some((2.0, 1.0))), Ok(2e9));
    }

    #[test]
    fn counts_of_some_ranks_or_of_shared_embeddings_are_not() {
        for (ranks, sizes, reason) in [
            (&["0"][..], None, "sizes"),
            (&["(0, 0)"], Some((2.0, 1.0)), "not of every"),
            (&["(0, 0)", "(2, 0)"], Some((2.0, 1.0)), "not of every"),
            (&["(0, 0, 0)", "(0, 0, 1)"], Some((2.0, 1.0)), "not of every"),
            (&["(0, 0)", "(0, 1)"], Some((1.0, 2.0)), "embedding"),
            (&[], Some((1.0, 1.0)), "no number of parameters"),
        ] {
            let found = by_ranks(ranks, sizes);
            assert!(found.is_err_and(|why| why.contains(reason)), "{ranks:?}: {found:?}");
        }
        let mut facts = Facts { expert_parallel_size: Some(8.0), ..Facts::default() };
        facts.parameters_by_rank.insert("(0, 0)".into(), 1e9);
        (facts.tensor_parallel_size, facts.pipeline_parallel_size) = (Some(1.0), Some(1.0));
        assert!(facts.model_parameters().is_err_and(|why| why.contains("experts")));
    }
}
