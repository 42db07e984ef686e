//! The recorder, shared by the sources' threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::Event;
use crate::recorder::Recorder;
use crate::sink::queue::Queue;
use crate::sink::{Warn, series};
use crate::thread::worker::failpoint;

/// A handle to the recorder.
#[derive(Clone)]
pub struct SharedRecorder {
    recorder: Arc<Mutex<Recorder>>,
    /// Receives copies of the events.
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

    /// Takes in one event.
    pub fn fold(&self, event: Event) {
        if let Some(series) = self.series.as_ref().filter(|_| series::shows(&event)) {
            series.offer(event.clone());
        }
        self.lock().fold(event);
    }

    /// The callback of a source.
    pub fn on_event(&self) -> impl Fn(Event) + Clone + Send + 'static {
        let shared = self.clone();
        move |event| shared.fold(event)
    }

    /// The callback of a sink that loses something.
    pub fn on_warning(&self) -> Warn {
        let shared = self.clone();
        Arc::new(move |warning| shared.lock().warn(warning))
    }
}
