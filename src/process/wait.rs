//! Waiting with poll(2), and noticing that effllm itself did not run meanwhile.

use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollTimeout, poll};

/// How late a wait may end before it counts as a [`Stall`].
const STALL_THRESHOLD: Duration = Duration::from_secs(1);

/// A time in which effllm did not run: it was stopped (SIGSTOP, a frozen cgroup), or got no CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    pub since: Instant,
    pub duration: Duration,
}

/// Waits until a descriptor is ready, a signal handler ran, or `due` has come. Returns the stall, if
/// the wait ended far later than that; `since`: when effllm is known to have run.
pub fn wait(descriptors: &mut [PollFd], since: Instant, due: Instant) -> Option<Stall> {
    // Rounded up, so as not to wake before the time.
    let timeout = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    let _ = poll(descriptors, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX));
    stall(since, due, Instant::now())
}

fn stall(since: Instant, due: Instant, woken: Instant) -> Option<Stall> {
    let late = woken.saturating_duration_since(since.max(due));
    (late > STALL_THRESHOLD).then(|| Stall { since, duration: woken - since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_ends_much_too_late_is_a_stall() {
        let since = Instant::now();
        let after = |ms| since + Duration::from_millis(ms);
        for (due, woken, stalled_ms) in [
            (after(200), after(30), None),   // a descriptor was ready
            (after(200), after(201), None),  // the time has come
            (after(200), after(1200), None), // a busy machine
            (after(200), after(4200), Some(4200)),
            (since, after(900), None),
            (since, after(1100), Some(1100)),
        ] {
            let expected = stalled_ms.map(|ms| Stall { since, duration: Duration::from_millis(ms) });
            assert_eq!(stall(since, due, woken), expected);
        }
    }
}
