//! The sums of a stretch of a run, from which every metric is computed.
//!
//! Sums add up, in any order and any grouping: those of two phases ([`Sums::then`]) and those of two
//! sets of GPUs or two nodes over the same time ([`Sums::beside`]). The empty sums change nothing.

use std::collections::BTreeMap;
use std::ops::{Add, AddAssign, Sub};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::Distribution;

/// An integral over the time that was measured, and how long that time is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Area {
    /// The quantity times seconds.
    pub integral: f64,
    /// The measured time, in seconds.
    pub seconds: f64,
}

impl Area {
    /// The time average; `None` where no time was measured.
    pub fn mean(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.integral / self.seconds)
    }
}

impl Add for Area {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { integral: self.integral + other.integral, seconds: self.seconds + other.seconds }
    }
}

impl Sub for Area {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self { integral: self.integral - earlier.integral, seconds: self.seconds - earlier.seconds }
    }
}

/// The integral of a sampled quantity and its highest reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gauge {
    #[serde(flatten)]
    pub area: Area,
    /// Null where no reading lies in the stretch.
    pub max: Option<f64>,
}

impl Gauge {
    pub fn mean(&self) -> Option<f64> {
        self.area.mean()
    }
}

impl Add for Gauge {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { area: self.area + other.area, max: higher(self.max, other.max) }
    }
}

/// The higher of two readings; the known one where the other is not.
pub fn higher(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}

/// One GPU's sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuSums {
    pub memory_used_bytes: Gauge,
    /// 0 to 1.
    pub utilization_ratio: Gauge,
    /// Sampled power: the integral is in joules.
    pub power_watts: Gauge,
    pub temperature_celsius: Gauge,
    pub sm_clock_mhz: Gauge,
    /// Joules by the energy counter, and the seconds that its readings span.
    pub energy_counter: Area,
}

impl GpuSums {
    /// Joules and the seconds that they span: by the energy counter, unless sampled power covers
    /// noticeably more of the time.
    pub fn energy(&self) -> Area {
        if self.is_by_counter() { self.energy_counter } else { self.power_watts.area }
    }

    /// Whether [`energy`](Self::energy) is the counter's.
    pub fn is_by_counter(&self) -> bool {
        self.energy_counter.seconds > 0.9 * self.power_watts.area.seconds
    }

    /// The seconds that readings of any quantity cover.
    pub fn covered_seconds(&self) -> f64 {
        [self.memory_used_bytes, self.utilization_ratio, self.power_watts]
            .into_iter()
            .map(|gauge| gauge.area.seconds)
            .fold(0.0, f64::max)
    }
}

impl Add for GpuSums {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            memory_used_bytes: self.memory_used_bytes + other.memory_used_bytes,
            utilization_ratio: self.utilization_ratio + other.utilization_ratio,
            power_watts: self.power_watts + other.power_watts,
            temperature_celsius: self.temperature_celsius + other.temperature_celsius,
            sm_clock_mhz: self.sm_clock_mhz + other.sm_clock_mhz,
            energy_counter: self.energy_counter + other.energy_counter,
        }
    }
}

impl AddAssign for GpuSums {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Tokens or samples, and the part of them whose time is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Amount {
    /// All of them.
    pub total: f64,
    /// Those that came about in `seconds`.
    pub timed: f64,
    /// Iteration time, in seconds.
    pub seconds: f64,
}

impl Amount {
    /// Adds an amount and the time in which it came about, if that is known.
    pub fn record(&mut self, amount: f64, seconds: Option<f64>) {
        self.total += amount;
        if let Some(seconds) = seconds {
            self.timed += amount;
            self.seconds += seconds;
        }
    }

    /// Amount per second; `None` where no time is known.
    pub fn per_second(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.timed / self.seconds)
    }

    /// Whether any was counted, be it zero.
    pub fn is_known(self) -> bool {
        self.total > 0.0 || self.seconds > 0.0
    }
}

impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            timed: self.timed + other.timed,
            seconds: self.seconds + other.seconds,
        }
    }
}

/// Iterations and their times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IterationSums {
    /// Iterations, timed or not.
    pub count: u64,
    /// Those whose time is known.
    pub timed: u64,
    /// The sum of the known times.
    pub seconds: f64,
    /// How far `seconds` may be off, because clocks are coarse: seconds, and numbers of iterations.
    pub error_seconds: f64,
    pub error_iterations: u64,
    /// Timed iterations of which only the sum of several iterations' times was measured.
    pub pooled: u64,
    /// How the known times are distributed.
    #[serde(skip)]
    pub times: Arc<Distribution>,
}

impl IterationSums {
    /// Sum of the known times over their number, in seconds.
    pub fn mean(&self) -> Option<f64> {
        (self.timed > 0).then(|| self.seconds / self.timed as f64)
    }

    /// How far [`mean`](Self::mean) may be off, as a share of it.
    pub fn relative_error(&self) -> f64 {
        let of_iterations = self.error_iterations as f64 * self.mean().unwrap_or(0.0);
        let error = self.error_seconds + of_iterations;
        match self.seconds {
            seconds if seconds > 0.0 => error / seconds,
            _ if self.timed > 0 => f64::INFINITY, // no clock has moved yet
            _ => 0.0,
        }
    }
}

impl Add<&Self> for IterationSums {
    type Output = Self;
    fn add(mut self, other: &Self) -> Self {
        if other.times.count > 0 {
            Arc::make_mut(&mut self.times).merge(&other.times);
        }
        Self {
            count: self.count + other.count,
            timed: self.timed + other.timed,
            seconds: self.seconds + other.seconds,
            error_seconds: self.error_seconds + other.error_seconds,
            error_iterations: self.error_iterations + other.error_iterations,
            pooled: self.pooled + other.pooled,
            times: self.times,
        }
    }
}

/// Everything that is summed over a stretch of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sums {
    /// The stretch's length, in seconds.
    pub seconds: f64,
    /// By UUID; by index where a GPU does not tell it.
    pub gpus: BTreeMap<String, GpuSums>,
    pub iterations: IterationSums,
    pub tokens: Amount,
    pub samples: Amount,
    pub generated_tokens: Amount,
}

impl Sums {
    /// The sums of this stretch and of another one of the same run.
    #[must_use]
    pub fn then(self, other: &Self) -> Self {
        let seconds = self.seconds + other.seconds;
        self.joined(other, seconds)
    }

    /// The sums of these GPUs and iterations and of others over the same time: what one node saw
    /// beside another.
    #[must_use]
    pub fn beside(self, other: &Self) -> Self {
        let seconds = self.seconds.max(other.seconds);
        self.joined(other, seconds)
    }

    fn joined(mut self, other: &Self, seconds: f64) -> Self {
        for (gpu, sums) in &other.gpus {
            *self.gpus.entry(gpu.clone()).or_default() += *sums;
        }
        Self {
            seconds,
            gpus: self.gpus,
            iterations: self.iterations + &other.iterations,
            tokens: self.tokens + other.tokens,
            samples: self.samples + other.samples,
            generated_tokens: self.generated_tokens + other.generated_tokens,
        }
    }
}
