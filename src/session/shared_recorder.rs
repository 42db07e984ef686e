//! The recorder, in the hands of several threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::{Clock, Event};
use crate::recorder::Recorder;
use crate::report::Report;
use crate::sink::queue::Queue;
use crate::sink::{Warn, series};
use crate::thread::worker::failpoint;

/// The recorder, as the sources' threads share it.
#[derive(Clone)]
pub struct SharedRecorder {
    recorder: Arc<Mutex<Recorder>>,
    /// Where copies of the events go.
    series: Option<Queue<Event>>,
}

impl SharedRecorder {
    pub fn new(recorder: Recorder, series: Option<Queue<Event>>) -> Self {
        Self { recorder: Arc::new(Mutex::new(recorder)), series }
    }

    /// A thread that panicked while it held the recorder ends its own measurements, not the others'.
    pub fn lock(&self) -> MutexGuard<'_, Recorder> {
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        failpoint();
        recorder
    }

    /// The report as it stands whenever it is asked for.
    pub fn snapshot(&self, clock: Clock) -> impl Fn() -> Report + Clone + Send + 'static {
        let shared = self.clone();
        move || shared.lock().report(clock.now())
    }

    /// Takes in one event.
    pub fn fold(&self, event: Event) {
        if let Some(series) = self.series.as_ref().filter(|_| series::shows(&event)) {
            series.offer(event.clone());
        }
        self.lock().fold(event);
    }

    /// What a source is to do with its events.
    pub fn sink(&self) -> impl Fn(Event) + Clone + Send + 'static {
        let shared = self.clone();
        move |event| shared.fold(event)
    }

    /// What a sink is to do with its warnings.
    pub fn warn(&self) -> Warn {
        let shared = self.clone();
        Arc::new(move |warning| shared.lock().warn(warning))
    }
}
