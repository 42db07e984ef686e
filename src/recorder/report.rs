//! Draws the sums up into a report.

use crate::metrics::registry::Metrics;
use crate::metrics::{Latencies, Rate};
use crate::report::Report;
use crate::report::{
    Iterations, Latency, LatencyBin, Model, Phase, PhaseName, SCHEMA, Series, Sourced, Window as WindowName,
};

use super::amount_counter::{Amount, AmountCounter};
use super::headline::{Headline, Window};
use super::progression::{Progression, SAMPLES_BY_RATE, TOKENS_BY_RATE, Timing};
use super::{Given, Recorder};

impl Recorder {
    /// The report as things stand at a moment.
    pub fn report(&self, now: f64) -> Report {
        let end = self.ended.unwrap_or(now);
        let progression = self.progression.settled();
        let model = self.model(&progression);
        let live = self.command.started_at.is_some();
        let wall = live.then_some((end - self.started).max(0.0));
        let running = wall.map(|wall| (wall - self.suspended_seconds).max(0.0));
        let (window, from, to) = self.window(&progression, end);
        let source = Source { recorder: self, progression: &progression, model: &model, wall: running };
        let headline = Headline::new(&source.over(from, to, Which::Counted));
        let whole_run = Headline::new(&source.over(self.started, end, Which::All));
        let mut command = self.command.clone();
        command.wall_seconds = wall;
        command.suspended_seconds = live.then_some(self.suspended_seconds);
        command.cpu_seconds = command.cpu_seconds.or(self.host.cpu_seconds());
        let mut job = self.job.clone();
        job.world_size = self.facts.job_world_size().map(|world| world as u64);
        job.nodes = self.facts.nodes.map(|nodes| nodes as u64);
        Report {
            schema: SCHEMA.to_owned(),
            effllm_version: env!("CARGO_PKG_VERSION").to_owned(),
            status: self.status,
            command,
            job,
            gpus: self.gpus.iter().map(|gpu| gpu.report(self.started, end)).collect(),
            host: self.host.report(self.started, end),
            log: self.log.clone(),
            iterations: self.iterations(&progression, source.amounts(Which::Counted)),
            window,
            phases: if live && window == WindowName::Train {
                self.phases((from, to), end)
            } else {
                Vec::new()
            },
            metrics: headline.metrics,
            metrics_whole_run: whole_run.metrics,
            provenance: headline.provenance,
            unavailable: headline
                .unavailable
                .into_iter()
                .chain(self.unknowable.clone())
                .chain(progression.divergence.on_resume().map(|why| ("iterations.loss_last".to_owned(), why)))
                .collect(),
            warnings: self.all_warnings(from, to, &model),
            series: Series {
                gpus: self.gpus.iter().map(|gpu| gpu.series(self.started)).collect(),
                iterations: progression.series(self.started),
            },
            gate: None,
            model,
        }
    }

    /// Of the `metrics` of the report at a moment, those that the original EfficientLLM monitor
    /// has: for those who ask often.
    pub fn original_metrics(&self, now: f64) -> Metrics {
        let end = self.ended.unwrap_or(now);
        let progression = self.progression.settled();
        let model = self.model(&progression);
        let (_, from, to) = self.window(&progression, end);
        let source = Source { recorder: self, progression: &progression, model: &model, wall: None };
        source.over(from, to, Which::Counted).originals()
    }

    /// What the headline metrics are taken over.
    fn window(&self, progression: &Progression, end: f64) -> (WindowName, f64, f64) {
        match progression.window() {
            Some((from, to)) => (WindowName::Train, from.max(self.started), to.min(end)),
            None if progression.train.iterations > 0 => (WindowName::Train, self.started, end),
            None => (WindowName::Run, self.started, end),
        }
    }

    fn model(&self, progression: &Progression) -> Model {
        let from_log = |value: Option<f64>, source: &str| value.map(|value| (value, source.to_owned()));
        let choose = |given: &Option<Given>, log: Option<(f64, String)>| {
            let given = given.as_ref().map(|given| (given.value, given.source.clone()));
            let (value, source) = given.or(log).unzip();
            Sourced { value, source }
        };
        let parameters = self.facts.model_parameters();
        let batch = progression.global_batch_size.or(self.facts.global_batch_size);
        Model {
            parameters: choose(
                &self.options.parameters,
                parameters.ok().map(|(n, source)| (n, source.to_owned())),
            ),
            sequence_length: choose(
                &self.options.sequence_length,
                from_log(self.facts.sequence_length, "log"),
            ),
            global_batch_size: choose(&self.options.global_batch_size, from_log(batch, "log")),
        }
    }

    fn iterations(&self, progression: &Progression, amounts: Amounts) -> Iterations {
        let train = &progression.train;
        let seconds = (train.latencies.count > 0).then_some(train.latencies.seconds);
        Iterations {
            count: train.iterations,
            warmup: progression.run.iterations - train.iterations,
            first: progression.first,
            last: progression.last_iteration(),
            total: progression.total_iterations.or(self.facts.total_iterations),
            tokens: amounts.tokens.ok().map(|tokens| tokens.total.round()),
            samples: amounts.samples.ok().map(|samples| samples.total.round()),
            timed: train.latencies.count,
            seconds,
            latency_seconds: latency(&train.latencies),
            latency_histogram: histogram(&train.latencies),
            loss_last: progression.loss,
        }
    }

    /// What came before, in and after the time between two moments.
    fn phases(&self, (from, to): (f64, f64), end: f64) -> Vec<Phase> {
        let energy = |from, to| {
            let joules = self.gpus.iter().map(|gpu| gpu.whole_energy(from, to).ok());
            joules.sum::<Option<f64>>().filter(|_| !self.gpus.is_empty())
        };
        let phase = |name, from: f64, to: f64| Phase {
            name,
            from_seconds: from - self.started,
            to_seconds: to - self.started,
            energy_joules: energy(from, to),
        };
        [
            phase(PhaseName::Startup, self.started, from),
            phase(PhaseName::Training, from, to),
            phase(PhaseName::After, to, end),
        ]
        .into_iter()
        .filter(|phase| phase.to_seconds > phase.from_seconds)
        .collect()
    }

    fn all_warnings(&self, from: f64, to: f64, model: &Model) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(self.gpus.iter().flat_map(|gpu| gpu.warnings(from, to)));
        let progression = &self.progression;
        warnings.extend(progression.divergence.warning());
        for (count, what) in [
            (progression.rejected_times, "times"),
            (progression.samples.rejected, "numbers of samples"),
            (progression.tokens.rejected, "numbers of tokens"),
        ] {
            if count > 0 {
                warnings.push(format!("{what} that the log states were left out {count} times: the lines around them speak against them"));
            }
        }
        let is_long = to - from > 5.0;
        let gaps: Vec<_> = self.gpus.iter().filter(|_| is_long).filter_map(|gpu| gpu.gap(from, to)).collect();
        if !gaps.is_empty() {
            warnings.push(format!("readings cover only a part of the time: {}", gaps.join("; ")));
        }
        if let Some(world) = self.facts.job_world_size().filter(|world| *world < self.gpus.len() as f64) {
            let measured = self.gpus.len();
            warnings.push(format!(
                "the log speaks for {world} GPUs, {measured} were measured; --gpus names those of the job"
            ));
        }
        if model.parameters.source.as_deref() == Some("log, trainable parameters") {
            warnings.push(
                "the log names only the trainable parameters; if a base model is frozen, give --params"
                    .into(),
            );
        }
        warnings
    }
}

fn latency(latencies: &Latencies) -> Latency {
    Latency {
        mean: latencies.mean(),
        p50: latencies.quantile(0.5),
        p95: latencies.quantile(0.95),
        p99: latencies.quantile(0.99),
        max: latencies.max,
    }
}

/// Bins of a histogram in a report.
const MOST_BINS: usize = 256;

fn histogram(latencies: &Latencies) -> Vec<LatencyBin> {
    let bin = |bin: crate::metrics::latency::Bin| LatencyBin {
        from_seconds: bin.from_seconds,
        to_seconds: bin.to_seconds,
        iterations: bin.iterations,
    };
    latencies.bins(MOST_BINS).into_iter().map(bin).collect()
}

/// Tokens and samples of a window, or why they are not known.
struct Amounts {
    tokens: Result<Amount, String>,
    tokens_source: String,
    samples: Result<Amount, String>,
    samples_source: String,
}

/// The iterations that metrics speak of: those of the headline window, or the warm-up's too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Counted,
    All,
}

/// What the headline of any window is made from.
struct Source<'a> {
    recorder: &'a Recorder,
    progression: &'a Progression,
    model: &'a Model,
    wall: Option<f64>,
}

impl Source<'_> {
    fn over(&self, from: f64, to: f64, which: Which) -> Window<'_> {
        let amounts = self.amounts(which);
        let parameters = &self.model.parameters;
        let parameters_source = match (parameters.value, &parameters.source) {
            (Some(value), Some(source)) => format!("{value:.2e} parameters ({source})"),
            _ => String::new(),
        };
        Window {
            from,
            to,
            gpus: &self.recorder.gpus,
            no_gpus: self.recorder.gpus_unavailable.as_deref().unwrap_or("no GPU was measured"),
            sums: if which == Which::Counted { &self.progression.train } else { &self.progression.run },
            tokens: amounts.tokens,
            samples: amounts.samples,
            parameters: parameters
                .value
                .ok_or_else(|| "the number of parameters is not known; --params N gives it".to_owned()),
            world_size: self.recorder.facts.job_world_size(),
            wall: self.wall,
            no_iterations: self.no_iterations(),
            timing_source: match self.progression.timing {
                Some(Timing::Stated) => "log, stated iteration time",
                Some(Timing::Arrival) => "arrival of the log's lines",
                Some(Timing::LogClock) => "the log's own clock",
                None => "",
            },
            tokens_source: amounts.tokens_source,
            samples_source: amounts.samples_source,
            parameters_source,
        }
    }

    fn amounts(&self, which: Which) -> Amounts {
        let of = |meter: &AmountCounter| meter.amount(which == Which::Counted);
        let nothing = || self.no_iterations().to_owned();
        let sums = if which == Which::Counted { &self.progression.train } else { &self.progression.run };
        let has_iterations = sums.iterations > 0;
        let samples = of(&self.progression.samples).ok_or_else(|| {
            let unknown = "neither samples nor a batch size are known; --global-batch-size N gives it";
            if has_iterations { unknown.to_owned() } else { nothing() }
        });
        let samples_source = self.progression.samples.source.to_owned();
        // Whole samples are worth more than a rate times a time.
        let estimated = self.progression.tokens.source == TOKENS_BY_RATE && samples_source != SAMPLES_BY_RATE;
        let (tokens, tokens_source) =
            match (of(&self.progression.tokens), self.tokens_of_samples(&samples, &samples_source)) {
                (Some(_), (Ok(tokens), source)) if estimated => (Ok(tokens), source),
                (Some(tokens), _) => (Ok(tokens), self.progression.tokens.source.to_owned()),
                (None, of_samples) => of_samples,
            };
        Amounts { tokens, tokens_source, samples, samples_source }
    }

    /// Tokens that the log does not state: samples times their length.
    fn tokens_of_samples(
        &self,
        samples: &Result<Amount, String>,
        source: &str,
    ) -> (Result<Amount, String>, String) {
        let Some(length) = self.model.sequence_length.value else {
            let unknown = "tokens are not stated and the sequence length is not known; --seq-len N gives it";
            let why = samples.as_ref().err().cloned().unwrap_or_else(|| unknown.to_owned());
            return (Err(why), String::new());
        };
        let times_length = |samples: &Amount| Amount {
            total: samples.total * length,
            rate: Rate { amount: samples.rate.amount * length, seconds: samples.rate.seconds },
        };
        let tokens = samples.as_ref().map(times_length).map_err(Clone::clone);
        (tokens, format!("{source} × sequence length {length}"))
    }

    fn no_iterations(&self) -> &'static str {
        if let Some(reason) = self.recorder.log_unavailable {
            reason
        } else if self.progression.run.iterations > 0 {
            "no iterations were counted: the warm-up took them all"
        } else {
            "no iterations were recognised in the log"
        }
    }
}
