//! One GPU over the run.

use std::collections::BTreeMap;

use crate::event::{GpuIdentity, GpuSample};
use crate::metrics::{Area, EnergyCounter, Integral};
use crate::report::{EnergySource, Gpu, GpuNow, GpuSeries, MeanMax};

use super::downsample::{Downsampled, Merge};

/// The share of a time that readings must cover for their energy to be that of all of it.
const LEAST_COVERAGE: f64 = 0.95;

/// The integrals of one GPU's readings.
#[derive(Debug)]
pub struct GpuTrack {
    identity: GpuIdentity,
    pub memory: Integral,
    pub utilization: Integral,
    pub power: Integral,
    temperature: Integral,
    clock: Integral,
    counter: EnergyCounter,
    samples: u64,
    now: GpuNow,
    unavailable: BTreeMap<String, String>,
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
        self.memory = self.memory.max_of(later.memory);
        self.utilization = self.utilization.max_of(later.utilization);
        self.power = self.power.max_of(later.power);
    }
}

trait MaxOf {
    fn max_of(self, other: Self) -> Self;
}

impl MaxOf for Option<f64> {
    fn max_of(self, other: Self) -> Self {
        [self, other].into_iter().flatten().reduce(f64::max)
    }
}

impl GpuTrack {
    pub fn new(identity: GpuIdentity, largest_gap: f64, history_size: usize) -> Self {
        let integral = || Integral::new(largest_gap);
        let unavailable =
            identity.unavailable.iter().map(|(what, why)| ((*what).to_owned(), why.clone())).collect();
        Self {
            identity,
            memory: integral(),
            utilization: integral(),
            power: integral(),
            temperature: integral(),
            clock: integral(),
            counter: EnergyCounter::default(),
            samples: 0,
            now: GpuNow::default(),
            unavailable,
            history: Downsampled::new(history_size),
        }
    }

    pub fn index(&self) -> u32 {
        self.identity.index
    }

    pub fn push(&mut self, sample: GpuSample) {
        let at = sample.at;
        let power_before = self.power.total();
        self.memory.push(at, sample.memory_used_bytes);
        self.utilization.push(at, sample.utilization_ratio);
        self.power.push(at, sample.power_watts);
        self.temperature.push(at, sample.temperature_celsius);
        self.clock.push(at, sample.sm_clock_mhz);
        self.counter.push(at, sample.energy_joules, self.power.total() - power_before);
        self.now = GpuNow {
            memory_used_bytes: sample.memory_used_bytes,
            utilization_ratio: sample.utilization_ratio,
            power_watts: sample.power_watts,
            temperature_celsius: sample.temperature_celsius,
            sm_clock_mhz: sample.sm_clock_mhz,
        };
        let known =
            [sample.memory_used_bytes, sample.utilization_ratio, sample.power_watts, sample.energy_joules];
        self.samples += u64::from(known.iter().any(Option::is_some));
        for (what, why) in sample.unavailable {
            self.unavailable.insert(what.to_owned(), why);
        }
        self.history.push(Point {
            at,
            memory: sample.memory_used_bytes,
            utilization: sample.utilization_ratio,
            power: sample.power_watts,
        });
    }

    /// What lies between the last reading and the next counts in no average.
    pub fn interrupt(&mut self) {
        for integral in
            [&mut self.memory, &mut self.utilization, &mut self.power, &mut self.temperature, &mut self.clock]
        {
            integral.interrupt();
        }
        self.counter.interrupt();
    }

    /// Whether its used memory has in it what the driver keeps for itself.
    pub fn reserved_is_used(&self) -> bool {
        self.identity.reserved_is_used
    }

    /// Readings that brought at least one quantity.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Why a quantity is not known.
    pub fn why_unavailable(&self, quantity: &str) -> Option<&str> {
        self.unavailable.get(quantity).map(String::as_str)
    }

    /// Joules between two moments and the seconds that they span: by the counter where there is
    /// one, else by power.
    pub fn energy(&self, from: f64, to: f64) -> Area {
        match self.energy_source() {
            Some(EnergySource::Counter) => self.counter.between(from, to),
            _ => self.power.between(from, to),
        }
    }

    /// Joules between two moments; an error with the share of the time that is known, where that is too
    /// little for their energy to be that of all of it.
    pub fn whole_energy(&self, from: f64, to: f64) -> Result<f64, f64> {
        let energy = self.energy(from, to);
        let share = energy.seconds / (to - from);
        if share >= LEAST_COVERAGE { Ok(energy.area) } else { Err(share) }
    }

    pub fn energy_source(&self) -> Option<EnergySource> {
        if self.counter.is_known() {
            Some(EnergySource::Counter)
        } else {
            (self.power.total().seconds > 0.0).then_some(EnergySource::Power)
        }
    }

    /// The share of the time between two moments that readings cover.
    pub fn coverage(&self, from: f64, to: f64) -> Option<f64> {
        let covered =
            [&self.memory, &self.utilization, &self.power].map(|integral| integral.between(from, to).seconds);
        let most = covered.into_iter().fold(0.0, f64::max);
        (to > from).then(|| (most / (to - from)).min(1.0))
    }

    /// Where readings cover noticeably less than all of the time between two moments, how much they do,
    /// and why if that is known: `GPU 1 34 %`, `GPU 2 power 14 % – NVML: …`. A quantity that was not read at
    /// all is null, with its reason.
    pub fn gap(&self, from: f64, to: f64) -> Option<String> {
        const NOTICEABLE: f64 = 0.95;
        let quantities = [
            (" memory", "memory_used_bytes", &self.memory),
            (" utilisation", "utilization_ratio", &self.utilization),
            (" power", "power_watts", &self.power),
        ];
        let whole = self.coverage(from, to)?;
        let (label, why, share) = if whole < NOTICEABLE {
            ("", quantities.iter().find_map(|(_, name, _)| self.why_unavailable(name)), whole)
        } else {
            let share = |integral: &Integral| integral.between(from, to).seconds / (to - from);
            let shares = quantities.map(|(label, name, integral)| (label, name, share(integral)));
            let is_gap = |(.., share): &(_, _, f64)| (f64::MIN_POSITIVE..NOTICEABLE).contains(share);
            let (label, name, share) = shares.into_iter().find(is_gap)?;
            (label, self.why_unavailable(name), share)
        };
        let why = why.map(|why| format!(" – {why}")).unwrap_or_default();
        Some(format!("GPU {}{label} {:.0} %{why}", self.index(), 100.0 * share))
    }

    /// What the reader should know of this GPU's energy.
    pub fn warnings(&self, from: f64, to: f64) -> Vec<String> {
        let index = self.index();
        let mut warnings: Vec<String> = Vec::new();
        for again in &self.identity.listed_again {
            warnings.push(format!("GPU {index}: NVML lists it again as GPU {again}; it is counted once"));
        }
        let steps = self.counter.implausible_steps();
        if steps > 0 {
            warnings.push(format!(
                "GPU {index}: the energy counter fell or jumped {steps} times; power stands in for it there"
            ));
        }
        let (counted, sampled) = (self.counter.between(from, to), self.power.between(from, to));
        if let (Some(counted), Some(sampled)) = (counted.mean(), sampled.mean())
            && to - from >= 10.0
            && (counted - sampled).abs() > 0.1 * counted.max(sampled)
        {
            warnings.push(format!(
                "GPU {index}: the energy counter says {counted:.0} W, sampled power {sampled:.0} W; the counter is used"
            ));
        }
        warnings
    }

    pub fn report(&self, from: f64, to: f64) -> Gpu {
        let mean_max = |integral: &Integral| MeanMax {
            mean: integral.between(from, to).mean(),
            max: integral.peak_between(from, to),
        };
        let energy = self.energy(from, to);
        Gpu {
            index: self.index(),
            uuid: self.identity.uuid.clone(),
            name: self.identity.name.clone(),
            memory_total_bytes: self.identity.memory_total_bytes,
            power_limit_watts: self.identity.power_limit_watts,
            selected_because: self.identity.selected_because.clone(),
            energy_source: self.energy_source(),
            samples: self.samples,
            coverage_ratio: self.coverage(from, to),
            memory_used_bytes: mean_max(&self.memory),
            utilization_ratio: mean_max(&self.utilization),
            power_watts: mean_max(&self.power),
            temperature_celsius: mean_max(&self.temperature),
            sm_clock_mhz: mean_max(&self.clock),
            energy_joules: (energy.seconds > 0.0).then_some(energy.area),
            now: self.now,
            unavailable: self.unavailable.clone(),
        }
    }

    /// The kept readings, in seconds since `origin`.
    pub fn series(&self, origin: f64) -> GpuSeries {
        let points = || self.history.points();
        GpuSeries {
            index: self.index(),
            seconds: points().map(|point| point.at - origin).collect(),
            memory_used_bytes: points().map(|point| point.memory).collect(),
            utilization_ratio: points().map(|point| point.utilization).collect(),
            power_watts: points().map(|point| point.power).collect(),
        }
    }
}
