//! The metrics over one window, each with where it came from or why it is null.

use std::collections::BTreeMap;

use crate::metrics::registry::Metrics;
use crate::metrics::{Area, Rate};

use super::amount_counter::Amount;
use super::gpu::GpuTrack;
use super::progression::Sums;

/// What the metrics of one window are made from.
pub struct Window<'a> {
    pub from: f64,
    pub to: f64,
    pub gpus: &'a [GpuTrack],
    /// Why there are no GPU figures, where there are none.
    pub no_gpus: &'a str,
    pub sums: &'a Sums,
    /// The tokens, or why they are not known; likewise the samples and the parameters.
    pub tokens: Result<Amount, String>,
    pub samples: Result<Amount, String>,
    pub parameters: Result<f64, String>,
    /// GPUs of the whole job, as far as the log says.
    pub world_size: Option<f64>,
    /// The wall time of the run, in seconds.
    pub wall: Option<f64>,
    /// Why there are no iterations, where there are none.
    pub no_iterations: &'a str,
    /// In words: where times, tokens, samples and parameters come from.
    pub timing_source: &'a str,
    pub tokens_source: String,
    pub samples_source: String,
    pub parameters_source: String,
}

/// The metrics of a window with what is to be said of each.
#[derive(Debug, Default)]
pub struct Headline {
    pub metrics: Metrics,
    pub provenance: BTreeMap<String, String>,
    pub unavailable: BTreeMap<String, String>,
}

impl Headline {
    pub fn new(window: &Window<'_>) -> Self {
        let mut headline = Self::default();
        headline.utilization(window);
        headline.latency(window);
        headline.throughput(window);
        headline.energy(window);
        headline
    }

    fn put(&mut self, name: &str, value: Result<f64, String>, source: &str) {
        let value = value.and_then(|value| {
            if value.is_finite() { Ok(value) } else { Err("the division has no finite result".to_owned()) }
        });
        match value {
            Ok(value) => {
                if let Some((_, slot)) = self.metrics.each_mut().find(|(metric, _)| metric.name == name) {
                    *slot = Some(value);
                }
                self.provenance.insert(name.to_owned(), source.to_owned());
            }
            Err(why) => {
                self.unavailable.insert(name.to_owned(), why);
            }
        }
    }

    fn utilization(&mut self, window: &Window<'_>) {
        let samples: u64 = window.gpus.iter().map(GpuTrack::samples).sum();
        let from = |what: &str| format!("{what}, {}, {samples} samples", count(window.gpus.len(), "GPU"));
        let memory = window.memory();
        let with_reserved = window.gpus.iter().any(GpuTrack::reserved_is_used);
        let memory_source =
            from(if with_reserved { "NVML memory, the driver's own included" } else { "NVML memory" });
        self.put("amu_gb", mean(&memory).map(|bytes| bytes / 1e9), &memory_source);
        self.put("amu_gib", mean(&memory).map(|bytes| bytes / f64::from(1 << 30)), &memory_source);
        self.put("pcu_ratio", mean(&window.utilization()), &from("NVML utilisation"));
        let power = window.power();
        let by_counter =
            window.gpus.iter().all(|gpu| gpu.energy_source() == Some(crate::report::EnergySource::Counter));
        let source = from(if by_counter { "NVML energy counter" } else { "NVML power" });
        self.put("aec_watts", mean(&power), &source);
        self.put(
            "aec_total_watts",
            power.as_ref().map(|watts| watts.iter().sum()).map_err(Clone::clone),
            &source,
        );
        let peak_memory =
            window.peak("memory_used_bytes", |gpu| gpu.memory.peak_between(window.from, window.to));
        self.put("peak_memory_gb", peak_memory.map(|bytes| bytes / 1e9), &memory_source);
        let peak_power = window.peak("power_watts", |gpu| gpu.power.peak_between(window.from, window.to));
        self.put("peak_power_watts", peak_power, &from("NVML power"));
        for name in ["mfu_ratio", "sm_activity_ratio", "tensor_activity_ratio"] {
            self.put(name, Err("this version of effllm does not measure it".to_owned()), "");
        }
    }

    fn latency(&mut self, window: &Window<'_>) {
        let latencies = &window.sums.latencies;
        let known = |value: Option<f64>| value.ok_or_else(|| window.why_no_time());
        self.put("al_seconds", known(latencies.mean()), window.timing_source);
        for (name, share) in [("al_p50_seconds", 0.5), ("al_p95_seconds", 0.95), ("al_p99_seconds", 0.99)] {
            self.put(name, known(latencies.quantile(share)), window.timing_source);
        }
        let goodput = match window.wall {
            Some(wall) if wall > 0.0 => known(latencies.mean()).map(|_| latencies.seconds / wall),
            _ => Err("the wall time of the run is not known".to_owned()),
        };
        // Iteration times that a log states may be longer than the run that printed it.
        let goodput = goodput.and_then(|ratio| {
            if ratio <= 1.0 + 1e-3 {
                Ok(ratio.min(1.0))
            } else {
                Err("the iteration times add up to more than the wall time of the run".to_owned())
            }
        });
        self.put("goodput_ratio", goodput, &format!("{}, over wall time", window.timing_source));
    }

    fn throughput(&mut self, window: &Window<'_>) {
        let (tokens, samples) = (window.rate(&window.tokens), window.rate(&window.samples));
        self.put("tokens_per_sec", tokens.clone(), &window.tokens_source);
        self.put("samples_per_sec", samples.clone(), &window.samples_source);
        let with_parameters = |source: &str| format!("{source}, {}", window.parameters_source);
        self.put(
            "tt_tokens_per_param_per_sec",
            window.per_parameter(tokens),
            &with_parameters(&window.tokens_source),
        );
        self.put(
            "st_samples_per_param_per_sec",
            window.per_parameter(samples),
            &with_parameters(&window.samples_source),
        );
        let generated = window.sums.generated;
        let why = if generated.amount > 0.0 {
            "requests of several slots, and no timestamps that tell how much of their time overlapped"
        } else {
            "no generated tokens in this log"
        };
        let rate = generated.per_second().ok_or(why.to_owned());
        self.put("it_tokens_per_sec", rate, "log, generated tokens");
    }

    fn energy(&mut self, window: &Window<'_>) {
        let joules = window.joules();
        let source = "sum over the measured GPUs";
        self.put("energy_joules", joules.clone(), source);
        let iterations = window.sums.iterations as f64;
        let tokens = window.tokens.as_ref().map(|tokens| tokens.total).map_err(Clone::clone);
        let iterations = if iterations > 0.0 { Ok(iterations) } else { Err(window.no_iterations.to_owned()) };
        let both = |amount: Result<f64, String>| Ok::<_, String>((joules.clone()?, amount?));
        self.put("joules_per_iteration", both(iterations).map(|(joules, n)| joules / n), source);
        self.put("joules_per_token", both(tokens.clone()).map(|(joules, n)| joules / n), source);
        self.put("tokens_per_joule", both(tokens).map(|(joules, n)| n / joules), source);
    }
}

impl Window<'_> {
    /// The metrics of the original EfficientLLM monitor, which cost little.
    pub fn originals(&self) -> Metrics {
        let known = |value: Result<f64, String>| value.ok().filter(|value| value.is_finite());
        let per_parameter = |amount| known(self.per_parameter(self.rate(amount)));
        Metrics {
            amu_gb: known(mean(&self.memory()).map(|bytes| bytes / 1e9)),
            pcu_ratio: known(mean(&self.utilization())),
            al_seconds: self.sums.latencies.mean(),
            tt_tokens_per_param_per_sec: per_parameter(&self.tokens),
            st_samples_per_param_per_sec: per_parameter(&self.samples),
            it_tokens_per_sec: self.sums.generated.per_second(),
            aec_watts: known(mean(&self.power())),
            ..Metrics::default()
        }
    }

    fn memory(&self) -> Result<Vec<f64>, String> {
        self.means("memory_used_bytes", |gpu| gpu.memory.between(self.from, self.to))
    }

    fn utilization(&self) -> Result<Vec<f64>, String> {
        self.means("utilization_ratio", |gpu| gpu.utilization.between(self.from, self.to))
    }

    fn power(&self) -> Result<Vec<f64>, String> {
        self.means("power_watts", |gpu| gpu.energy(self.from, self.to))
    }

    /// An amount for each second of the time in which it came.
    fn rate(&self, amount: &Result<Amount, String>) -> Result<f64, String> {
        let rate: Rate = amount.as_ref().map_err(Clone::clone)?.rate;
        rate.per_second().ok_or_else(|| self.why_no_time())
    }

    fn per_parameter(&self, rate: Result<f64, String>) -> Result<f64, String> {
        Ok(rate? / self.parameters.clone()?)
    }

    /// The time average of a quantity for each GPU; an error if one of them has none.
    fn means(&self, quantity: &str, area: impl Fn(&GpuTrack) -> Area) -> Result<Vec<f64>, String> {
        self.each(quantity, |gpu| area(gpu).mean())
    }

    fn peak(&self, quantity: &str, peak: impl Fn(&GpuTrack) -> Option<f64>) -> Result<f64, String> {
        let peaks = self.each(quantity, peak)?;
        peaks.into_iter().reduce(f64::max).ok_or_else(|| self.no_gpus.to_owned())
    }

    fn each<T>(&self, quantity: &str, value: impl Fn(&GpuTrack) -> Option<T>) -> Result<Vec<T>, String> {
        if self.gpus.is_empty() {
            return Err(self.no_gpus.to_owned());
        }
        let values: Vec<Option<T>> = self.gpus.iter().map(value).collect();
        let missing = || self.gpus.iter().zip(&values).filter(|(_, value)| value.is_none());
        // That a GPU cannot tell at all goes before a window that is too short for another one.
        let cause = missing().find_map(|(gpu, _)| Some((gpu, gpu.why_unavailable(quantity)?)));
        let window = missing().next().map(|(gpu, _)| (gpu, "too few readings in this window"));
        match cause.or(window) {
            Some((gpu, why)) => Err(format!("GPU {}: {why}", gpu.index())),
            None => Ok(values.into_iter().flatten().collect()),
        }
    }

    /// Energy of the window; an error where part of it is missing (the command was suspended, NVML
    /// stalled, a GPU was lost), or where the log speaks for more GPUs than were measured, since one
    /// node's joules are not to be divided by the whole job's tokens.
    fn joules(&self) -> Result<f64, String> {
        self.each("power_watts", |gpu| {
            Some(gpu.energy(self.from, self.to)).filter(|energy| energy.seconds > 0.0)
        })?;
        let joules = |gpu: &GpuTrack| {
            gpu.whole_energy(self.from, self.to).map_err(|share| {
                let percent = 100.0 * share;
                format!("GPU {}: readings cover only {percent:.0} % of the time", gpu.index())
            })
        };
        let joules = self.gpus.iter().map(joules).sum::<Result<f64, String>>()?;
        match self.world_size {
            Some(world) if world > self.gpus.len() as f64 => Err(format!(
                "the log speaks for {world} GPUs, {} were measured; gpus[] has the energy of each",
                self.gpus.len()
            )),
            _ => Ok(joules),
        }
    }

    fn why_no_time(&self) -> String {
        if self.sums.iterations == 0 {
            self.no_iterations.to_owned()
        } else {
            "no time of an iteration is known: the log states none, and one record alone has no duration"
                .to_owned()
        }
    }
}

fn mean(values: &Result<Vec<f64>, String>) -> Result<f64, String> {
    let values = values.as_ref().map_err(Clone::clone)?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// `1 GPU`, `8 GPUs`.
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
