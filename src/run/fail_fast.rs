//! The thread that ends a run which can no longer pass its gate.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::gate::FailFast;
use crate::host::descendants;
use crate::model::{Clock, Report};
use crate::periodic::{Periodic, Stop};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the run every second. Once it is beyond hope, `tell` is told why and the command and all
/// its descendants are sent SIGTERM, once: a shell that waits for a launcher would die of it alone,
/// and leave the training to go on. Without a thread, or if the look panics, the run just goes on.
pub fn watch(
    mut judge: FailFast,
    clock: Clock,
    report: impl Fn() -> Report + Send + 'static,
    tell: impl FnOnce(&str) + Send + 'static,
) -> Option<Periodic> {
    let work = move |stop: Stop| {
        while stop.wait_until(Instant::now() + LOOK_EVERY) {
            if let Some(why) = judge.look(clock.now(), &report()) {
                let tree = descendants(std::process::id());
                if tree.is_empty() {
                    return; // the command has just ended by itself
                }
                tell(&why);
                for process in tree {
                    // Fails only for a process that has just ended.
                    let _ = kill(Pid::from_raw(process.pid.cast_signed()), Signal::SIGTERM);
                }
                return;
            }
        }
    };
    Periodic::spawn("effllm-fail-fast", work).ok()
}
