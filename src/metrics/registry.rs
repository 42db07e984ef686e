//! The metrics by name: one table that every output, gate and comparison reads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a metric besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// Which change of a metric is an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    Lower,
    Higher,
}

impl Metric {
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
    ($($name:ident $(= $short:ident)?, $better:ident, $unit:literal, $definition:literal;)+) => {
        /// Every metric over one window of time; null where it is unknown.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct Metrics {
            $(#[doc = $definition] pub $name: Option<f64>,)+
        }

        /// Every metric, in the order of the report.
        pub const METRICS: &[Metric] = &[
            $(Metric {
                name: stringify!($name),
                short: abbreviation!($($short)?),
                better: Better::$better,
                unit: $unit,
                definition: $definition,
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
    amu_gb = amu, Lower, "GB", "Average Memory Utilization: mean over the GPUs of the time average of memory used, in 10^9 bytes.";
    amu_gib, Lower, "GiB", "Average Memory Utilization in 2^30 bytes.";
    pcu_ratio = pcu, Higher, "", "Peak Compute Utilization: mean over the GPUs of the time average of utilization, 0 to 1.";
    al_seconds = al, Lower, "s", "Average Latency: sum of iteration times over their number.";
    al_p50_seconds, Lower, "s", "Median iteration time.";
    al_p95_seconds, Lower, "s", "95th percentile of the iteration times.";
    al_p99_seconds, Lower, "s", "99th percentile of the iteration times.";
    tt_tokens_per_param_per_sec = tt, Higher, "tokens/param/s", "Token Throughput: tokens for each parameter over the sum of iteration times.";
    st_samples_per_param_per_sec = st, Higher, "samples/param/s", "Sample Throughput: samples for each parameter over the sum of iteration times.";
    it_tokens_per_sec = it, Higher, "tokens/s", "Inference Throughput: generated tokens over their time.";
    aec_watts = aec, Lower, "W", "Average Energy Consumption: mean over the GPUs of the time average of power.";
    aec_total_watts, Lower, "W", "Sum over the GPUs of the time average of power.";
    energy_joules, Lower, "J", "Energy of the measured GPUs, where the log speaks for no others.";
    joules_per_token, Lower, "J/token", "Energy over tokens.";
    joules_per_iteration, Lower, "J/iteration", "Energy over iterations.";
    tokens_per_joule, Higher, "tokens/J", "Tokens over energy.";
    tokens_per_sec, Higher, "tokens/s", "Tokens of the whole job over the sum of iteration times.";
    samples_per_sec, Higher, "samples/s", "Samples of the whole job over the sum of iteration times.";
    mfu_ratio = mfu, Higher, "", "Model FLOPs Utilization, 0 to 1.";
    goodput_ratio, Higher, "", "Sum of iteration times over the wall time of the run, 0 to 1.";
    sm_activity_ratio, Higher, "", "Share of time in which the streaming multiprocessors had work, 0 to 1.";
    tensor_activity_ratio, Higher, "", "Share of time in which the tensor cores had work, 0 to 1.";
    peak_memory_gb, Lower, "GB", "Highest memory used on any GPU, in 10^9 bytes.";
    peak_power_watts, Lower, "W", "Highest power of any GPU.";
}
