//! The threads that sample the GPUs at a steady rate: one opens the source and chooses among its GPUs, and each
//! GPU has its own, so that a GPU whose calls hang delays none of the others.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::reader::Reader;
use super::select::{GpuChoice, is_same_gpu, of_slurm_step};
use super::source::{GpuSource, UnopenedSource, open_first};
use super::sources;
use super::visible::VisibleGpus;
use crate::error::{Error, USAGE};
use crate::event::{Clock, Event, GpuIdentity, GpuQuantity};
use crate::process::Tree;
use crate::thread::wait_for_starting_threads;
use crate::thread::worker::{Grid, Stop, Worker};

/// How long the GPUs have to identify themselves. One that takes longer does not delay the others.
const IDENTIFY_TIMEOUT: Duration = Duration::from_millis(900);

/// Looks up an environment variable of the command.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Which GPUs to measure, and how often.
#[derive(Clone)]
pub struct Options {
    pub choice: GpuChoice,
    /// The choice as the user wrote it: `--gpus 0,1`.
    pub choice_origin: String,
    pub interval: Duration,
    /// The library that the source loads; `None` for the system's.
    pub library: Option<PathBuf>,
    /// The environment of the command.
    pub variables: Variables,
    /// The command's processes, where they can be found.
    pub processes: Option<Tree>,
}

/// A running sampler. Dropped, it ends by itself.
pub struct Sampler {
    /// `None` where there is nothing to measure.
    worker: Option<Worker>,
    /// Closed once there is a verdict.
    decided: Receiver<Infallible>,
    sampling: Sampling,
    /// The names of the sources that are tried.
    source: String,
}

/// Whether GPUs are measured; the message of the error tells why not. It is a usage error, if `--gpus` lists
/// a GPU that is not there.
type Verdict = Result<(), Error>;

/// What the sampler's threads share.
#[derive(Clone)]
struct Sampling {
    options: Options,
    clock: Clock,
    on_event: Arc<dyn Fn(Event) + Send + Sync>,
    verdict: Arc<OnceLock<Verdict>>,
}

impl Sampler {
    /// Starts to measure, and returns at once: the sampler's threads open the source, choose the GPUs and
    /// sample them, now and then at whole intervals.
    ///
    /// The threads call `on_event`: first with [`Event::GpusFound`], then with [`Event::Gpu`] for each reading
    /// of a GPU. Until the source has answered, and where it has no GPUs, [`Event::GpusUnavailable`] tells why.
    ///
    /// A library that hangs while it is loaded blocks threads that start later, so this comes after all other
    /// threads; see [`crate::thread`].
    pub fn spawn(options: Options, clock: Clock, on_event: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let sources = sources(options.library.clone());
        let on_event = Arc::new(on_event);
        Self::spawn_from(sources, Sampling { options, clock, on_event, verdict: Arc::default() })
    }

    fn spawn_from(sources: Vec<UnopenedSource>, sampling: Sampling) -> Self {
        let names: Vec<&str> = sources.iter().map(|source| source.name).collect();
        let (undecided, decided) = bounded(0);
        let mut sampler =
            Self { worker: None, decided, sampling: sampling.clone(), source: names.join(" and ") };
        if sampling.options.choice == GpuChoice::None {
            sampling.decide(Err(Error::failed(&sampling.options.choice_origin)));
            return sampler;
        }
        sampling.unavailable(format!("{} did not answer yet", sampler.source));
        crate::thread::init_thread_locals(); // the library may never finish loading
        let work = move |stop: Stop| {
            let undecided: Sender<Infallible> = undecided; // dropped by a panic, too
            wait_for_starting_threads();
            let started = sampling.start(sources, &stop);
            sampling.decide(started.as_ref().map(|_| ()).map_err(Error::clone));
            drop(undecided);
            if let Ok((source, gpus)) = started {
                sampling.watch_variables(source.as_ref(), &gpus, &stop);
            }
        };
        match Worker::spawn("effllm-gpu", work) {
            Ok(worker) => sampler.worker = Some(worker),
            Err(error) => {
                let reason = format!("the thread that reads the GPUs could not be started: {error}");
                sampler.sampling.decide(Err(Error::failed(reason)));
            }
        }
        sampler
    }

    /// Checks that the GPUs which `--gpus` lists are there. Where the source does not answer within `timeout`,
    /// they count as there, and the report has a warning.
    ///
    /// # Errors
    /// `--gpus` lists a GPU that is not there.
    pub fn check_list(&self, timeout: Duration) -> Result<(), Error> {
        let Sampling { options, on_event, .. } = &self.sampling;
        if !matches!(options.choice, GpuChoice::List(_)) {
            return Ok(());
        }
        match self.verdict(timeout) {
            Some(Err(refusal)) if refusal.exit == USAGE => return Err(refusal.clone()),
            Some(_) => {}
            None => on_event(Event::Warning(format!(
                "{}: not checked: {} did not answer within {} s",
                options.choice_origin,
                self.source,
                timeout.as_secs_f64()
            ))),
        }
        Ok(())
    }

    /// Why no GPU is measured, if that is certain within `timeout`.
    pub fn why_unavailable(&self, timeout: Duration) -> Option<String> {
        Some(self.verdict(timeout)?.as_ref().err()?.message.clone())
    }

    /// Takes a last sample, closes the source, and waits for both no longer than `patience`.
    ///
    /// False where the source hangs: its threads are left behind, and the report has a warning.
    pub fn finish(mut self, patience: Duration) -> bool {
        let is_finished = self.worker.take().is_none_or(|worker| worker.finish(patience));
        if !is_finished {
            let warning =
                format!("{} did not answer at the end: the last sample may be missing", self.source);
            (self.sampling.on_event)(Event::Warning(warning));
        } else if self.sampling.verdict.get().is_none() {
            self.sampling.unavailable(format!("the thread that opens {} failed", self.source));
        }
        is_finished
    }

    fn verdict(&self, timeout: Duration) -> Option<&Verdict> {
        let _ = self.decided.recv_timeout(timeout);
        self.sampling.verdict.get()
    }
}

impl Sampling {
    /// Opens the source, identifies and chooses the GPUs, and lets their threads sample.
    fn start(
        &self,
        sources: Vec<UnopenedSource>,
        stop: &Stop,
    ) -> Result<(Arc<dyn GpuSource>, Vec<GpuIdentity>), Error> {
        let (name, (source, count)) = open_first(sources).map_err(|none| Error::failed(none.reason))?;
        let (gpus, mut threads) = self.identify(name, &source, count, stop);
        let chosen = self.choose(source.as_ref(), &gpus)?;
        let starts: Vec<_> = chosen.iter().filter_map(|gpu| threads.remove(&gpu.index)).collect();
        (self.on_event)(Event::GpusFound(chosen.clone()));
        // One grid for all: they are sampled at the same moments.
        let grid = Grid::new(Instant::now(), self.options.interval);
        for start in starts {
            let _ = start.send(grid); // a thread that ended has no more samples
        }
        Ok((source, chosen))
    }

    /// Until the end, tells of GPUs that processes of the command choose by variables of their own.
    fn watch_variables(&self, source: &dyn GpuSource, gpus: &[GpuIdentity], stop: &Stop) {
        let Options { choice: GpuChoice::Auto, processes: Some(tree), variables, .. } = &self.options else {
            return;
        };
        let mut seen = VisibleGpus::new(gpus, source, variables.as_ref());
        let mut pause = Duration::from_millis(50);
        while stop.wait_until(Instant::now() + pause) {
            for (indices, because) in seen.look(tree) {
                (self.on_event)(Event::GpusVisible { indices, because });
            }
            pause = Duration::from_secs(30).min(pause * 3 / 2);
        }
    }

    /// Starts a thread for each GPU, and collects the identities of those that this user may see. A thread
    /// samples once it is sent a grid, and ends if the sender is dropped instead.
    fn identify(
        &self,
        name: &'static str,
        source: &Arc<dyn GpuSource>,
        count: u32,
        stop: &Stop,
    ) -> (Vec<GpuIdentity>, BTreeMap<u32, Sender<Grid>>) {
        let (send, identities) = bounded(count as usize);
        let mut threads = BTreeMap::new();
        for index in 0..count {
            let (start, started) = bounded(1);
            let (sampling, source, send) = (self.clone(), source.clone(), send.clone());
            let work = move |stop: Stop| {
                let gpu = source.gpu(index);
                let _ = send.send((index, gpu.as_ref().map(|gpu| gpu.identity())));
                drop(send);
                let (Some(gpu), Ok(grid)) = (gpu, started.recv()) else { return };
                sampling.sample(Reader::new(index, gpu, sampling.options.processes.clone()), grid, &stop);
            };
            if stop.spawn(&format!("effllm-gpu-{index}"), work).is_ok() {
                threads.insert(index, start);
            }
        }
        drop(send);
        let deadline = Instant::now() + IDENTIFY_TIMEOUT;
        let mut found: BTreeMap<_, _> = (0..count).map(|index| (index, Some(unknown(name, index)))).collect();
        found.extend(std::iter::from_fn(|| identities.recv_deadline(deadline).ok()));
        (found.into_values().flatten().collect(), threads)
    }

    fn sample(&self, mut reader: Reader<'_>, grid: Grid, stop: &Stop) {
        let mut sample = || (self.on_event)(Event::Gpu(vec![reader.sample(self.clock)]));
        sample();
        while stop.wait_until(grid.next_after(Instant::now())) {
            sample();
        }
        sample(); // the energy counter's value when the command has ended
    }

    /// The GPUs to measure, each once.
    fn choose(&self, source: &dyn GpuSource, gpus: &[GpuIdentity]) -> Result<Vec<GpuIdentity>, Error> {
        if gpus.is_empty() {
            return Err(Error::failed("the GPUs of this node belong to other users"));
        }
        let Options { choice, choice_origin, variables, .. } = &self.options;
        let visible = || {
            let selection = source.visible_to_command(gpus, variables.as_ref());
            selection.or_else(|| of_slurm_step(variables.as_ref(), gpus))
        };
        let selection = choice.select(gpus, visible, choice_origin)?;
        let mut chosen: Vec<GpuIdentity> = Vec::new();
        for index in &selection.indices {
            let Some(gpu) = gpus.iter().find(|gpu| gpu.index == *index) else { continue };
            match chosen.iter_mut().find(|known| is_same_gpu(known, gpu)) {
                Some(known) => known.listed_again.push(*index),
                None => {
                    let selected_because = selection.reason.clone();
                    let may_be_unused = *choice == GpuChoice::Auto;
                    chosen.push(GpuIdentity { selected_because, may_be_unused, ..gpu.clone() });
                }
            }
        }
        if chosen.is_empty() { Err(Error::failed(selection.reason)) } else { Ok(chosen) }
    }

    /// Keeps the verdict, and tells the reader of the report why no GPU is measured.
    fn decide(&self, verdict: Verdict) {
        if let Err(Error { message, .. }) = &verdict {
            let Options { choice, choice_origin, .. } = &self.options;
            if matches!(choice, GpuChoice::List(_)) {
                (self.on_event)(Event::Warning(format!(
                    "{choice_origin}: no GPU is measured: {message}; 'effllm gpus' lists the GPUs"
                )));
            }
            self.unavailable(message.clone());
        }
        let _ = self.verdict.set(verdict);
    }

    fn unavailable(&self, reason: String) {
        (self.on_event)(Event::GpusUnavailable { reason });
    }
}

/// A GPU that has not identified itself.
fn unknown(source: &'static str, index: u32) -> GpuIdentity {
    let facts = ["uuid", "name", "memory_total_bytes", "power_limit_watts"].into_iter();
    let names = facts.chain(GpuQuantity::ALL.iter().map(|quantity| quantity.name()));
    let reason = |name| (name, format!("{source} did not answer when it was asked for this GPU"));
    GpuIdentity { source, index, unavailable: names.map(reason).collect(), ..GpuIdentity::default() }
}

#[cfg(test)]
mod tests;
