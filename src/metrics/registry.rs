//! The registry of metrics: each is one declaration, which every output, gate, comparison and
//! document reads.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::window::{Basis, Known, Window};

/// What is known of a metric besides its value.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name in `metrics` of the report.
    pub name: &'static str,
    /// The EfficientLLM abbreviation, in lower case.
    pub short: Option<&'static str>,
    pub better: Better,
    /// Its unit, as people write it; empty for a ratio.
    pub unit: &'static str,
    /// What it means, in one line.
    pub definition: &'static str,
    /// The quantities that it is made from.
    pub basis: &'static [Basis],
    /// Its value over some phases.
    pub compute: fn(&Window<'_>) -> Known<f64>,
}

/// Which change of a metric is an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    Lower,
    Higher,
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Metric {
    /// Its value over some phases, or why it is unknown.
    pub fn value(&self, window: &Window<'_>) -> Known<f64> {
        let value = (self.compute)(window)?;
        if value.is_finite() { Ok(value) } else { Err("the division has no finite result".to_owned()) }
    }

    /// The metric of this name or abbreviation, in whatever case it is written.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.names().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Its abbreviation, if it has one, and its name.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.short.into_iter().chain([self.name])
    }
}

macro_rules! abbreviation {
    () => {
        None
    };
    ($short:ident) => {
        Some(stringify!($short))
    };
}

macro_rules! metrics {
    ($($name:ident $(= $short:ident)?, $better:ident, $unit:literal, $definition:literal,
       [$($basis:ident),+], $compute:expr;)+) => {
        /// Every metric over some phases of a run; null where it is unknown.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct Metrics {
            $(#[doc = $definition] #[serde(default)] pub $name: Option<f64>,)+
        }

        /// Every metric, in the order of the report.
        pub const METRICS: &[Metric] = &[
            $(Metric {
                name: stringify!($name),
                short: abbreviation!($($short)?),
                better: Better::$better,
                unit: $unit,
                definition: $definition,
                basis: &[$(Basis::$basis),+],
                compute: $compute,
            },)+
        ];

        impl Metrics {
            /// The metrics with their values, in the order of [`METRICS`].
            pub fn each(&self) -> impl Iterator<Item = (&'static Metric, Option<f64>)> {
                METRICS.iter().zip([$(self.$name,)+])
            }

            /// The value of one metric.
            pub fn get(&self, metric: &Metric) -> Option<f64> {
                self.each().find(|(known, _)| known.name == metric.name).and_then(|(_, value)| value)
            }

            /// As [`Metrics::each`], to be changed in place.
            pub fn each_mut(&mut self) -> impl Iterator<Item = (&'static Metric, &mut Option<f64>)> {
                METRICS.iter().zip([$(&mut self.$name,)+])
            }
        }
    };
}

metrics! {
    amu_gb = amu, Lower, "GB",
        "Average Memory Utilization: mean over the GPUs of the time average of memory used, in 10^9 bytes.",
        [GpuMemory], |w| Ok(w.gpu_mean("memory_used_bytes", |gpu| gpu.memory_used_bytes)? / 1e9);
    amu_gib, Lower, "GiB", "Average Memory Utilization in 2^30 bytes.",
        [GpuMemory], |w| Ok(w.gpu_mean("memory_used_bytes", |gpu| gpu.memory_used_bytes)? / f64::from(1 << 30));
    pcu_ratio = pcu, Higher, "",
        "Peak Compute Utilization: mean over the GPUs of the time average of utilization, 0 to 1.",
        [GpuUtilization], |w| w.gpu_mean("utilization_ratio", |gpu| gpu.utilization_ratio);
    al_seconds = al, Lower, "s", "Average Latency: sum of iteration times over their number.",
        [IterationTime], |w| w.iteration_time();
    al_p50_seconds, Lower, "s", "Median iteration time.",
        [IterationTime], |w| w.iteration_time_quantile(0.5);
    al_p95_seconds, Lower, "s", "95th percentile of the iteration times.",
        [IterationTime], |w| w.iteration_time_quantile(0.95);
    al_p99_seconds, Lower, "s", "99th percentile of the iteration times.",
        [IterationTime], |w| w.iteration_time_quantile(0.99);
    tt_tokens_per_param_per_sec = tt, Higher, "tokens/param/s",
        "Token Throughput: tokens for each parameter over the sum of iteration times.",
        [Tokens, Parameters], |w| w.per_parameter(w.rate(w.tokens()));
    st_samples_per_param_per_sec = st, Higher, "samples/param/s",
        "Sample Throughput: samples for each parameter over the sum of iteration times.",
        [Samples, Parameters], |w| w.per_parameter(w.rate(w.samples()));
    it_tokens_per_sec = it, Higher, "tokens/s", "Inference Throughput: generated tokens over their time.",
        [GeneratedTokens],
        |w| w.generated()?.per_second().ok_or_else(|| w.run.no_generated_tokens.clone());
    aec_watts = aec, Lower, "W",
        "Average Energy Consumption: mean over the GPUs of the time average of power.",
        [GpuEnergy], |w| w.watts().map(|watts| watts.iter().sum::<f64>() / watts.len() as f64);
    aec_total_watts, Lower, "W", "Sum over the GPUs of the time average of power.",
        [GpuEnergy], |w| w.total_watts();
    energy_joules, Lower, "J", "Energy of the measured GPUs; null where the log reports more GPUs.",
        [GpuEnergy], |w| w.joules();
    joules_per_token, Lower, "J/token",
        "Energy of the iterations over their tokens.",
        [GpuEnergy, Tokens], |w| w.joules_per(w.tokens());
    joules_per_iteration, Lower, "J/iteration", "Energy of the iterations over their number.",
        [GpuEnergy, Iterations], |w| w.joules_per_iteration();
    tokens_per_joule, Higher, "tokens/J", "Tokens over the energy of their iterations.",
        [GpuEnergy, Tokens], |w| Ok(1.0 / w.joules_per(w.tokens())?);
    joules_per_generated_token, Lower, "J/token",
        "Energy over generated tokens, in the time in which they were generated.",
        [GpuEnergy, GeneratedTokens], |w| w.joules_per_generated_token();
    generated_tokens_per_joule, Higher, "tokens/J",
        "Generated tokens over energy, in the time in which they were generated.",
        [GpuEnergy, GeneratedTokens], |w| Ok(1.0 / w.joules_per_generated_token()?);
    tokens_per_sec, Higher, "tokens/s", "Tokens of the whole job over the sum of iteration times.",
        [Tokens], |w| w.rate(w.tokens());
    samples_per_sec, Higher, "samples/s", "Samples of the whole job over the sum of iteration times.",
        [Samples], |w| w.rate(w.samples());
    mfu_ratio = mfu, Higher, "", "Model FLOPs Utilization, 0 to 1.", [Unmeasured], |_| unmeasured();
    goodput_ratio, Higher, "",
        "Sum of iteration times over the wall time of the run, 0 to 1.",
        [IterationTime, WallTime], |w| w.goodput();
    sm_activity_ratio, Higher, "",
        "Share of time in which the streaming multiprocessors had work, 0 to 1.",
        [Unmeasured], |_| unmeasured();
    tensor_activity_ratio, Higher, "", "Share of time in which the tensor cores had work, 0 to 1.",
        [Unmeasured], |_| unmeasured();
    peak_memory_gb, Lower, "GB", "Highest memory used on any GPU, in 10^9 bytes.",
        [GpuMemory], |w| Ok(w.gpu_max("memory_used_bytes", |gpu| gpu.memory_used_bytes)? / 1e9);
    peak_power_watts, Lower, "W", "Highest power of any GPU.",
        [GpuPower], |w| w.gpu_max("power_watts", |gpu| gpu.power_watts);
}

fn unmeasured() -> Known<f64> {
    Err("this version of effllm does not measure it".to_owned())
}

/// Every metric over some phases, each with where it came from or why it is null.
#[derive(Debug, Clone, Default)]
pub struct Computed {
    pub metrics: Metrics,
    pub provenance: BTreeMap<String, String>,
    pub unavailable: BTreeMap<String, String>,
}

impl Computed {
    /// Computes every metric.
    pub fn over(window: &Window<'_>) -> Self {
        let mut computed = Self::default();
        for (metric, slot) in computed.metrics.each_mut() {
            match metric.value(window) {
                Ok(value) => {
                    *slot = Some(value);
                    computed.provenance.insert(metric.name.to_owned(), window.source(metric.basis));
                }
                Err(why) => drop(computed.unavailable.insert(metric.name.to_owned(), why)),
            }
        }
        computed
    }
}

impl Metrics {
    /// Those of the metrics that `wanted` names, without provenance.
    pub fn over(window: &Window<'_>, wanted: fn(&Metric) -> bool) -> Self {
        let mut metrics = Self::default();
        for (metric, slot) in metrics.each_mut().filter(|(metric, _)| wanted(metric)) {
            *slot = metric.value(window).ok();
        }
        metrics
    }
}
