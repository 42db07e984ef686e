//! Threads for work that can block for ever: a driver that hangs, a file system that is gone.
//!
//! They are never joined: the end waits for one with a timeout and then leaves it running until the
//! process ends.

use std::convert::Infallible;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::thread::spawn_thread;

/// A running thread; [`finish`](Self::finish) or dropping asks it to end.
#[derive(Debug)]
pub struct Worker {
    stop: Sender<Infallible>,
    ended: Receiver<Infallible>,
}

impl Worker {
    /// Starts a thread whose work ends soon after its [`Stop`] says so.
    ///
    /// # Errors
    /// The system has no threads left.
    pub fn spawn(name: &str, work: impl FnOnce(Stop) + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = bounded(0);
        let (ending, ended) = bounded(0);
        start(name, Stop { stopped, _ending: ending }, work)?;
        Ok(Self { stop, ended })
    }

    /// Asks the thread, and those that it started, to end, and waits for that no longer than `timeout`.
    /// False if one did not end: it is stuck, and left running.
    pub fn finish(self, timeout: Duration) -> bool {
        drop(self.stop);
        self.ended.recv_timeout(timeout) != Err(RecvTimeoutError::Timeout)
    }
}

fn start(name: &str, stop: Stop, work: impl FnOnce(Stop) + Send + 'static) -> io::Result<()> {
    spawn_thread(name, move || {
        let _dropped_last = stop.clone(); // after the work, a panic in it included
        work(stop);
    })?;
    Ok(())
}

/// A thread's view of the request to end.
#[derive(Debug, Clone)]
pub struct Stop {
    stopped: Receiver<Infallible>,
    /// The thread has ended once the last of these is dropped.
    _ending: Sender<Infallible>,
}

impl Stop {
    /// Waits until `due`; false as soon as the thread should end.
    pub fn wait_until(&self, due: Instant) -> bool {
        self.stopped.recv_deadline(due) == Err(RecvTimeoutError::Timeout)
    }

    /// Starts another thread, which is asked to end and waited for together with this one.
    ///
    /// # Errors
    /// The system has no threads left.
    pub fn spawn(&self, name: &str, work: impl FnOnce(Stop) + Send + 'static) -> io::Result<()> {
        start(name, self.clone(), work)
    }
}

/// Panics if a test asks this thread to, by its name in EFFLLM_PANIC; never in a release build.
pub fn failpoint() {
    if let Some(name) = thread::current().name() {
        failpoint_named(name);
    }
}

/// The same for a step without a thread of its own.
pub fn failpoint_named(name: &str) {
    if cfg!(debug_assertions) {
        assert!(std::env::var_os("EFFLLM_PANIC").is_none_or(|asked| asked != name), "rehearsed");
    }
}

/// Times that lie whole intervals after a start, so that a long reading does not shift later ones.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    start: Instant,
    interval: Duration,
}

impl Grid {
    /// The interval is clamped to between a millisecond and a year.
    pub fn new(start: Instant, interval: Duration) -> Self {
        let year = Duration::from_secs(365 * 86400);
        Self { start, interval: interval.clamp(Duration::from_millis(1), year) }
    }

    /// The first time of the grid after `now`. Missed times are skipped.
    pub fn next_after(&self, now: Instant) -> Instant {
        let interval = self.interval.as_nanos();
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        let to_go = interval - elapsed % interval;
        now.max(self.start) + Duration::from_nanos(u64::try_from(to_go).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_whole_intervals_after_the_start() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        for (interval, elapsed, due) in [
            (100, 0, 100),
            (100, 1, 100),
            (100, 99, 100),
            (100, 100, 200),   // a time that has come is past
            (100, 350, 400),   // after a stall the grid goes on, without a burst
            (1000, 999, 1000), // a reading that took almost the whole interval
            (300, 86_400_001, 86_400_300),
            (0, 5, 6), // an interval of nothing is a millisecond
        ] {
            let next = Grid::new(start, ms(interval)).next_after(start + ms(elapsed));
            assert_eq!(next, start + ms(due), "interval {interval}, elapsed {elapsed}");
        }
    }

    #[test]
    fn the_longest_interval_is_a_year() {
        let start = Instant::now();
        let due = Grid::new(start, Duration::MAX).next_after(start);
        assert_eq!(due - start, Duration::from_secs(365 * 86400));
    }

    #[test]
    fn a_waiting_thread_ends_at_once() {
        let far = Instant::now() + Duration::from_secs(3600);
        let waiting = Worker::spawn("waiting", move |stop| assert!(!stop.wait_until(far))).unwrap();
        assert!(waiting.finish(Duration::from_secs(60)));
    }

    #[test]
    fn a_stuck_thread_is_not_waited_for() {
        let (_held, never) = bounded::<()>(0);
        let stuck = Worker::spawn("stuck", move |_| assert!(never.recv().is_err())).unwrap();
        assert!(!stuck.finish(Duration::from_millis(10)));
    }

    #[test]
    fn a_thread_is_waited_for_with_those_that_it_started() {
        let far = Instant::now() + Duration::from_secs(3600);
        let (sender, waited) = bounded(1);
        let first = Worker::spawn("first", move |stop| {
            let second = move |stop: Stop| sender.send(stop.wait_until(far)).unwrap();
            stop.spawn("second", second).unwrap();
        });
        assert!(first.unwrap().finish(Duration::from_secs(60)));
        assert_eq!(waited.try_recv(), Ok(false));
        let (_held, never) = bounded::<()>(0);
        let stuck = Worker::spawn("first", move |stop| {
            stop.spawn("stuck", move |_| assert!(never.recv().is_err())).unwrap();
        });
        assert!(!stuck.unwrap().finish(Duration::from_millis(10)));
    }

    #[test]
    fn a_thread_that_panics_has_ended() {
        let panics = Worker::spawn("panics", |_| std::panic::resume_unwind(Box::new(()))).unwrap();
        assert!(panics.finish(Duration::from_secs(60)));
    }
}
