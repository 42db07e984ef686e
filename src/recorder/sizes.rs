//! Sizes of the model, the batch and the job, as they are known at each record.

use crate::event::Stated;

/// What is known at the time of a record besides the record itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    pub global_batch_size: Option<f64>,
    pub sequence_length: Option<f64>,
    pub tokens_per_iteration: Option<f64>,
    pub world_size: Option<f64>,
    pub log_interval: Option<u64>,
    pub resume_iteration: Option<u64>,
    pub parameters: Option<Stated>,
    /// Seconds from the run's start to the record's arrival.
    pub elapsed: Option<f64>,
}

/// A size that the log states, over the records that it held for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SizeInUse {
    /// At the last record.
    pub last: Option<f64>,
    /// An earlier value that is another one.
    pub earlier: Option<f64>,
    half_unit: f64,
}

impl SizeInUse {
    /// Takes the size that holds for a record.
    pub fn note(&mut self, stated: Option<Stated>) {
        let Some(Stated { value, half_unit }) = stated else { return };
        let tolerance = self.half_unit + half_unit + 1e-9 * value.abs();
        if let Some(last) = self.last.filter(|last| (last - value).abs() > tolerance) {
            self.earlier = Some(last);
        }
        (self.last, self.half_unit) = (Some(value), half_unit);
    }
}
