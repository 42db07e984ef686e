//! Folds the sources' events into a report.
//!
//! [`iterations`] counts iterations ([`first_record`]), [`timing`] times them, [`amounts`] counts tokens and samples,
//! [`serving`] the tokens of inference servers. [`timeline`] divides the run into stretches, and
//! [`phases`] sums up the readings that [`gpu`] integrates over each. [`host`] follows the process tree,
//! [`downsample`] keeps points for plots, and [`report`] makes a report of all of it.

mod amount_counter;
mod amounts;
mod divergence;
mod downsample;
mod first_record;
mod gpu;
mod host;
mod iterations;
mod phases;
mod report;
mod serving;
mod sizes;
mod tenants;
#[cfg(test)]
mod tests;
mod timeline;
mod timing;
mod warnings;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{Event, Facts, GpuIdentity, GpuProcesses, Stated};
use crate::report::{Command, Environment, Job, Log, Sourced, Status};

use gpu::GpuTrack;
use host::HostTrack;
use iterations::Iterations;
use phases::Phases;
use sizes::Sizes;
use tenants::joins_late;

/// What the user said of the run, where the log does not or need not.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub parameters: Sourced,
    pub sequence_length: Sourced,
    pub global_batch_size: Sourced,
    /// Iterations left out of the headline window.
    pub warmup: u64,
    /// Points kept for each plot.
    pub history_size: usize,
    /// Seconds between two samples.
    pub interval: f64,
}

/// Everything that is known of a run, in constant memory.
#[derive(Debug, Default)]
pub struct Recorder {
    options: Options,
    command: Command,
    job: Job,
    /// The machine and the software that the command runs on.
    pub environment: Environment,
    status: Status,
    /// The run's start and, once it is over, its end.
    started: f64,
    ended: Option<f64>,
    facts: Facts,
    pub log: Log,
    pub last_record_at: Option<f64>,
    iterations: Iterations,
    phases: Phases,
    /// Pauses that were told of while the first record waits for the second.
    early_pauses: Vec<(f64, Arc<str>)>,
    gpus: Vec<GpuTrack>,
    gpus_unavailable: Option<String>,
    /// Why the log is not read.
    pub log_unavailable: Option<&'static str>,
    host: HostTrack,
    /// When the command was stopped, if it is, and for how long it was before.
    stopped_at: Option<f64>,
    suspended_seconds: f64,
    warnings: Vec<String>,
    /// What cannot be known of this run, and why.
    unknowable: BTreeMap<String, String>,
    /// The run was going on before: its next iteration is where counting begins.
    joins: bool,
}

/// Warnings kept; a fault that recurs is told once by whoever tells it.
const MOST_WARNINGS: usize = 100;

impl Recorder {
    /// A run that begins with its clock.
    pub fn new(options: Options, command: Command, job: Job) -> Self {
        let iterations = Iterations::new(options.warmup, options.history_size);
        let host = HostTrack::new(largest_gap(options.interval));
        Self { options, command, job, iterations, host, ..Self::default() }
    }

    /// Takes in one event.
    pub fn fold(&mut self, event: Event) {
        match event {
            // What is drawn while the command is stopped is not its own.
            Event::Gpu(_) | Event::Host(_) if self.stopped_at.is_some() => {}
            // From before the run: kept back until the log's profile was known.
            Event::Progress(record) if record.at.is_some_and(|at| at < self.started) => {}
            Event::Progress(mut record) => {
                self.log.records += u64::from(!record.baseline);
                if self.joins && record.iteration.is_some() {
                    (record.baseline, self.joins) = (true, false);
                }
                self.last_record_at = record.at;
                let sizes = self.sizes(record.at);
                self.iterations.record(&record, &sizes);
                if record.iteration.is_some() && !record.baseline {
                    self.facts.resume_iteration = None; // it was used
                }
                let mut work = std::mem::take(&mut self.iterations.work).into_iter();
                work.next().into_iter().for_each(|work| self.phases.work(work));
                if !self.iterations.is_opening() {
                    // The work of a first record came before the pauses that followed it.
                    let pauses = std::mem::take(&mut self.early_pauses);
                    pauses.iter().for_each(|(at, name)| self.phases.pause(*at, name));
                }
                work.for_each(|work| self.phases.work(work));
            }
            Event::Facts(facts) => self.facts = *facts,
            Event::Pause { at, name } => {
                if self.iterations.interrupt(at) {
                    self.phases.forget_newest_time();
                }
                match at {
                    Some(at) if self.iterations.is_opening() => self.early_pauses.push((at, name)),
                    Some(at) => self.phases.pause(at, &name),
                    None => {}
                }
            }
            Event::Restart { at } => {
                self.phases.restart(at);
                self.iterations.restart(at);
                self.take_work();
                self.warn("training began again from an earlier iteration; its iterations are counted on");
            }
            Event::LogRead { lines, bytes } => (self.log.lines, self.log.bytes) = (lines, bytes),
            Event::Profile { name, because } => {
                self.log.profile = Some(name);
                self.log.profile_source = Some(because);
            }
            Event::GpusFound(found) => {
                let largest_gap = largest_gap(self.options.interval);
                let keys = keys(&found);
                let track = |(gpu, key)| GpuTrack::new(gpu, key, largest_gap, self.options.history_size);
                self.gpus = found.into_iter().zip(keys).map(track).collect();
                self.gpus_unavailable = None;
            }
            Event::GpusVisible { indices, because } => {
                let chosen = self.gpus.iter_mut().filter(|gpu| indices.contains(&gpu.identity.index));
                chosen.for_each(|gpu| {
                    gpu.tenants.chosen_by.get_or_insert_with(|| because.clone());
                });
            }
            Event::GpusUnavailable { reason } => self.no_gpus(reason),
            Event::Warning(warning) => self.warn(warning),
            Event::Gpu(samples) => {
                for sample in samples {
                    let index = sample.index;
                    if let Some(track) =
                        self.gpus.iter_mut().find(|track| track.identity.index == sample.index)
                    {
                        let (at, processes) = (sample.at, sample.processes);
                        track.push(sample);
                        if let Some(processes) = processes {
                            self.look_at(index, at, processes);
                        }
                        self.phases.settle(&mut self.gpus, at, largest_gap(self.options.interval));
                    }
                }
            }
            Event::Host(sample) => self.host.push(sample),
        }
    }

    /// Takes in who was on a GPU.
    fn look_at(&mut self, index: u32, at: f64, processes: GpuProcesses) {
        let is_late = self.iterations.timing.count() > 0 && joins_late(&self.gpus, at);
        let Some(gpu) = self.gpus.iter_mut().find(|gpu| gpu.identity.index == index) else { return };
        if gpu.tenants.look(at, processes) && is_late && gpu.identity.may_be_unused {
            gpu.integral.counts_from = at;
            self.phases.joins(&gpu.facts.key);
        }
    }

    /// No GPU is measured, or none yet, and why.
    pub fn no_gpus(&mut self, reason: String) {
        if self.gpus.is_empty() {
            self.gpus_unavailable = Some(reason);
        }
    }

    /// What is measured was running before: the first record speaks of time that was not measured,
    /// and says only where counting begins. Its log is read every `poll_seconds`.
    pub fn join(&mut self, poll_seconds: f64) {
        self.joins = true;
        // Two arrivals may each be seen a poll too late.
        self.iterations.timing.arrival_resolution = 2.0 * poll_seconds;
    }

    /// Something of the report stays null, and why.
    pub fn cannot_know(&mut self, name: &str, why: &str) {
        self.unknowable.insert(name.to_owned(), why.to_owned());
    }

    /// The command has started, at this moment and this date (RFC 3339): what was sampled before
    /// counts in no average.
    pub fn started(&mut self, at: f64, date: String) {
        self.started = at;
        self.phases = Phases::starting(at);
        self.command.started_at = Some(date);
    }

    /// The command and effllm stop here: what passes until they go on counts in no average.
    pub fn suspended(&mut self, at: f64) {
        self.stopped_at = Some(at);
        self.interrupt();
    }

    /// The command and effllm have gone on.
    pub fn resumed(&mut self, at: f64) {
        if let Some(stopped) = self.stopped_at.take() {
            self.suspended_seconds += (at - stopped).max(0.0);
            self.phases.timeline.suspended(stopped, at);
        }
        self.interrupt();
    }

    fn interrupt(&mut self) {
        self.gpus.iter_mut().for_each(|gpu| gpu.integral.interrupt());
        self.host.interrupt();
        self.iterations.suspend();
        self.phases.confirm();
    }

    /// Measuring has ended, though the last lines may still be read.
    pub fn close(&mut self, at: f64) {
        self.phases.timeline.close(at);
    }

    /// The command has ended.
    pub fn ended(&mut self, at: f64, status: Status, finish: impl FnOnce(&mut Command)) {
        self.ended = Some(at);
        self.status = status;
        self.iterations.settle();
        self.take_work();
        if self.iterations.finish() {
            self.phases.forget_newest_time();
        }
        self.phases.confirm();
        finish(&mut self.command);
    }

    /// Something that the reader should know before trusting a number; told once.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if self.warnings.len() < MOST_WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The last record's iteration.
    pub fn last_iteration(&self) -> Option<u64> {
        self.iterations.last_iteration()
    }

    /// Divides the time before the iterations that were counted.
    fn take_work(&mut self) {
        self.iterations.work.drain(..).for_each(|work| self.phases.work(work));
    }

    fn sizes(&self, at: Option<f64>) -> Sizes {
        let options = &self.options;
        let parameters = options.parameters.value.map(|value| Stated { value, half_unit: 0.0 });
        Sizes {
            global_batch_size: options.global_batch_size.value.or(self.facts.global_batch_size),
            sequence_length: options.sequence_length.value.or(self.facts.sequence_length),
            tokens_per_iteration: self.facts.tokens_per_iteration,
            world_size: self.facts.job_world_size(),
            log_interval: self.facts.log_interval,
            resume_iteration: self.facts.resume_iteration,
            parameters: parameters.or_else(|| self.facts.stated_parameters()),
            elapsed: at.map(|at| at - self.started),
        }
    }
}

/// Readings further apart than this are not joined: something kept them from being taken.
fn largest_gap(interval: f64) -> f64 {
    (3.0 * interval).max(1.0)
}

/// What names each GPU in sums: its UUID; its index where that is unknown, or where two GPUs share it.
fn keys(gpus: &[GpuIdentity]) -> Vec<String> {
    let is_alone = |uuid: &str| gpus.iter().filter(|gpu| gpu.uuid.as_deref() == Some(uuid)).count() == 1;
    let key = |gpu: &GpuIdentity| match &gpu.uuid {
        Some(uuid) if is_alone(uuid) => uuid.clone(),
        _ => format!("index {}", gpu.index),
    };
    gpus.iter().map(key).collect()
}
