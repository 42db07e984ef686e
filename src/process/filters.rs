//! Filters: processes of the command's tree that carry its output on, such as the `tee` of
//! `exec > >(tee train.log)`. They may still have some of it when the command has ended.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::procfs::{Process, place_of, stdin_of};
use super::{Output, Tree};

/// The filters before the command's streams. A filter is a process that has such a stream, and whose stdin
/// is a pipe from within the tree; so is a process that writes to a filter in the same way.
#[derive(Debug)]
pub struct Filters {
    tree: Tree,
    /// The command's own stdin: a program that has it too is no filter.
    stdin: Option<String>,
    /// Where the command's streams lead, as /proc shows it.
    outputs: Vec<String>,
}

/// The pipes that the filters read.
#[derive(Debug, Default)]
pub struct FilterInputs {
    /// One of them holds bytes.
    pub have_bytes: bool,
    /// One of them has no writers left: its filter will come to an end.
    pub have_ended: bool,
    /// How many have writers.
    pub open: u64,
}

impl Filters {
    /// Those of a command that has just been started.
    pub fn new(tree: Tree, outputs: &[Output]) -> Self {
        let outputs = outputs.iter().filter_map(|output| output.place.clone()).collect();
        Self { tree, stdin: place_of(&io::stdin()), outputs }
    }

    /// The present state of their inputs.
    pub fn inputs(&self) -> FilterInputs {
        let mut processes = self.tree.processes();
        let mut carriers = self.outputs.clone();
        let mut inputs = FilterInputs::default();
        while let Some(at) = processes.iter().position(|process| self.carries_on(process, &carriers)) {
            let filter = processes.swap_remove(at).pid;
            carriers.extend(stdin_of(filter));
            let Some(state) = state(filter) else { continue };
            inputs.have_bytes |= state.contains(PollFlags::POLLIN);
            inputs.have_ended |= state.contains(PollFlags::POLLHUP);
            inputs.open += u64::from(!state.contains(PollFlags::POLLHUP));
        }
        inputs
    }

    fn carries_on(&self, process: &Process, carriers: &[String]) -> bool {
        let stdin = stdin_of(process.pid);
        let has_input = stdin != self.stdin && stdin.is_some_and(|stdin| stdin.starts_with("pipe:"));
        has_input && process.descriptors().any(|place| carriers.contains(&place))
    }
}

/// Whether the pipe that a process has for stdin holds bytes (`POLLIN`) and has no writers (`POLLHUP`);
/// `None` if the process has ended.
fn state(pid: u32) -> Option<PollFlags> {
    let mut options = File::options();
    options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
    let stdin = options.open(format!("/proc/{pid}/fd/0")).ok()?;
    let mut stdin = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut stdin, PollTimeout::ZERO).ok()?;
    let [stdin] = stdin;
    stdin.revents()
}
