//! The metrics, each declared once: every output, gate and comparison reads what it needs to know of a
//! metric here.

use std::collections::BTreeMap;

pub use super::metric::{Better, Headline, MeanOver, Metric, Show, Test};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::window::{Basis, Window};
use Basis::{
    Activity, Energy, GeneratedTokens, IterationTime, Memory, Parameters, PeakFlops, Power, Samples, Tokens,
    Utilization, WallTime,
};
use Better::{Higher, Lower};
use Show::{Digits, Exponent, Fixed, Percent};

macro_rules! metrics {
    ($($name:ident, $definition:literal { $($field:ident: $value:expr,)* })+) => {
        /// Every metric over some phases of a run; null where it is unknown.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct Metrics {
            $(#[doc = $definition] #[serde(default)] pub $name: Option<f64>,)+
        }

        /// Every metric, in the order of the report.
        pub const METRICS: &[Metric] = &[
            $(Metric {
                name: stringify!($name),
                definition: $definition,
                read: |metrics| metrics.$name,
                $($field: $value,)*
                ..Metric::DEFAULT
            },)+
        ];

        impl Metrics {
            /// The metrics with their values, in the order of [`METRICS`].
            pub fn each(&self) -> impl Iterator<Item = (&'static Metric, Option<f64>)> {
                METRICS.iter().map(|metric| (metric, self.get(metric)))
            }

            /// The value of one metric.
            pub fn get(&self, metric: &Metric) -> Option<f64> {
                (metric.read)(self)
            }

            /// As [`Metrics::each`], to be changed in place.
            pub fn each_mut(&mut self) -> impl Iterator<Item = (&'static Metric, &mut Option<f64>)> {
                METRICS.iter().zip([$(&mut self.$name,)+])
            }
        }
    };
}

metrics! {
    amu_gb, "Average Memory Utilization: mean over the GPUs of the time average of memory used; 1 GB is 10^9 bytes." {
        short: Some("amu"), label: Some("AMU"), unit: "GB", per_gpu: true, better: Lower, basis: &[Memory],
        show: Fixed(2), live: Some(Fixed(1)), headline: Headline::Always,
        original: Some(("AMU (GB)", Fixed(2))), openmetrics: Some(("amu", "bytes", 1e9)),
        compute: |w| Ok(w.gpu_mean("memory_used_bytes", |gpu| gpu.memory_used_bytes)? / 1e9),
    }
    amu_gib, "Average Memory Utilization in GiB, which is 2^30 bytes." {
        unit: "GiB", better: Lower, basis: &[Memory],
        compute: |w| Ok(w.gpu_mean("memory_used_bytes", |gpu| gpu.memory_used_bytes)? / f64::from(1 << 30)),
    }
    pcu_ratio, "Peak Compute Utilization: mean over the GPUs of the time average of utilization, 0 to 1." {
        short: Some("pcu"), label: Some("PCU"), better: Higher, basis: &[Utilization],
        show: Fixed(3), live: Some(Percent(0)), headline: Headline::Always,
        original: Some(("PCU (Ratio)", Fixed(3))), openmetrics: Some(("pcu", "ratio", 1.0)),
        compute: |w| w.gpu_mean("utilization_ratio", |gpu| gpu.utilization_ratio),
    }
    al_seconds, "Average Latency: sum of iteration times over their number." {
        short: Some("al"), label: Some("AL"), unit: "s", better: Lower, basis: &[IterationTime],
        live: Some(Digits), headline: Headline::Always,
        original: Some(("AL (Seconds)", Fixed(4))), test: Test::IterationTimes,
        mean_over: MeanOver::Iterations, openmetrics: Some(("al", "seconds", 1.0)),
        compute: |w| w.iteration_time(),
    }
    al_p50_seconds, "Median iteration time." {
        unit: "s", better: Lower, basis: &[IterationTime], test: Test::IterationTimes,
        mean_over: MeanOver::Nothing, openmetrics: Some(("al_p50", "seconds", 1.0)),
        compute: |w| w.iteration_time_quantile(0.5),
    }
    al_p95_seconds, "95th percentile of the iteration times." {
        label: Some("AL p95"), unit: "s", better: Lower, basis: &[IterationTime],
        headline: Headline::IfKnown, mean_over: MeanOver::Nothing, openmetrics: Some(("al_p95", "seconds", 1.0)),
        compute: |w| w.iteration_time_quantile(0.95),
    }
    al_p99_seconds, "99th percentile of the iteration times." {
        unit: "s", better: Lower, basis: &[IterationTime],
        mean_over: MeanOver::Nothing, openmetrics: Some(("al_p99", "seconds", 1.0)),
        compute: |w| w.iteration_time_quantile(0.99),
    }
    tt_tokens_per_param_per_sec, "Token Throughput: tokens for each parameter over the sum of iteration times." {
        short: Some("tt"), label: Some("TT"), unit: "tokens/param/s", better: Higher,
        basis: &[IterationTime, Tokens, Parameters], live: Some(Exponent(1)), headline: Headline::Always,
        original: Some(("TT (Tokens/Param/Sec)", Exponent(2))), test: Test::EqualWork,
        openmetrics: Some(("tt", "tokens_per_param_per_second", 1.0)),
        compute: |w| w.per_parameter(w.rate(w.tokens())),
    }
    st_samples_per_param_per_sec, "Sample Throughput: samples for each parameter over the sum of iteration times." {
        short: Some("st"), label: Some("ST"), unit: "samples/param/s", better: Higher,
        basis: &[IterationTime, Samples, Parameters], live: Some(Exponent(1)), headline: Headline::Always,
        original: Some(("ST (Samples/Param/Sec)", Exponent(2))), test: Test::EqualWork,
        openmetrics: Some(("st", "samples_per_param_per_second", 1.0)),
        compute: |w| w.per_parameter(w.rate(w.samples())),
    }
    it_tokens_per_sec, "Inference Throughput: generated tokens over their time." {
        short: Some("it"), label: Some("IT"), unit: "tokens/s", better: Higher, basis: &[GeneratedTokens],
        live: Some(Digits), headline: Headline::Always,
        original: Some(("IT (Tokens/Sec)", Fixed(2))), openmetrics: Some(("it", "tokens_per_second", 1.0)),
        compute: |w| w.generation_rate(),
    }
    aec_watts, "Average Energy Consumption: mean over the GPUs of the time average of power." {
        short: Some("aec"), label: Some("AEC"), unit: "W", per_gpu: true, better: Lower, basis: &[Energy],
        show: Fixed(1), live: Some(Fixed(0)), headline: Headline::Always,
        original: Some(("AEC (Watts)", Fixed(2))), openmetrics: Some(("aec", "watts", 1.0)),
        compute: |w| Ok(w.total_watts()? / w.run.gpus.len() as f64),
    }
    aec_total_watts, "Sum over the GPUs of the time average of power." {
        unit: "W", better: Lower, basis: &[Energy], openmetrics: Some(("aec_total", "watts", 1.0)),
        compute: |w| w.total_watts(),
    }
    mfu_ratio, "Model FLOPs Utilization, 0 to 1." {
        short: Some("mfu"), label: Some("MFU"), better: Higher, basis: &[IterationTime, PeakFlops],
        show: Fixed(3), live: Some(Percent(0)), headline: Headline::IfKnown, openmetrics: Some(("mfu", "ratio", 1.0)),
    }
    energy_joules, "Energy of the measured GPUs; null where the log reports more GPUs than were measured." {
        label: Some("energy"), unit: "J", better: Lower, basis: &[Energy],
        show: Show::Energy, headline: Headline::Always, mean_over: MeanOver::Nothing,
        openmetrics: Some(("energy", "joules", 1.0)),
        compute: |w| w.joules(),
    }
    joules_per_token, "Energy of the iterations over their tokens." {
        label: Some("J/token"), unit: "J/token", better: Lower, basis: &[Energy, Tokens],
        live: Some(Digits), headline: Headline::IfKnown, mean_over: MeanOver::Iterations,
        openmetrics: Some(("", "joules_per_token", 1.0)),
        compute: |w| w.joules_per(w.tokens()),
    }
    joules_per_iteration, "Energy of the iterations over their number." {
        unit: "J/iteration", better: Lower, basis: &[Energy, IterationTime],
        mean_over: MeanOver::Iterations, openmetrics: Some(("", "joules_per_iteration", 1.0)),
        compute: |w| w.joules_per_iteration(),
    }
    tokens_per_joule, "Tokens over the energy of their iterations." {
        unit: "tokens/J", better: Higher, basis: &[Energy, Tokens],
        openmetrics: Some(("", "tokens_per_joule", 1.0)),
        compute: |w| Ok(1.0 / w.joules_per(w.tokens())?),
    }
    joules_per_generated_token, "Energy over generated tokens, in the time in which they were generated." {
        unit: "J/token", better: Lower, basis: &[Energy, GeneratedTokens],
        openmetrics: Some(("", "joules_per_generated_token", 1.0)),
        compute: |w| w.joules_per_generated_token(),
    }
    generated_tokens_per_joule, "Generated tokens over energy, in the time in which they were generated." {
        unit: "tokens/J", better: Higher, basis: &[Energy, GeneratedTokens],
        openmetrics: Some(("", "generated_tokens_per_joule", 1.0)),
        compute: |w| Ok(1.0 / w.joules_per_generated_token()?),
    }
    tokens_per_sec, "Tokens of the whole job over the sum of iteration times." {
        label: Some("tokens/s"), unit: "tokens/s", better: Higher, basis: &[IterationTime, Tokens],
        live: Some(Digits), headline: Headline::IfKnown, test: Test::EqualWork,
        openmetrics: Some(("", "tokens_per_second", 1.0)),
        compute: |w| w.rate(w.tokens()),
    }
    samples_per_sec, "Samples of the whole job over the sum of iteration times." {
        unit: "samples/s", better: Higher, basis: &[IterationTime, Samples], test: Test::EqualWork,
        openmetrics: Some(("", "samples_per_second", 1.0)),
        compute: |w| w.rate(w.samples()),
    }
    goodput_ratio, "Sum of iteration times over the wall time of the run, 0 to 1." {
        better: Higher, basis: &[IterationTime, WallTime], mean_over: MeanOver::Nothing,
        openmetrics: Some(("goodput", "ratio", 1.0)),
        compute: |w| w.goodput(),
    }
    sm_activity_ratio, "Share of time in which the streaming multiprocessors had work, 0 to 1." {
        better: Higher, basis: &[Activity], openmetrics: Some(("sm_activity", "ratio", 1.0)),
    }
    tensor_activity_ratio, "Share of time in which the tensor cores had work, 0 to 1." {
        better: Higher, basis: &[Activity], openmetrics: Some(("tensor_activity", "ratio", 1.0)),
    }
    peak_memory_gb, "Highest memory used on any GPU; 1 GB is 10^9 bytes." {
        unit: "GB", better: Lower, basis: &[Memory], mean_over: MeanOver::Nothing,
        openmetrics: Some(("peak_memory", "bytes", 1e9)),
        compute: |w| Ok(w.gpu_max("memory_used_bytes", |gpu| gpu.memory_used_bytes)? / 1e9),
    }
    peak_power_watts, "Highest power of any GPU." {
        unit: "W", better: Lower, basis: &[Power], mean_over: MeanOver::Nothing,
        openmetrics: Some(("peak_power", "watts", 1.0)),
        compute: |w| w.gpu_max("power_watts", |gpu| gpu.power_watts),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_metric_has_names_of_its_own_and_a_basis() {
        let names: Vec<&str> = METRICS.iter().flat_map(Metric::names).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        let served: Vec<_> = METRICS.iter().filter_map(|metric| metric.openmetrics).collect();
        let unique: HashSet<_> = served.iter().map(|(name, unit, _)| (name, unit)).collect();
        assert_eq!((unique.len(), served.len()), (served.len(), METRICS.len() - 1), "amu_gib is amu_gb");
        assert!(METRICS.iter().all(|metric| !metric.basis.is_empty()));
    }
}
