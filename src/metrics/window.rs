//! The figures that metrics are made from: the sums of some phases, and what is known of the run.
//!
//! Every quantity here is a value or the reason why it is unknown.

use std::collections::BTreeMap;

use super::sums::{Amount, Gauge, GpuSums, IterationSums, Sums};

/// The share of a time that readings must cover for their energy to be that of all of it, and the
/// share of the iterations' time that must lie within the run.
const LEAST_COVERAGE: f64 = 0.95;
/// The share of the iterations whose time must be known for their mean to be that of all.
const LEAST_TIMED: f64 = 0.25;
/// The largest error of a time by coarse clocks that leaves it a measurement.
const LARGEST_ERROR: f64 = 0.02;

/// A value, or why it is unknown.
pub type Known<T> = Result<T, String>;

/// What is known of one GPU besides its sums.
#[derive(Debug, Clone, Default)]
pub struct GpuFacts {
    /// Its key in [`Sums::gpus`].
    pub key: String,
    /// What people call it: `GPU 3`.
    pub label: String,
    /// The library that it is read through.
    pub source: String,
    /// Readings in which at least one quantity was known.
    pub samples: u64,
    /// Memory that the driver reserves counts as used.
    pub reserved_is_used: bool,
    /// Why a quantity could not be read, by its name.
    pub unavailable: BTreeMap<String, String>,
}

/// What is known of a run besides its sums.
#[derive(Debug, Clone)]
pub struct RunFacts {
    pub gpus: Vec<GpuFacts>,
    /// Why there are no GPU figures, where there are none.
    pub no_gpus: String,
    /// Parameters of the whole model.
    pub parameters: Known<f64>,
    /// GPUs of the whole job, as far as the log says.
    pub job_gpus: Option<f64>,
    /// The time of all iterations, the warm-up's included, in seconds.
    pub iteration_seconds: f64,
    /// The run's time without suspensions, in seconds; `None` for a log that is read from a file.
    pub running_seconds: Option<f64>,
    /// Why there are no iterations, times of them, tokens, samples or generated tokens, where there are none.
    pub no_iterations: String,
    pub no_times: String,
    pub no_tokens: String,
    pub no_samples: String,
    pub no_generated_tokens: String,
    pub sources: Sources,
}

/// In words: where times and amounts come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub times: String,
    pub tokens: String,
    pub samples: String,
    pub parameters: String,
}

/// Some phases of a run.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    pub sums: &'a Sums,
    pub run: &'a RunFacts,
}

/// A quantity that metrics are computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    Memory,
    Utilization,
    /// Sampled power.
    Power,
    /// The energy counter, else power.
    Energy,
    /// The activity of the streaming multiprocessors and tensor cores.
    Activity,
    PeakFlops,
    IterationTime,
    Tokens,
    Samples,
    GeneratedTokens,
    Parameters,
    WallTime,
}

impl Basis {
    /// Whether it is read from a GPU.
    pub fn is_of_gpus(self) -> bool {
        matches!(self, Self::Memory | Self::Utilization | Self::Power | Self::Energy | Self::Activity)
    }

    /// Whether it is known of a training whose log states iterations, or may become known.
    pub fn is_of_training(self) -> bool {
        matches!(self, Self::IterationTime | Self::Tokens | Self::Samples | Self::Parameters)
    }
}

impl Window<'_> {
    /// Mean over the GPUs of the time average of a quantity.
    pub fn gpu_mean(&self, quantity: &str, gauge: fn(&GpuSums) -> Gauge) -> Known<f64> {
        let means = self.of_each_gpu(quantity, |gpu| gauge(gpu).mean())?;
        Ok(means.iter().sum::<f64>() / means.len() as f64)
    }

    /// The highest reading of any GPU.
    pub fn gpu_max(&self, quantity: &str, gauge: fn(&GpuSums) -> Gauge) -> Known<f64> {
        let maxima = self.of_each_gpu(quantity, |gpu| gauge(gpu).max)?;
        maxima.into_iter().reduce(f64::max).ok_or_else(|| self.run.no_gpus.clone())
    }

    /// Sum over the GPUs of the time average of power, in watts.
    pub fn total_watts(&self) -> Known<f64> {
        Ok(self.of_each_gpu("power_watts", |gpu| gpu.energy().mean())?.iter().sum())
    }

    /// Energy of the window, in joules. Unknown where part of it is missing (readings failed, a GPU was
    /// lost), and where the log names more GPUs than were measured: one node's joules must not be
    /// divided by the whole job's tokens.
    pub fn joules(&self) -> Known<f64> {
        self.of_each_gpu("power_watts", |gpu| Some(gpu.energy()).filter(|energy| energy.seconds > 0.0))?;
        let covered = |(label, gpu): (&str, GpuSums)| {
            let energy = gpu.energy();
            let share = energy.seconds / self.sums.seconds;
            if let Some(watts) = energy.mean().filter(|_| share >= LEAST_COVERAGE) {
                return Ok(watts * self.sums.seconds); // small gaps draw the mean power
            }
            Err(format!("{label}: readings cover only {:.0} % of the time", 100.0 * share))
        };
        let joules = self.gpus().map(covered).sum::<Known<f64>>()?;
        match self.run.job_gpus {
            Some(job) if job > self.run.gpus.len() as f64 => Err(format!(
                "the log reports {job} GPUs, {} were measured; gpus[] has the energy of each",
                self.run.gpus.len()
            )),
            _ => Ok(joules),
        }
    }

    /// Energy of the window for the iterations in it, in joules. In the phase `train`, the iterations' time
    /// is the window's.
    fn joules_of_iterations(&self) -> Known<f64> {
        self.joules()?;
        let (stated, passed) = (self.sums.iterations.seconds, self.sums.seconds);
        if passed < LEAST_COVERAGE * stated {
            return Err(format!(
                "the iterations' times add up to {stated:.1} s, and only {passed:.1} s passed: an old log was \
                 printed again, or buffered lines came late"
            ));
        }
        Ok(self.total_watts()? * stated)
    }

    /// Energy of the window, for each iteration whose time is known.
    pub fn joules_per_iteration(&self) -> Known<f64> {
        let joules = self.joules_of_iterations()?;
        self.iteration_time()?;
        Ok(joules / self.sums.iterations.timed as f64)
    }

    /// Energy of the iterations that an amount came about in, for each unit of it.
    pub fn joules_per(&self, amount: Known<Amount>) -> Known<f64> {
        let joules = self.joules_of_iterations()?;
        let amount = amount?;
        self.rate(Ok(amount))?;
        Ok(joules * amount.seconds / self.sums.iterations.seconds / amount.timed)
    }

    /// Energy of the time in which tokens were generated, for each of them.
    pub fn joules_per_generated_token(&self) -> Known<f64> {
        let generated = self.generated()?;
        self.joules()?;
        Ok(self.total_watts()? * generated.seconds / generated.timed)
    }

    /// Mean time of an iteration, in seconds.
    pub fn iteration_time(&self) -> Known<f64> {
        let iterations = &self.sums.iterations;
        let mean = iterations.mean().ok_or_else(|| self.why_no_time())?;
        let IterationSums { timed, count, .. } = iterations;
        if (*timed as f64) < LEAST_TIMED * *count as f64 {
            return Err(format!("the time of only {timed} of {count} iterations is known"));
        }
        let error = iterations.relative_error();
        if error > LARGEST_ERROR {
            let IterationSums { timed: iterations, error_iterations, .. } = iterations;
            return Err(if *error_iterations > 0 {
                format!(
                    "the lines came in bursts, and the {iterations} iterations between bursts are too few to \
                     time them within {:.0} %; --stdio pty, or stdbuf -oL before the command, prevents bursts",
                    100.0 * LARGEST_ERROR
                )
            } else {
                format!(
                    "the log's clock is too coarse for the {:.1} s that {iterations} iterations took",
                    self.sums.iterations.seconds
                )
            });
        }
        Ok(mean)
    }

    /// The time that a share (0 to 1) of the iterations did not exceed, in seconds.
    pub fn iteration_time_quantile(&self, share: f64) -> Known<f64> {
        self.iteration_time()?;
        let iterations = &self.sums.iterations;
        if iterations.pooled as f64 > LARGEST_ERROR * iterations.timed as f64 {
            return Err("only the sum of several iterations' times is known: their lines came together, or \
                        the log's clock is coarse"
                .to_owned());
        }
        iterations.times.quantile(share).ok_or_else(|| self.why_no_time())
    }

    /// The share of the run's time that iterations took.
    pub fn goodput(&self) -> Known<f64> {
        self.iteration_time()?;
        let running = self.run.running_seconds.filter(|seconds| *seconds > 0.0);
        let running = running.ok_or("the wall time of the run is not known")?;
        // Iteration times that a log states may be longer than the run that printed it.
        match self.run.iteration_seconds / running {
            ratio if ratio <= 1.0 + 1e-3 => Ok(ratio.min(1.0)),
            _ => Err("the iteration times add up to more than the wall time of the run".to_owned()),
        }
    }

    pub fn tokens(&self) -> Known<Amount> {
        self.amount(self.sums.tokens, &self.run.no_tokens)
    }

    pub fn samples(&self) -> Known<Amount> {
        self.amount(self.sums.samples, &self.run.no_samples)
    }

    /// Generated tokens whose time is known.
    pub fn generated(&self) -> Known<Amount> {
        let generated = self.sums.generated_tokens;
        match generated.seconds {
            seconds if seconds > 0.0 => Ok(generated),
            _ => Err(self.run.no_generated_tokens.clone()),
        }
    }

    /// An amount for each second of the time in which it came.
    pub fn rate(&self, amount: Known<Amount>) -> Known<f64> {
        let rate = amount?.per_second().ok_or_else(|| self.why_no_time())?;
        self.iteration_time()?;
        Ok(rate)
    }

    /// Generated tokens per second of the time in which they were generated.
    pub fn generation_rate(&self) -> Known<f64> {
        self.generated()?.per_second().ok_or_else(|| self.run.no_generated_tokens.clone())
    }

    /// A figure for each parameter of the model.
    pub fn per_parameter(&self, rate: Known<f64>) -> Known<f64> {
        Ok(rate? / self.run.parameters.clone()?)
    }

    /// Where the quantities of a basis come from.
    pub fn source(&self, basis: &[Basis]) -> String {
        let counts = basis.iter().any(|basis| matches!(basis, Basis::Tokens | Basis::Samples));
        let is_told = |basis: &&Basis| !(counts && **basis == Basis::IterationTime);
        let mut sources: Vec<String> =
            basis.iter().filter(is_told).map(|basis| self.source_of(*basis)).collect();
        sources.retain(|source| !source.is_empty());
        sources.dedup();
        sources.join(", ")
    }

    fn source_of(&self, basis: Basis) -> String {
        let gpus = &self.run.gpus;
        let sources = &self.run.sources;
        let source = gpus.first().map_or("", |gpu| gpu.source.as_str());
        let samples: u64 = gpus.iter().map(|gpu| gpu.samples).sum();
        let plural = if gpus.len() == 1 { "" } else { "s" };
        let of_gpus = |what: &str| {
            format!("{source} {what}, {} GPU{plural}, {samples} samples", gpus.len()).trim_start().to_owned()
        };
        match basis {
            Basis::Memory if gpus.iter().any(|gpu| gpu.reserved_is_used) => {
                of_gpus("memory, the driver's own included")
            }
            Basis::Memory => of_gpus("memory"),
            Basis::Utilization => of_gpus("utilization"),
            Basis::Power => of_gpus("power"),
            Basis::Energy if self.gpus().all(|(_, gpu)| gpu.is_by_counter()) => of_gpus("energy counter"),
            Basis::Energy => of_gpus("power"),
            Basis::IterationTime => sources.times.clone(),
            Basis::Tokens => sources.tokens.clone(),
            Basis::Samples => sources.samples.clone(),
            Basis::GeneratedTokens => "log, generated tokens".to_owned(),
            Basis::Parameters => sources.parameters.clone(),
            Basis::WallTime => "over wall time".to_owned(),
            Basis::Activity | Basis::PeakFlops => String::new(),
        }
    }

    fn amount(&self, amount: Amount, why_unknown: &str) -> Known<Amount> {
        let is_known = amount.is_known() && self.sums.iterations.count > 0;
        if is_known { Ok(amount) } else { Err(self.without_iterations_or(why_unknown)) }
    }

    fn why_no_time(&self) -> String {
        self.without_iterations_or(&self.run.no_times)
    }

    fn without_iterations_or(&self, why: &str) -> String {
        let why = if self.sums.iterations.count == 0 { &self.run.no_iterations } else { why };
        why.to_owned()
    }

    /// Each GPU's label and sums.
    fn gpus(&self) -> impl Iterator<Item = (&str, GpuSums)> {
        self.run
            .gpus
            .iter()
            .map(|gpu| (gpu.label.as_str(), self.sums.gpus.get(&gpu.key).copied().unwrap_or_default()))
    }

    /// A value of each GPU; unknown if one of them has none.
    fn of_each_gpu<T>(&self, quantity: &str, value: impl Fn(&GpuSums) -> Option<T>) -> Known<Vec<T>> {
        if self.run.gpus.is_empty() {
            return Err(self.run.no_gpus.clone());
        }
        if self.sums.unplaced_seconds > LARGEST_ERROR * self.sums.seconds {
            return Err(
                "the lines came in bursts, and evaluations or gaps lie between them: which GPU readings \
                        belong to the iterations is uncertain"
                    .to_owned(),
            );
        }
        let values: Vec<Option<T>> = self.gpus().map(|(_, gpu)| value(&gpu)).collect();
        let missing = || self.run.gpus.iter().zip(&values).filter(|(_, value)| value.is_none());
        // The reason of a GPU that can never tell goes before that of a window too short for another.
        let cause = missing().find_map(|(gpu, _)| Some((gpu, gpu.unavailable.get(quantity)?.as_str())));
        let window = missing().next().map(|(gpu, _)| (gpu, "too few readings in this window"));
        match cause.or(window) {
            Some((gpu, why)) => Err(format!("{}: {why}", gpu.label)),
            None => Ok(values.into_iter().flatten().collect()),
        }
    }
}
