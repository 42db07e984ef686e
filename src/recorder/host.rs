//! The process tree over the run.

use crate::event::HostSample;
use crate::metrics::Integral;
use crate::report::{Host, MeanMax};

#[derive(Debug)]
pub struct HostTrack {
    resident: Integral,
    last: Option<HostSample>,
    processes_max: Option<u32>,
}

impl HostTrack {
    pub fn new(largest_gap: f64) -> Self {
        Self { resident: Integral::new(largest_gap), last: None, processes_max: None }
    }

    pub fn push(&mut self, sample: HostSample) {
        // A tree without processes has ended: its zero would be averaged in.
        let alive = sample.processes > 0;
        self.resident.push(sample.at, alive.then_some(sample.resident_bytes as f64));
        if alive {
            self.last = Some(sample);
            self.processes_max = self.processes_max.max(Some(sample.processes));
        }
    }

    pub fn interrupt(&mut self) {
        self.resident.interrupt();
    }

    pub fn report(&self, from: f64, to: f64) -> Host {
        let resident = MeanMax {
            mean: self.resident.between(from, to).mean(),
            max: self.resident.peak_between(from, to),
        };
        Host {
            resident_bytes: self.last.map(|_| resident),
            resident_bytes_now: self.last.map(|last| last.resident_bytes),
            processes_max: self.processes_max,
        }
    }

    /// CPU seconds of the living tree at the last sample.
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.last.map(|last| last.cpu_seconds)
    }
}
