//! The metrics by name: one table that every output, gate and comparison reads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a metric besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in `metrics` of the report.
    pub name: &'static str,
    /// Its unit, as people write it; empty for a ratio.
    pub unit: &'static str,
    /// What it means, in one line.
    pub definition: &'static str,
}

macro_rules! metrics {
    ($($name:ident, $unit:literal, $definition:literal;)+) => {
        /// Every metric over one window of time; null where it is unknown.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct Metrics {
            $(#[doc = $definition] pub $name: Option<f64>,)+
        }

        /// Every metric, in the order of the report.
        pub const METRICS: &[Metric] = &[
            $(Metric { name: stringify!($name), unit: $unit, definition: $definition },)+
        ];

        impl Metrics {
            /// The metrics with their values, in the order of [`METRICS`].
            pub fn each(&self) -> impl Iterator<Item = (&'static Metric, Option<f64>)> {
                METRICS.iter().zip([$(self.$name,)+])
            }

            /// As [`Metrics::each`], to be changed in place.
            pub fn each_mut(&mut self) -> impl Iterator<Item = (&'static Metric, &mut Option<f64>)> {
                METRICS.iter().zip([$(&mut self.$name,)+])
            }
        }
    };
}

metrics! {
    amu_gb, "GB", "Average Memory Utilization: mean over the GPUs of the time average of memory used, in 10^9 bytes.";
    amu_gib, "GiB", "Average Memory Utilization in 2^30 bytes.";
    pcu_ratio, "", "Peak Compute Utilization: mean over the GPUs of the time average of utilization, 0 to 1.";
    al_seconds, "s", "Average Latency: sum of iteration times over their number.";
    al_p50_seconds, "s", "Median iteration time.";
    al_p95_seconds, "s", "95th percentile of the iteration times.";
    al_p99_seconds, "s", "99th percentile of the iteration times.";
    tt_tokens_per_param_per_sec, "tokens/param/s", "Token Throughput: tokens for each parameter over the sum of iteration times.";
    st_samples_per_param_per_sec, "samples/param/s", "Sample Throughput: samples for each parameter over the sum of iteration times.";
    it_tokens_per_sec, "tokens/s", "Inference Throughput: generated tokens over their time.";
    aec_watts, "W", "Average Energy Consumption: mean over the GPUs of the time average of power.";
    aec_total_watts, "W", "Sum over the GPUs of the time average of power.";
    energy_joules, "J", "Energy of the measured GPUs; null where the log speaks for more GPUs than were measured.";
    joules_per_token, "J/token", "Energy over tokens.";
    joules_per_iteration, "J/iteration", "Energy over iterations.";
    tokens_per_joule, "tokens/J", "Tokens over energy.";
    tokens_per_sec, "tokens/s", "Tokens of the whole job over the sum of iteration times.";
    samples_per_sec, "samples/s", "Samples of the whole job over the sum of iteration times.";
    mfu_ratio, "", "Model FLOPs Utilization, 0 to 1.";
    goodput_ratio, "", "Sum of iteration times over the wall time of the run, 0 to 1.";
    sm_activity_ratio, "", "Share of time in which the streaming multiprocessors had work, 0 to 1.";
    tensor_activity_ratio, "", "Share of time in which the tensor cores had work, 0 to 1.";
    peak_memory_gb, "GB", "Highest memory used on any GPU, in 10^9 bytes.";
    peak_power_watts, "W", "Highest power of any GPU.";
}
