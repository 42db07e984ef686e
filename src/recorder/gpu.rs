//! One GPU over the run.

use crate::event::{GpuIdentity, GpuSample};
use crate::metrics::gpu_integral::GpuIntegral;
use crate::metrics::window::GpuFacts;
use crate::metrics::{Gauge, GpuSums, higher};
use crate::report::{EnergySource, Gpu, GpuNow, GpuSeries, MeanMax};

use super::downsample::{Downsampled, Merge};
use super::tenants::{Tenants, selected_because};

/// The readings of one GPU.
#[derive(Debug)]
pub struct GpuTrack {
    pub identity: GpuIdentity,
    /// What the metrics need to know of it besides its sums.
    pub facts: GpuFacts,
    pub integral: GpuIntegral,
    pub tenants: Tenants,
    now: GpuNow,
    history: Downsampled<Point>,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    at: f64,
    memory: Option<f64>,
    utilization: Option<f64>,
    power: Option<f64>,
}

impl Merge for Point {
    fn merge(&mut self, later: Self) {
        self.memory = higher(self.memory, later.memory);
        self.utilization = higher(self.utilization, later.utilization);
        self.power = higher(self.power, later.power);
    }
}

impl GpuTrack {
    /// `key` names the GPU in sums.
    pub fn new(identity: GpuIdentity, key: String, largest_gap: f64, history_size: usize) -> Self {
        let unavailable =
            identity.unavailable.iter().map(|(what, why)| ((*what).to_owned(), why.clone())).collect();
        let facts = GpuFacts {
            key,
            label: format!("GPU {}", identity.index),
            source: identity.source.to_owned(),
            samples: 0,
            reserved_is_used: identity.reserved_is_used,
            unavailable,
        };
        Self {
            identity,
            facts,
            integral: GpuIntegral::new(largest_gap),
            tenants: Tenants::default(),
            now: GpuNow::default(),
            history: Downsampled::new(history_size),
        }
    }

    pub fn push(&mut self, sample: GpuSample) {
        let at = sample.at;
        let reading = [
            sample.memory_used_bytes,
            sample.utilization_ratio,
            sample.power_watts,
            sample.temperature_celsius,
            sample.sm_clock_mhz,
        ];
        self.integral.push(at, reading, sample.energy_joules);
        self.now = GpuNow {
            memory_used_bytes: sample.memory_used_bytes,
            utilization_ratio: sample.utilization_ratio,
            power_watts: sample.power_watts,
            temperature_celsius: sample.temperature_celsius,
            sm_clock_mhz: sample.sm_clock_mhz,
        };
        let [memory, utilization, power, ..] = reading;
        let is_known = [memory, utilization, power, sample.energy_joules].iter().any(Option::is_some);
        self.facts.samples += u64::from(is_known);
        for (what, why) in sample.unavailable {
            self.facts.unavailable.insert(what.to_owned(), why);
        }
        self.history.push(Point { at, memory, utilization, power });
    }

    /// Where readings cover noticeably less than all of some seconds, how much they do, and why if that
    /// is known: `GPU 1 34 %`, `GPU 2 power 14 % – NVML: …`. A quantity that was not read at all is null,
    /// with its reason.
    pub fn gap(&self, sums: &GpuSums, seconds: f64) -> Option<String> {
        const NOTICEABLE: f64 = 0.95;
        let quantities = [
            (" memory", "memory_used_bytes", sums.memory_used_bytes),
            (" utilization", "utilization_ratio", sums.utilization_ratio),
            (" power", "power_watts", sums.power_watts),
        ];
        let why = |name: &str| self.facts.unavailable.get(name).map(String::as_str);
        let whole = sums.covered_seconds() / seconds;
        let (label, why, share) = if whole < NOTICEABLE {
            ("", quantities.iter().find_map(|(_, name, _)| why(name)), whole)
        } else {
            let shares = quantities.map(|(label, name, gauge)| (label, name, gauge.area.seconds / seconds));
            let is_gap = |(.., share): &(_, _, f64)| (f64::MIN_POSITIVE..NOTICEABLE).contains(share);
            let (label, name, share) = shares.into_iter().find(is_gap)?;
            (label, why(name), share)
        };
        let why = why.map(|why| format!(" – {why}")).unwrap_or_default();
        Some(format!("{}{label} {:.0} %{why}", self.facts.label, 100.0 * share))
    }

    /// What the reader should know of this GPU's energy over some time.
    pub fn warnings(&self, sums: &GpuSums, seconds: f64) -> Vec<String> {
        let label = &self.facts.label;
        let mut warnings: Vec<String> = Vec::new();
        for again in &self.identity.listed_again {
            warnings.push(format!("{label} is listed again as GPU {again}; it is counted once"));
        }
        let steps = self.integral.counter.implausible_steps;
        if steps > 0 {
            warnings.push(format!(
                "{label}: the energy counter fell or jumped {steps} times; sampled power replaces it there"
            ));
        }
        if let (Some(counted), Some(sampled)) = (sums.energy_counter.mean(), sums.power_watts.mean())
            && seconds >= 10.0
            && (counted - sampled).abs() > 0.1 * counted.max(sampled)
        {
            warnings.push(format!(
                "{label}: the energy counter gives {counted:.0} W, sampled power {sampled:.0} W; the counter is used"
            ));
        }
        warnings
    }

    /// The GPU over some time. `is_attributable`: whether its processes can be told from those of others.
    pub fn report(&self, sums: &GpuSums, seconds: f64, is_attributable: bool) -> Gpu {
        let tenants = is_attributable.then(|| self.tenants.report());
        let mean_max = |gauge: Gauge| MeanMax { mean: gauge.mean(), max: gauge.max };
        let energy = sums.energy();
        let source = if sums.is_by_counter() { EnergySource::Counter } else { EnergySource::Power };
        Gpu {
            index: self.identity.index,
            uuid: self.identity.uuid.clone(),
            name: self.identity.name.clone(),
            memory_total_bytes: self.identity.memory_total_bytes,
            power_limit_watts: self.identity.power_limit_watts,
            selected_because: selected_because(self),
            job_processes: tenants.map(|[command, _]| command),
            other_processes: tenants.map(|[_, others]| others),
            energy_source: (energy.seconds > 0.0).then_some(source),
            samples: self.facts.samples,
            coverage_ratio: (seconds > 0.0).then(|| (sums.covered_seconds() / seconds).min(1.0)),
            memory_used_bytes: mean_max(sums.memory_used_bytes),
            utilization_ratio: mean_max(sums.utilization_ratio),
            power_watts: mean_max(sums.power_watts),
            temperature_celsius: mean_max(sums.temperature_celsius),
            sm_clock_mhz: mean_max(sums.sm_clock_mhz),
            energy_joules: (energy.seconds > 0.0).then_some(energy.integral),
            now: self.now,
            unavailable: self.facts.unavailable.clone(),
        }
    }

    /// The kept readings, in seconds since `origin`.
    pub fn series(&self, origin: f64) -> GpuSeries {
        let points = || self.history.points();
        GpuSeries {
            index: self.identity.index,
            seconds: points().map(|point| point.at - origin).collect(),
            memory_used_bytes: points().map(|point| point.memory).collect(),
            utilization_ratio: points().map(|point| point.utilization).collect(),
            power_watts: points().map(|point| point.power).collect(),
        }
    }
}
