//! Reads all quantities of one GPU, again and again.

use std::time::Instant;

use super::processes::ProcessReader;
use super::source::{Failure, Gpu};
use crate::event::{Clock, GpuQuantity, GpuSample};
use crate::process::Tree;

/// One GPU, and how the last reading of each quantity went.
pub struct Reader<'source> {
    index: u32,
    gpu: Box<dyn Gpu + 'source>,
    last: Vec<Option<Failure>>,
    processes: ProcessReader,
}

impl<'source> Reader<'source> {
    /// `tree`: the command's processes, to tell them on the GPU from others.
    pub fn new(index: u32, gpu: Box<dyn Gpu + 'source>, tree: Option<Tree>) -> Self {
        let last = vec![None; GpuQuantity::ALL.len()];
        Self { index, gpu, last, processes: ProcessReader::new(tree) }
    }

    /// Reads every quantity once. A reason is given when it is new, not with every sample.
    ///
    /// The sample's time is that of its energy counter, whose differences are divided by times, where there is one.
    pub fn sample(&mut self, clock: Clock) -> GpuSample {
        let begun = Instant::now();
        let mut sample = GpuSample { index: self.index, ..GpuSample::default() };
        let mut counter_read = None;
        for (quantity, last) in GpuQuantity::ALL.iter().zip(&mut self.last) {
            if last.as_ref().is_some_and(|failure| failure.is_permanent) {
                continue;
            }
            let called = Instant::now();
            match self.gpu.read(*quantity) {
                Ok(value) => {
                    if *quantity == GpuQuantity::Energy {
                        counter_read = Some(called + called.elapsed() / 2);
                    }
                    *sample.value_mut(*quantity) = Some(value);
                    *last = None;
                }
                Err(failure) if last.as_ref() == Some(&failure) => {}
                Err(failure) => {
                    sample.unavailable.push((quantity.name(), failure.reason.clone()));
                    *last = Some(failure);
                }
            }
        }
        sample.at = clock.at(counter_read.unwrap_or_else(|| begun + begun.elapsed() / 2));
        sample.processes = self.processes.read(self.gpu.as_ref());
        sample
    }
}
