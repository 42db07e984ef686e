//! The threads that read the GPUs at a steady rate: one opens NVML and chooses among the GPUs, and
//! each GPU has one of its own, so that a GPU whose calls hang holds up none of the others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::nvml::{Gpu, Library};
use super::select::{GpuChoice, Present};
use crate::error::Error;
use crate::event::{Clock, Event, GpuIdentity};
use crate::thread::worker::{Grid, Stop, Worker};

/// How long the command's start may be held up for NVML.
const START_PATIENCE: Duration = Duration::from_secs(2);
/// How much of it is for the GPUs to say what they are, and for their first samples: a GPU that
/// hangs is not to cost the others theirs.
const PROBE_PATIENCE: Duration = Duration::from_millis(900);
const SAMPLE_PATIENCE: Duration = Duration::from_millis(600);

/// What to measure, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    pub choice: GpuChoice,
    /// The choice as the user has given it: `--gpus 0,1`.
    pub asked: String,
    pub interval: Duration,
    /// The NVML library; `None` for the system's libnvidia-ml.so.1.
    pub library: Option<PathBuf>,
    /// CUDA_VISIBLE_DEVICES of the command.
    pub visible_devices: Option<String>,
    /// CUDA_DEVICE_ORDER of the command.
    pub device_order: Option<String>,
}

/// How measuring began.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// The first samples are taken.
    Measuring { gpus: Vec<GpuIdentity>, driver: Option<String> },
    /// No GPU will be measured.
    Unavailable { reason: String },
    /// NVML has not answered yet. [`Event::GpusFound`] and samples follow if it does.
    Late { reason: String },
}

/// The thread's answer to its start: an error is a `--gpus` that names a GPU that is not there.
type Answer = Result<Start, Error>;

/// A running sampler. Dropped, it ends by itself.
#[derive(Debug)]
pub struct Sampler(Option<Worker>);

impl Sampler {
    /// Opens NVML, chooses the GPUs and takes the first sample, so that it lies before the start of
    /// the command; goes on without an answer after 2 s. Samples are due whole intervals after the
    /// first one.
    ///
    /// `on_event` is called from the sampler's threads: first with one [`Event::GpusFound`], then
    /// with an [`Event::Gpu`] for each reading of a GPU.
    ///
    /// # Errors
    /// `--gpus` lists a GPU that is not there.
    pub fn start(
        options: Options,
        clock: Clock,
        on_event: impl Fn(Event) + Clone + Send + 'static,
    ) -> Result<(Self, Start), Error> {
        if options.choice == GpuChoice::None {
            return Ok((Self(None), Start::Unavailable { reason: options.asked }));
        }
        crate::thread::init_thread_locals(); // NVML may never come back from being loaded
        let (answer, answered) = bounded(1);
        let work = move |stop: Stop| measure(&options, clock, &on_event, &stop, &answer);
        let thread = match Worker::spawn("effllm-gpu", work) {
            Ok(thread) => thread,
            Err(error) => {
                let reason = format!("the thread that reads NVML could not be started: {error}");
                return Ok((Self(None), Start::Unavailable { reason }));
            }
        };
        let start = match answered.recv_timeout(START_PATIENCE) {
            Ok(answer) => answer?,
            Err(RecvTimeoutError::Timeout) => {
                Start::Late { reason: format!("NVML did not answer within {} s", START_PATIENCE.as_secs()) }
            }
            Err(RecvTimeoutError::Disconnected) => {
                Start::Unavailable { reason: "the thread that reads NVML died".to_owned() }
            }
        };
        Ok((Self(Some(thread)), start))
    }

    /// Takes a last sample, shuts NVML down, and waits for both no longer than `patience`.
    ///
    /// False where NVML hangs; the thread is then left behind.
    pub fn finish(self, patience: Duration) -> bool {
        self.0.is_none_or(|thread| thread.finish(patience))
    }
}

/// What a GPU said of itself, or nothing if it is another user's.
type Probe = (u32, Option<(Present, GpuIdentity)>);

/// The first thread's life. That nobody waits for the answer any more is no reason not to measure.
fn measure(
    options: &Options,
    clock: Clock,
    on_event: &(impl Fn(Event) + Clone + Send + 'static),
    stop: &Stop,
    answer: &Sender<Answer>,
) {
    let unavailable = |reason| Ok(Start::Unavailable { reason });
    let opened = Library::open(options.library.as_deref()).map(Arc::new);
    let gpus = opened.and_then(|library| {
        let count = library.count()?;
        Ok((probe(&library, count, clock, on_event, stop), library))
    });
    let ((probes, threads), library) = match gpus {
        Ok(gpus) => gpus,
        Err(reason) => return drop(answer.send(unavailable(reason))),
    };
    let (identities, threads) = match choose(options, &probes, threads) {
        Ok(chosen) => chosen,
        Err(none) => return drop(answer.send(none)),
    };
    let driver = library.driver();
    on_event(Event::GpusFound(identities.clone()));
    // One grid for all: they are sampled at the same moments.
    let grid = Grid::new(Instant::now(), options.interval);
    let (sampling, sampled) = bounded(0);
    for thread in threads {
        let _ = thread.send((grid, sampling.clone())); // full or gone: it cannot be
    }
    drop(sampling);
    let _ = sampled.recv_timeout(SAMPLE_PATIENCE);
    let _ = answer.send(Ok(Start::Measuring { gpus: identities, driver }));
}

/// Tells a GPU's thread to sample: when, and whom to tell of the first sample, by dropping this.
type Go = (Grid, Sender<std::convert::Infallible>);

/// Starts a thread for each GPU and asks what it is. Which of them are to go on is said later.
fn probe(
    library: &Arc<Library>,
    count: u32,
    clock: Clock,
    on_event: &(impl Fn(Event) + Clone + Send + 'static),
    stop: &Stop,
) -> (Vec<Probe>, BTreeMap<u32, Sender<Go>>) {
    let (send, probes) = bounded(count as usize);
    let mut threads = BTreeMap::new();
    for index in 0..count {
        let (go, start) = bounded(1);
        let (library, on_event, send) = (library.clone(), on_event.clone(), send.clone());
        let work = move |stop: Stop| sample(&library, index, clock, &on_event, &stop, send, &start);
        if stop.spawn(&format!("effllm-gpu-{index}"), work).is_ok() {
            threads.insert(index, go);
        }
    }
    drop(send);
    let deadline = Instant::now() + PROBE_PATIENCE;
    let mut found: Vec<Probe> = std::iter::from_fn(|| probes.recv_deadline(deadline).ok()).collect();
    for index in 0..count {
        if !found.iter().any(|(known, _)| *known == index) {
            let silent = (Present { index, ..Present::default() }, silent(index));
            found.push((index, Some(silent)));
        }
    }
    found.sort_by_key(|(index, _)| *index);
    (found, threads)
}

/// A GPU of which nothing is known but that it is there.
fn silent(index: u32) -> GpuIdentity {
    let facts = ["uuid", "name", "memory_total_bytes", "power_limit_watts"].into_iter();
    let reason = |what| (what, "NVML did not answer when asked for this GPU".to_owned());
    GpuIdentity {
        index,
        uuid: None,
        name: None,
        memory_total_bytes: None,
        reserved_is_used: false,
        power_limit_watts: None,
        selected_because: String::new(),
        listed_again: Vec::new(),
        unavailable: facts.chain(Gpu::quantities()).map(reason).collect(),
    }
}

/// The life of a GPU's thread.
fn sample(
    library: &Library,
    index: u32,
    clock: Clock,
    on_event: &impl Fn(Event),
    stop: &Stop,
    probe: Sender<Probe>,
    start: &Receiver<Go>,
) {
    let gpu = library.gpu(index);
    let _ = probe.send((index, gpu.as_ref().map(|gpu| (gpu.present(), gpu.identity("")))));
    drop(probe);
    // Closed without a word: it is not one of those to measure.
    let (Some(mut gpu), Ok((grid, sampling))) = (gpu, start.recv()) else { return };
    let mut sample = || on_event(Event::Gpu(vec![gpu.sample(clock)]));
    sample();
    drop(sampling);
    while stop.wait_until(grid.next_after(Instant::now())) {
        sample();
    }
    sample(); // what the energy counter shows when the command has ended
}

/// The GPUs to measure and their threads, or the answer where there are none.
fn choose(
    options: &Options,
    probes: &[Probe],
    mut threads: BTreeMap<u32, Sender<Go>>,
) -> Result<(Vec<GpuIdentity>, Vec<Sender<Go>>), Answer> {
    let unavailable = |reason| Ok(Start::Unavailable { reason });
    let seen = || probes.iter().filter_map(|(_, probe)| probe.as_ref());
    let present: Vec<Present> = seen().map(|(present, _)| present.clone()).collect();
    if present.is_empty() {
        return Err(unavailable("NVML shows no GPU on this node".to_owned()));
    }
    let selection = options
        .choice
        .select(&present, options.visible_devices.as_deref(), options.device_order.as_deref(), &options.asked)
        .map_err(Err)?;
    let mut chosen: Vec<(&Present, GpuIdentity)> = Vec::new();
    for index in &selection.indices {
        let Some((present, identity)) = seen().find(|(present, _)| present.index == *index) else { continue };
        match chosen.iter_mut().find(|(known, _)| known.is(present)) {
            Some((_, known)) => known.listed_again.push(*index),
            None => {
                let selected_because = selection.because.clone();
                chosen.push((present, GpuIdentity { selected_because, ..identity.clone() }));
            }
        }
    }
    if chosen.is_empty() {
        return Err(unavailable(selection.because));
    }
    let threads = chosen.iter().filter_map(|(present, _)| threads.remove(&present.index)).collect();
    Ok((chosen.into_iter().map(|(_, identity)| identity).collect(), threads))
}
