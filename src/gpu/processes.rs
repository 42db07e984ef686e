//! Whose processes are on a GPU.

use std::time::{Duration, Instant};

use super::source::{Gpu, GpuProcess};
use crate::event::{GpuProcesses, ProcessCount};
use crate::process::Tree;

/// Between two looks. The list can take a driver milliseconds, so that they become rare; a short command has ended
/// after few.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Looks at the compute processes on one GPU now and then.
pub struct ProcessReader {
    /// The command's processes; `None` where there are none, or the GPU cannot list its own.
    tree: Option<Tree>,
    due: Instant,
    pause: Duration,
}

impl ProcessReader {
    pub fn new(tree: Option<Tree>) -> Self {
        Self { tree, due: Instant::now(), pause: FIRST_PAUSE }
    }

    /// The processes on the GPU, if it is time to look and they can be listed.
    pub fn read(&mut self, gpu: &dyn Gpu) -> Option<GpuProcesses> {
        let tree = self.tree.as_ref().filter(|_| self.due <= Instant::now())?;
        let list = gpu.compute_processes();
        self.due = Instant::now() + self.pause;
        self.pause = LONGEST_PAUSE.min(2 * self.pause);
        match list {
            Ok(list) => {
                // A PID that is not here is of another PID namespace, or has just ended.
                let whose = |process: GpuProcess| Some((process, tree.contains(process.pid)?));
                let (of_command, of_others): (Vec<_>, Vec<_>) =
                    list.into_iter().filter_map(whose).partition(|(_, is_of_command)| *is_of_command);
                Some(GpuProcesses { of_command: count(&of_command), of_others: count(&of_others) })
            }
            Err(failure) => {
                self.tree.take_if(|_| failure.is_permanent);
                None
            }
        }
    }
}

fn count(processes: &[(GpuProcess, bool)]) -> ProcessCount {
    ProcessCount {
        count: u32::try_from(processes.len()).unwrap_or(u32::MAX),
        memory_bytes: processes.iter().map(|(process, _)| process.memory_bytes).sum(),
    }
}
