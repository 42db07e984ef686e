//! The thread that reads the GPUs at a steady rate.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::nvml::{Gpu, Library};
use super::select::{GpuChoice, Present};
use crate::error::Error;
use crate::model::{Clock, Event, GpuIdentity};
use crate::periodic::{Grid, Periodic, Stop};

/// How long the command's start may be held up for NVML.
const START_PATIENCE: Duration = Duration::from_secs(2);

/// What to measure, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    pub choice: GpuChoice,
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
pub struct Sampler(Option<Periodic>);

impl Sampler {
    /// Opens NVML, chooses the GPUs and takes the first sample, so that it lies before the start of
    /// the command; goes on without an answer after 2 s. Samples are due whole intervals after the
    /// first one.
    ///
    /// `on_event` is called from the sampler's thread: first with one [`Event::GpusFound`], then
    /// with an [`Event::Gpu`] for each reading.
    ///
    /// # Errors
    /// `--gpus` lists a GPU that is not there.
    pub fn start(
        options: Options,
        clock: Clock,
        on_event: impl Fn(Event) + Send + 'static,
    ) -> Result<(Self, Start), Error> {
        if options.choice == GpuChoice::None {
            return Ok((Self(None), Start::Unavailable { reason: "--gpus none".to_owned() }));
        }
        let (answer, answered) = bounded(1);
        let work = move |stop: Stop| measure(&options, clock, &on_event, &stop, &answer);
        let thread = match Periodic::spawn("effllm-gpu", work) {
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

/// The thread's life. That nobody waits for the answer any more is no reason not to measure.
fn measure(options: &Options, clock: Clock, on_event: &dyn Fn(Event), stop: &Stop, answer: &Sender<Answer>) {
    let library = match Library::open(options.library.as_deref()) {
        Ok(library) => library,
        Err(reason) => {
            let _ = answer.send(Ok(Start::Unavailable { reason }));
            return;
        }
    };
    match choose(&library, options) {
        Ok((mut gpus, because)) => {
            let identities: Vec<_> = gpus.iter().map(|gpu| gpu.identity(&because)).collect();
            let driver = library.driver();
            on_event(Event::GpusFound(identities.clone()));
            let mut sample = || on_event(Event::Gpu(gpus.iter_mut().map(|gpu| gpu.sample(clock)).collect()));
            let grid = Grid::new(Instant::now(), options.interval);
            sample();
            let _ = answer.send(Ok(Start::Measuring { gpus: identities, driver }));
            while stop.wait_until(grid.next_after(Instant::now())) {
                sample();
            }
            sample(); // what the energy counter shows when the command has ended
        }
        Err(none) => {
            let _ = answer.send(none);
        }
    }
    library.shut_down();
}

/// The GPUs to measure and why these, or the answer where there are none.
fn choose<'library>(
    library: &'library Library,
    options: &Options,
) -> Result<(Vec<Gpu<'library>>, String), Answer> {
    let unavailable = |reason| Ok(Start::Unavailable { reason });
    let mut gpus = library.gpus().map_err(unavailable)?;
    if gpus.is_empty() {
        return Err(unavailable("NVML shows no GPU on this node".to_owned()));
    }
    let present: Vec<Present> = gpus.iter().map(Gpu::present).collect();
    let selection = options
        .choice
        .select(&present, options.visible_devices.as_deref(), options.device_order.as_deref())
        .map_err(Err)?;
    let place = |gpu: &Gpu| selection.indices.iter().position(|index| *index == gpu.index());
    gpus.retain(|gpu| place(gpu).is_some());
    gpus.sort_by_key(place);
    if gpus.is_empty() {
        return Err(unavailable(selection.because));
    }
    Ok((gpus, selection.because))
}
