//! The run's own time.

use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock that every `at` of an [`Event`](super::Event) is read from.
///
/// It stands still while the machine is suspended, so that time counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[expect(clippy::new_without_default, reason = "no moment is a default one")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }

    /// Seconds since the origin.
    pub fn now(&self) -> f64 {
        self.at(Instant::now())
    }

    /// The Unix time of a moment in seconds. It is counted back from now, since the two clocks drift
    /// apart while the machine is suspended.
    pub fn unix(&self, at: f64) -> f64 {
        let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        unix_now - (self.now() - at)
    }

    /// The seconds from the origin to an instant; 0 for one before the origin.
    pub fn at(&self, instant: Instant) -> f64 {
        instant.saturating_duration_since(self.origin).as_secs_f64()
    }
}

/// When the run starts on the clock, for threads that are there before it.
#[derive(Debug, Clone, Default)]
pub struct StartLatch(Arc<OnceLock<f64>>);

impl StartLatch {
    /// It starts at this moment; only the first word counts.
    pub fn set(&self, at: f64) {
        let _ = self.0.set(at);
    }

    /// Waits for the start.
    pub fn wait(&self) -> f64 {
        *self.0.wait()
    }
}
