//! The process tree over the run.

use crate::event::HostSample;
use crate::metrics::Gauge;
use crate::metrics::gpu_integral::LastReading;
use crate::report::{Host, MeanMax};

#[derive(Debug, Default)]
pub struct HostTrack {
    largest_gap: f64,
    resident: Gauge,
    joined: LastReading,
    last: Option<HostSample>,
    processes_max: Option<u32>,
}

impl HostTrack {
    pub fn new(largest_gap: f64) -> Self {
        Self { largest_gap, ..Self::default() }
    }

    pub fn push(&mut self, sample: HostSample) {
        // A tree without processes has ended: its zero would be averaged in.
        if sample.processes == 0 {
            return self.interrupt();
        }
        let bytes = Some(sample.resident_bytes as f64);
        let area = self.joined.next(sample.at, bytes, self.largest_gap);
        self.resident = self.resident + Gauge { area, max: bytes };
        self.last = Some(sample);
        self.processes_max = self.processes_max.max(Some(sample.processes));
    }

    pub fn interrupt(&mut self) {
        self.joined = LastReading::default();
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
