//! The sampler of the command's process tree: a thread that reads memory and CPU time from /proc.

use std::io;
use std::time::{Duration, Instant};

use nix::unistd::{SysconfVar, sysconf};

use crate::event::{Clock, Event, HostSample, StartLatch};
use crate::process::{Process, Tree};
use crate::thread::worker::{Grid, Worker};

/// A tree of thousands of threads takes tens of milliseconds to read. After a reading, the sampler skips
/// times of the grid until this many times its duration has passed, so that it takes no more than a
/// fiftieth of a processor from the command.
const REST: u32 = 49;
/// A longer reading was delayed by other causes than the size of the tree.
const LONGEST_READING: Duration = Duration::from_millis(100);

/// Samples the processes when the run has started and then every interval; less often where they take
/// long to read. For a tree that ran before, CPU time counts from the first sample on.
///
/// `on_event` is called from the sampler's thread with an [`Event::Host`] for each reading.
///
/// # Errors
/// The system has no threads left, or does not state its units.
pub fn sample(
    tree: Tree,
    interval: Duration,
    clock: Clock,
    started: StartLatch,
    on_event: impl Fn(Event) + Send + 'static,
) -> io::Result<Worker> {
    let units = Units::of_this_machine()?;
    Worker::spawn("effllm-host", move |stop| {
        started.wait();
        let grid = Grid::new(Instant::now(), interval);
        let mut spent_before = None;
        loop {
            let begun = Instant::now();
            let processes = tree.processes();
            let at = clock.at(begun + begun.elapsed() / 2);
            if let Some(mut sample) = units.sample(at, &processes) {
                if let Tree::Of(_) = tree {
                    let before = *spent_before.get_or_insert(sample.cpu_seconds);
                    sample.cpu_seconds = (sample.cpu_seconds - before).max(0.0);
                }
                on_event(Event::Host(sample));
            }
            let rest = begun.elapsed().min(LONGEST_READING) * REST;
            if !stop.wait_until(grid.next_after(Instant::now() + rest)) {
                break;
            }
        }
    })
}

/// The units of /proc.
#[derive(Debug, Clone, Copy)]
struct Units {
    page_bytes: u64,
    ticks_per_second: f64,
}

impl Units {
    fn of_this_machine() -> io::Result<Self> {
        let value = |name: SysconfVar| {
            let value = sysconf(name)?.and_then(|value| u32::try_from(value).ok());
            value.ok_or_else(|| io::Error::other(format!("the system does not state its {name:?}")))
        };
        Ok(Self {
            page_bytes: value(SysconfVar::PAGE_SIZE)?.into(),
            ticks_per_second: value(SysconfVar::CLK_TCK)?.into(),
        })
    }

    /// Sums over the tree; `None` if every process in it has ended.
    ///
    /// A process that has ended uses no memory, and its CPU time counts until its parent's includes it.
    fn sample(self, at: f64, tree: &[Process]) -> Option<HostSample> {
        let living = tree.iter().filter(|process| !process.zombie).count();
        let pages: u64 = tree.iter().map(|process| process.resident_pages).sum();
        let ticks: u64 = tree.iter().map(|process| process.cpu_ticks).sum();
        (living > 0).then(|| HostSample {
            at,
            processes: u32::try_from(living).unwrap_or(u32::MAX),
            resident_bytes: pages * self.page_bytes,
            cpu_seconds: ticks as f64 / self.ticks_per_second,
        })
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;

    use super::*;

    #[test]
    fn a_tree_is_summed_in_bytes_and_seconds() {
        let units = Units { page_bytes: 65536, ticks_per_second: 100.0 };
        let process = |zombie, cpu_ticks, resident_pages| Process {
            pid: 1,
            parent: 0,
            zombie,
            stopped: false,
            start_ticks: 0,
            cpu_ticks,
            resident_pages,
        };
        let tree = [process(false, 150, 10), process(true, 25, 0), process(false, 0, 6)];
        let sample = HostSample { at: 2.5, processes: 2, resident_bytes: 1 << 20, cpu_seconds: 1.75 };
        assert_eq!(units.sample(2.5, &tree), Some(sample));
        assert_eq!(units.sample(2.5, &[process(true, 25, 0)]), None);
        assert_eq!(units.sample(2.5, &[]), None);
    }

    #[test]
    fn a_living_tree_is_sampled_until_the_sampler_is_finished() {
        let (send, events) = unbounded();
        let us = std::os::unix::process::parent_id();
        let (clock, started) = (Clock::new(), StartLatch::default());
        started.set(clock.now());
        let sampler = sample(
            Tree::Below { root: us, strangers: Vec::new() },
            Duration::from_millis(5),
            clock,
            started,
            move |event| {
                let _ = send.send(event);
            },
        );
        let mut last_at = 0.0;
        for event in events.iter().take(3) {
            let Event::Host(sample) = event else { panic!("{event:?}") };
            assert!(sample.processes > 0 && sample.resident_bytes > 0 && sample.at > last_at, "{sample:?}");
            last_at = sample.at;
        }
        assert!(sampler.unwrap().finish(Duration::from_secs(60)));
        assert!(events.iter().all(|event| matches!(event, Event::Host(_)))); // and then no more
    }
}
