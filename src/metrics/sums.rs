//! The sums of a stretch of a run, from which every metric is computed.
//!
//! Sums add up, in any order and any grouping: those of two phases, and those of two sets of GPUs or two
//! nodes over the same time, whose seconds are the longer of both. The empty sums change nothing.

use std::collections::BTreeMap;
use std::ops::{Add, Sub};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::higher;

/// Sums that add up field by field.
macro_rules! add_fields {
    ($sums:ident { $($field:ident),+ }) => {
        impl Add for $sums {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self { $($field: self.$field + other.$field),+ }
            }
        }
    };
}

add_fields!(Area { integral, seconds });
add_fields!(Amount { total, timed, seconds });
add_fields!(GpuSums {
    memory_used_bytes,
    utilization_ratio,
    power_watts,
    temperature_celsius,
    sm_clock_mhz,
    energy_counter
});

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

    /// The same time in which none of it was used.
    #[must_use]
    pub fn unused(&self) -> Self {
        let area = |area: Area| Area { integral: 0.0, ..area };
        let gauge = |gauge: Gauge| Gauge { area: area(gauge.area), max: gauge.max.map(|_| 0.0) };
        Self {
            memory_used_bytes: gauge(self.memory_used_bytes),
            utilization_ratio: gauge(self.utilization_ratio),
            power_watts: gauge(self.power_watts),
            energy_counter: area(self.energy_counter),
            ..Self::default()
        }
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
    /// The part of it whose place in the run is uncertain: its lines came in a burst that held other time.
    #[serde(default)]
    pub unplaced_seconds: f64,
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
    pub fn then(mut self, other: &Self) -> Self {
        for (gpu, sums) in &other.gpus {
            let known = self.gpus.entry(gpu.clone()).or_default();
            *known = *known + *sums;
        }
        Self {
            seconds: self.seconds + other.seconds,
            unplaced_seconds: self.unplaced_seconds + other.unplaced_seconds,
            gpus: self.gpus,
            iterations: self.iterations + &other.iterations,
            tokens: self.tokens + other.tokens,
            samples: self.samples + other.samples,
            generated_tokens: self.generated_tokens + other.generated_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::registry::{Computed, METRICS};
    use crate::metrics::window::{GpuFacts, RunFacts, Sources, Window};
    use proptest::prelude::*;

    /// The sums of a stretch in which every GPU was read throughout.
    fn stretch(gpus: usize) -> impl Strategy<Value = Sums> {
        let gpu = (0.1f64..1e3, 0.0f64..1.0, 1f64..700.0);
        let gpus = prop::collection::vec(gpu, gpus);
        let iterations = prop::collection::vec((1u64..20, 0.01f64..2.0), 0..6);
        (0.5f64..100.0, gpus, iterations, 1f64..1e6).prop_map(|(seconds, gpus, iterations, tokens)| {
            let mut sums = Sums { seconds, ..Sums::default() };
            for (i, (bytes, ratio, watts)) in gpus.into_iter().enumerate() {
                let gauge = |mean: f64| Gauge {
                    area: Area { integral: mean * seconds, seconds },
                    max: Some(1.5 * mean),
                };
                let gpu = GpuSums {
                    memory_used_bytes: gauge(bytes),
                    utilization_ratio: gauge(ratio),
                    power_watts: gauge(watts),
                    energy_counter: Area { integral: watts * seconds, seconds },
                    ..GpuSums::default()
                };
                sums.gpus.insert(format!("GPU-{i}"), gpu);
            }
            for (count, each) in iterations {
                sums.iterations.count += count;
                sums.iterations.timed += count;
                sums.iterations.seconds += count as f64 * each;
                Arc::make_mut(&mut sums.iterations.times).add(count, each);
                for amount in [&mut sums.tokens, &mut sums.samples, &mut sums.generated_tokens] {
                    amount.record(tokens, Some(count as f64 * each));
                }
            }
            // The iterations are the stretch.
            sums.seconds = sums.seconds.max(sums.iterations.seconds);
            sums
        })
    }

    /// What one node saw beside another over the same time.
    fn beside(one: Sums, other: &Sums) -> Sums {
        Sums { seconds: one.seconds.max(other.seconds), ..one.then(other) }
    }

    fn run_facts(gpus: usize) -> RunFacts {
        let gpu = |i| GpuFacts { key: format!("GPU-{i}"), label: format!("GPU {i}"), ..GpuFacts::default() };
        RunFacts {
            gpus: (0..gpus).map(gpu).collect(),
            no_gpus: "none".to_owned(),
            parameters: Ok(7e9),
            job_gpus: None,
            iteration_seconds: 1.0,
            running_seconds: Some(2.0),
            no_iterations: "none".to_owned(),
            no_times: "none".to_owned(),
            no_tokens: "none".to_owned(),
            no_samples: "none".to_owned(),
            no_generated_tokens: "none".to_owned(),
            sources: Sources::default(),
        }
    }

    /// Every metric of both sums is the same, to rounding.
    fn assert_alike(a: &Sums, b: &Sums, gpus: usize) -> Result<(), TestCaseError> {
        let run = run_facts(gpus);
        let metrics = |sums| Computed::over(&Window { sums, run: &run });
        let (a, b) = (metrics(a), metrics(b));
        for metric in METRICS {
            let (a, b) = (a.metrics.get(metric), b.metrics.get(metric));
            let alike = a.zip(b).is_none_or(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(1e-9));
            prop_assert!(a.is_some() == b.is_some() && alike, "{}: {a:?}, {b:?}", metric.name);
        }
        Ok(())
    }

    proptest! {
        /// A run may be divided into phases in any way, and the phases added in any order and grouping.
        #[test]
        fn the_phases_of_a_run_add_up_to_it_in_any_order_and_grouping(
            phases in prop::collection::vec(stretch(3), 1..8),
            at in any::<prop::sample::Index>(),
        ) {
            let add = |phases: &[Sums]| phases.iter().fold(Sums::default(), Sums::then);
            let (head, tail) = phases.split_at(at.index(phases.len()));
            let backwards: Vec<Sums> = phases.iter().rev().cloned().collect();
            let whole = add(&phases);
            assert_alike(&whole, &add(head).then(&add(tail)), 3)?;
            assert_alike(&whole, &add(&backwards), 3)?;
            assert_alike(&whole, &Sums::default().then(&whole), 3)?;
        }

        /// GPUs may be divided among nodes in any way; one of the nodes has seen the log.
        #[test]
        fn the_nodes_of_a_job_add_up_to_it_in_any_division(whole in stretch(8), nodes in 1usize..8) {
            let log_only = Sums { gpus: BTreeMap::new(), ..whole.clone() };
            let node = |node: usize| Sums {
                seconds: whole.seconds,
                gpus: whole.gpus.iter().enumerate().filter(|(i, _)| i % nodes == node)
                    .map(|(_, (key, gpu))| (key.clone(), *gpu)).collect(),
                ..Sums::default()
            };
            let job = (0..nodes).map(node).fold(log_only, |job, node| beside(job, &node));
            assert_alike(&whole, &job, 8)?;
            let turned = (0..nodes).rev().map(node).fold(Sums::default(), |job, node| beside(job, &node));
            assert_alike(&whole, &beside(turned, &Sums { gpus: BTreeMap::new(), ..whole.clone() }), 8)?;
        }
    }

    #[test]
    fn power_times_the_time_of_a_token_is_its_energy() {
        let mut sums = Sums { seconds: 10.0, ..Sums::default() };
        let gauge = |watts: f64| Gauge { area: Area { integral: watts * 10.0, seconds: 10.0 }, max: None };
        for (key, watts) in [("GPU-0", 300.0), ("GPU-1", 500.0)] {
            sums.gpus.insert(key.to_owned(), GpuSums { power_watts: gauge(watts), ..GpuSums::default() });
        }
        (sums.iterations.count, sums.iterations.timed, sums.iterations.seconds) = (100, 100, 10.0);
        sums.tokens.record(50_000.0, Some(10.0));
        let run = run_facts(2);
        let metrics = Computed::over(&Window { sums: &sums, run: &run }).metrics;
        assert_eq!(metrics.joules_per_token, Some(800.0 / 5000.0));
        assert_eq!(metrics.joules_per_iteration, Some(80.0));
        assert_eq!((metrics.aec_watts, metrics.aec_total_watts), (Some(400.0), Some(800.0)));
    }
}
