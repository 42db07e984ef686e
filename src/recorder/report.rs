//! Makes a report of the sums.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::metrics::registry::Computed;
use crate::metrics::window::{Basis, RunFacts, Sources, Window};
use crate::metrics::{Amount, Metric, Metrics, Sums};
use crate::report::{
    self, Environment, Latency, Model, Phase, PhaseKind, Report, SCHEMA, Series, Sourced,
    Window as WindowName,
};

use super::Recorder;
use super::amount_counter::Split;
use super::amounts::{Amounts, SAMPLES_BY_RATE, TOKENS_BY_RATE};
use super::gpu::GpuTrack;
use super::iterations::Iterations;
use super::phases::Phases;
use super::tenants::{LeftOut, are_attributable, divide};
use super::timing::TimeSource;

/// Bins of a histogram in a report.
const MOST_BINS: usize = 256;

impl Recorder {
    /// The report as things stand at a moment.
    pub fn report(&self, now: f64) -> Report {
        let state = State::new(self, now);
        let (name, window) = state.window();
        let mut whole = state.sums(&|_| true, &|_| true);
        whole.unplaced_seconds = 0.0; // wherever it lies, it is in the whole run
        let run = state.run_facts();
        let headline = Computed::over(&Window { sums: &window, run: &run });
        let mut whole_run = Computed::over(&Window { sums: &whole, run: &run });
        whole_run.unavailable.retain(|name, why| headline.unavailable.get(name) != Some(why));
        let mut command = self.command.clone();
        command.wall_seconds = state.wall();
        command.suspended_seconds = state.is_live().then_some(state.suspended_seconds());
        command.cpu_seconds = command.cpu_seconds.or(self.host.cpu_seconds());
        let mut job = self.job.clone();
        job.world_size = self.facts.job_world_size().map(|world| world as u64);
        job.nodes = self.facts.nodes.map(|nodes| nodes as u64);
        let gpu_sums = |key: &str| whole.gpus.get(key).copied().unwrap_or_default();
        let is_attributable = are_attributable(&self.gpus);
        let report_gpu =
            |gpu: &&GpuTrack| gpu.report(&gpu_sums(&gpu.facts.key), whole.seconds, is_attributable);
        let diverged = state.iterations.divergence.goes_on();
        Report {
            schema: SCHEMA.to_owned(),
            effllm_version: env!("CARGO_PKG_VERSION").to_owned(),
            status: self.status,
            command,
            job,
            environment: self.environment(),
            model: state.model.clone(),
            gpus: state.gpus.iter().map(report_gpu).collect(),
            gpus_left_out: state
                .left_out
                .iter()
                .map(|gpu| gpu.report(whole.seconds, is_attributable))
                .collect(),
            host: self.host.report(),
            log: self.log.clone(),
            iterations: state.iterations(&run),
            window: name,
            phases: state.phases(&run),
            uncertainty: uncertainty(&headline.metrics, &window),
            metrics: headline.metrics,
            metrics_whole_run: whole_run.metrics,
            unavailable_whole_run: whole_run.unavailable,
            provenance: headline.provenance,
            unavailable: headline
                .unavailable
                .into_iter()
                .chain(self.unknowable.clone())
                .chain(diverged.map(|why| ("iterations.loss_last".to_owned(), why)))
                .collect(),
            warnings: state.warnings(&window),
            series: Series {
                gpus: state.gpus.iter().map(|gpu| gpu.series(self.started)).collect(),
                iterations: state.iterations.series(self.started),
            },
            gate: None,
        }
    }

    fn environment(&self) -> Environment {
        let driver = self.gpus.iter().find_map(|gpu| gpu.identity.driver_version.clone());
        Environment { driver: driver.or(self.environment.driver.clone()), ..self.environment.clone() }
    }

    /// Of the `metrics` of the report at a moment, those that are wanted: for those who ask often.
    pub fn metrics(&self, now: f64, wanted: fn(&Metric) -> bool) -> Metrics {
        let state = State::new(self, now);
        let (_, window) = state.window();
        Metrics::over(&Window { sums: &window, run: &state.run_facts() }, wanted)
    }
}

/// The recorder as it would be if the run ended at a moment.
pub struct State<'a> {
    pub recorder: &'a Recorder,
    end: f64,
    /// Those that the job uses, and the others.
    pub gpus: Vec<&'a GpuTrack>,
    pub left_out: Vec<LeftOut<'a>>,
    pub iterations: Cow<'a, Iterations>,
    pub phases: Phases,
    pub model: Model,
}

impl<'a> State<'a> {
    fn new(recorder: &'a Recorder, now: f64) -> Self {
        let end = recorder.ended.unwrap_or(now);
        let mut phases = recorder.phases.clone();
        let iterations = recorder.iterations.settled();
        iterations.work.iter().for_each(|work| phases.work(*work));
        phases.confirm();
        if let Some(stopped) = recorder.stopped_at {
            phases.timeline.suspended(stopped, end);
        }
        let is_live = recorder.command.started_at.is_some();
        let mut phases = if is_live { phases.ending(end, &recorder.gpus) } else { Phases::default() };
        let (gpus, left_out) = divide(&recorder.gpus, &mut phases);
        let model = model(recorder, &iterations);
        Self { recorder, end, gpus, left_out, iterations, phases, model }
    }

    /// Whether the log is a running command's, rather than read from a file.
    fn is_live(&self) -> bool {
        self.recorder.command.started_at.is_some()
    }

    fn wall(&self) -> Option<f64> {
        self.is_live().then_some((self.end - self.recorder.started).max(0.0))
    }

    fn suspended_seconds(&self) -> f64 {
        let stopped = self.recorder.stopped_at.map_or(0.0, |at| (self.end - at).max(0.0));
        self.recorder.suspended_seconds + stopped
    }

    /// What the headline metrics are taken over.
    fn window(&self) -> (WindowName, Sums) {
        let sums = self.iterations.timing.sums();
        if sums.train.timed > 0 {
            (WindowName::Train, self.sums_of(PhaseKind::Train))
        } else if self.iterations.amounts.served.seconds > 0.0 {
            (WindowName::Generate, self.sums_of(PhaseKind::Generate))
        } else {
            // All time, and of the iterations those that would count.
            let whole = self.sums(&|_| true, &|kind| kind != PhaseKind::Warmup);
            (WindowName::Run, Sums { unplaced_seconds: 0.0, ..whole })
        }
    }

    /// The sums of one kind of time.
    fn sums_of(&self, kind: PhaseKind) -> Sums {
        let is_wanted = |other| other == kind;
        self.sums(&is_wanted, &is_wanted)
    }

    /// The time and the GPUs' sums of some kinds of time, with the iterations and amounts of some.
    fn sums(&self, timed: &dyn Fn(PhaseKind) -> bool, counted: &dyn Fn(PhaseKind) -> bool) -> Sums {
        let iterations = &self.iterations;
        let (times, tokens, samples) =
            (iterations.timing.sums(), self.tokens(), iterations.amounts.samples.amounts());
        let gpus = self.phases.sums(timed);
        let of = |iterations: &crate::metrics::IterationSums, tokens, samples, generated_tokens| Sums {
            iterations: iterations.clone(),
            tokens,
            samples,
            generated_tokens,
            // Without a clock of the run, its time is the iterations' own.
            seconds: if self.is_live() { 0.0 } else { iterations.seconds },
            unplaced_seconds: 0.0,
            gpus: BTreeMap::new(),
        };
        let generated = iterations.amounts.generated;
        let parts = [
            (PhaseKind::Warmup, of(&times.warmup, tokens.warmup, samples.warmup, generated.warmup)),
            (PhaseKind::Train, of(&times.train, tokens.train, samples.train, generated.train)),
            (PhaseKind::Generate, Sums { generated_tokens: iterations.amounts.served, ..Sums::default() }),
        ];
        let counted = parts.iter().filter(|(kind, _)| counted(*kind));
        counted.fold(gpus, |sums, (_, part)| sums.then(part))
    }

    /// Tokens that the log states, else samples times their length.
    fn tokens(&self) -> Split<Amount> {
        if self.tokens_are_of_samples() {
            self.iterations.amounts.samples.tokens()
        } else {
            self.iterations.amounts.tokens.amounts()
        }
    }

    fn tokens_are_of_samples(&self) -> bool {
        let is_known = |amounts: Split<Amount>| (amounts.warmup + amounts.train).is_known();
        let Amounts { tokens, samples, .. } = &self.iterations.amounts;
        // Whole samples are worth more than a rate times a time.
        let is_estimate = tokens.source == TOKENS_BY_RATE && samples.source != SAMPLES_BY_RATE;
        !is_known(tokens.amounts()) || is_estimate && is_known(samples.tokens())
    }

    /// All tokens, if none is missing.
    fn all_tokens(&self) -> Option<Split<Amount>> {
        let Amounts { tokens, samples, .. } = &self.iterations.amounts;
        let is_partial = if self.tokens_are_of_samples() {
            samples.without_length || samples.is_partial()
        } else {
            tokens.is_partial()
        };
        (!is_partial).then(|| self.tokens())
    }

    fn phases(&self, run: &RunFacts) -> BTreeMap<PhaseKind, Phase> {
        let tracks: BTreeMap<_, _> = self.phases.kinds().collect();
        let phase = |kind| {
            let sums = self.sums_of(kind);
            let track = tracks.get(&kind);
            let phase = Phase {
                episodes: track.map_or(0, |track| track.episodes),
                metrics: Metrics::over(&Window { sums: &sums, run }, |_| true),
                longest: track.map_or_else(Vec::new, |track| track.longest(self.recorder.started)),
                sums,
            };
            let is_empty = phase.sums == Sums::default();
            (!is_empty).then_some((kind, phase))
        };
        PhaseKind::ALL.into_iter().filter_map(phase).collect()
    }

    fn run_facts(&self) -> RunFacts {
        let recorder = self.recorder;
        let times = self.iterations.timing.sums();
        let generated = self.iterations.amounts.generated.train.total + self.iterations.amounts.served.total;
        RunFacts {
            gpus: self.gpus.iter().map(|gpu| gpu.facts.clone()).collect(),
            no_gpus: recorder.gpus_unavailable.clone().unwrap_or_else(|| "no GPU was measured".to_owned()),
            parameters: self.parameters(),
            job_gpus: recorder.facts.job_world_size(),
            iteration_seconds: times.warmup.seconds + times.train.seconds,
            running_seconds: self.wall().map(|wall| (wall - self.suspended_seconds()).max(0.0)),
            no_iterations: self.no_iterations().to_owned(),
            no_times: self.iterations.timing.why_unknown().unwrap_or(NO_TIMES).to_owned(),
            no_tokens: if self.iterations.amounts.samples.amounts().train.is_known() {
                "tokens are not stated and the sequence length is not known; --seq-len N gives it".to_owned()
            } else {
                NO_SAMPLES.to_owned()
            },
            no_samples: NO_SAMPLES.to_owned(),
            no_generated_tokens: if generated > 0.0 {
                "requests of several slots, and no timestamps that tell how much of their time overlapped"
                    .to_owned()
            } else {
                "no generated tokens in this log".to_owned()
            },
            sources: self.sources(),
        }
    }

    fn sources(&self) -> Sources {
        let Iterations { timing, sequence_length, amounts: Amounts { samples, tokens, .. }, .. } =
            &*self.iterations;
        let parameters = &self.model.parameters;
        Sources {
            times: match timing.source {
                Some(TimeSource::Stated) => "log, stated iteration time",
                Some(TimeSource::Arrival) => "arrival of the log's lines",
                Some(TimeSource::LogClock) => "the log's own clock",
                None => "",
            }
            .to_owned(),
            samples: samples.source.to_owned(),
            tokens: match (
                self.tokens_are_of_samples(),
                sequence_length.earlier,
                self.model.sequence_length.value,
            ) {
                (true, Some(earlier), Some(last)) => {
                    format!("{} × sequence length ({earlier}, then {last})", samples.source)
                }
                (true, None, Some(length)) => format!("{} × sequence length {length}", samples.source),
                _ => tokens.source.to_owned(),
            },
            parameters: match (parameters.value, &parameters.source) {
                (Some(value), Some(source)) => format!("{value:.2e} parameters ({source})"),
                _ => String::new(),
            },
        }
    }

    fn parameters(&self) -> Result<f64, String> {
        let given = self.recorder.options.parameters.value;
        if let (None, Some(earlier), Some(last)) =
            (given, self.iterations.parameters.earlier, self.iterations.parameters.last)
        {
            return Err(format!(
                "the log states models of {earlier} and of {last} parameters; --params N gives one number"
            ));
        }
        self.model.parameters.value.ok_or_else(|| {
            let why = match self.recorder.facts.model_parameters() {
                Err(why) => why,
                Ok(_) => "the log states the number of parameters only after the last iteration",
            };
            format!("{why}; --params N gives it")
        })
    }

    fn iterations(&self, run: &RunFacts) -> report::Iterations {
        let Iterations { timing, amounts: Amounts { samples, .. }, .. } = &*self.iterations;
        let sums = timing.sums();
        let train = self.sums_of(PhaseKind::Train);
        let window = Window { sums: &train, run };
        let mean = window.iteration_time().ok();
        let quantile = |share| window.iteration_time_quantile(share).ok();
        let total = |amount: Amount| amount.is_known().then(|| amount.total.round());
        report::Iterations {
            count: sums.train.count,
            warmup: sums.warmup.count,
            first: self.iterations.first,
            last: self.iterations.last_iteration(),
            total: self.iterations.total_iterations.or(self.recorder.facts.total_iterations),
            tokens: self.all_tokens().and_then(|tokens| total(tokens.train)),
            samples: total(samples.amounts().train).filter(|_| !samples.is_partial()),
            timed: sums.train.timed,
            seconds: mean.map(|_| sums.train.seconds),
            latency_seconds: Latency {
                mean,
                p50: quantile(0.5),
                p95: quantile(0.95),
                p99: quantile(0.99),
                max: quantile(1.0),
            },
            latency_histogram: quantile(0.5).map_or_else(Vec::new, |_| sums.train.times.bins(MOST_BINS)),
            loss_last: self.iterations.loss,
        }
    }

    fn no_iterations(&self) -> &'static str {
        if let Some(reason) = self.recorder.log_unavailable {
            reason
        } else if self.iterations.timing.count() > 0 {
            "no iterations were counted: the warm-up took them all"
        } else {
            "no iterations were recognised in the log"
        }
    }
}

const NO_TIMES: &str = "no time of an iteration is known: the log states none, and its lines came all at once, or there is but one";
const NO_SAMPLES: &str = "neither samples nor a batch size are known; --global-batch-size N gives it";

/// The sizes that metrics rest on: given, or as the log had stated them at the last record.
fn model(recorder: &Recorder, iterations: &Iterations) -> Model {
    let choose = |given: &Sourced, log: Option<(f64, String)>| {
        let (value, source) = log.unzip();
        if given.value.is_some() { given.clone() } else { Sourced { value, source } }
    };
    let from_log = |value: Option<f64>| value.map(|value| (value, "log".to_owned()));
    let facts = &recorder.facts;
    let has_records = iterations.timing.count() > 0;
    let parameters = facts.model_parameters().ok().map(|(value, source)| (value, source.to_owned()));
    let parameters = match iterations.parameters.last {
        // A statement after the last record is of another model, or of another program.
        Some(last) => Some((last, parameters.map_or_else(|| "log".to_owned(), |(_, source)| source))),
        None => parameters.filter(|_| !has_records),
    };
    let length = if has_records { iterations.sequence_length.last } else { facts.sequence_length };
    let batch = iterations.global_batch_size.or(facts.global_batch_size);
    let options = &recorder.options;
    Model {
        parameters: choose(&options.parameters, parameters),
        sequence_length: choose(&options.sequence_length, from_log(length)),
        global_batch_size: choose(&options.global_batch_size, from_log(batch)),
    }
}

/// How far the metrics that rest on iteration times may be off.
fn uncertainty(metrics: &Metrics, window: &Sums) -> BTreeMap<String, f64> {
    let error = window.iterations.relative_error();
    let error = if error.is_finite() { error } else { 0.0 };
    let is_timed = |metric: &Metric| {
        metric
            .basis
            .iter()
            .any(|basis| matches!(basis, Basis::IterationTime | Basis::Tokens | Basis::Samples))
    };
    let uncertain = |(metric, value): (&Metric, Option<f64>)| {
        let value = value.filter(|_| error > 0.0 && is_timed(metric))?;
        Some((metric.name.to_owned(), value.abs() * error))
    };
    metrics.each().filter_map(uncertain).collect()
}
