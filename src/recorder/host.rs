//! The process tree over the run.

use crate::event::HostSample;
use crate::metrics::{Area, Gauge, higher};
use crate::report::{Host, MeanMax};

#[derive(Debug)]
pub struct HostTrack {
    largest_gap: f64,
    resident: Gauge,
    /// The last sample, unless the time since it does not count.
    joined: Option<HostSample>,
    last: Option<HostSample>,
    processes_max: Option<u32>,
}

impl HostTrack {
    pub fn new(largest_gap: f64) -> Self {
        Self { largest_gap, resident: Gauge::default(), joined: None, last: None, processes_max: None }
    }

    pub fn push(&mut self, sample: HostSample) {
        // A tree without processes has ended: its zero would be averaged in.
        if sample.processes == 0 {
            return self.interrupt();
        }
        let bytes = sample.resident_bytes as f64;
        self.resident.max = higher(self.resident.max, Some(bytes));
        if let Some(before) = self.joined {
            let seconds = sample.at - before.at;
            if seconds > 0.0 && seconds <= self.largest_gap {
                let integral = seconds * (before.resident_bytes as f64 + bytes) / 2.0;
                self.resident.area = self.resident.area + Area { integral, seconds };
            }
        }
        (self.joined, self.last) = (Some(sample), Some(sample));
        self.processes_max = self.processes_max.max(Some(sample.processes));
    }

    pub fn interrupt(&mut self) {
        self.joined = None;
    }

    pub fn report(&self) -> Host {
        let resident = MeanMax { mean: self.resident.mean(), max: self.resident.max };
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
