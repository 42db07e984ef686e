//! The GPUs that the command's processes may use, by what their own environment says.

use std::collections::HashMap;

use super::source::GpuSource;
use crate::event::GpuIdentity;
use crate::process::{Process, Tree, environment};

/// A process is looked at so often: what it was forked from is seen until it executes a program of its own.
const LOOKS: u8 = 3;

/// Finds processes that choose their GPUs by another environment than the command was given.
pub struct VisibleGpus<'a> {
    gpus: &'a [GpuIdentity],
    source: &'a dyn GpuSource,
    /// The selection by the environment that the command was given.
    given: Option<String>,
    looks: HashMap<(u32, u64), u8>,
    told: Vec<String>,
}

impl<'a> VisibleGpus<'a> {
    pub fn new(
        gpus: &'a [GpuIdentity],
        source: &'a dyn GpuSource,
        variables: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let given = source.visible_to_command(gpus, variables).map(|selection| selection.reason);
        Self { gpus, source, given, looks: HashMap::new(), told: Vec::new() }
    }

    /// The GPUs that processes of the command choose and that were not told of yet, by index, and by which variable.
    pub fn look(&mut self, tree: &Tree) -> Vec<(Vec<u32>, String)> {
        let processes = tree.processes();
        let id = |process: &Process| (process.pid, process.start_ticks);
        self.looks.retain(|known, _| processes.iter().any(|process| id(process) == *known));
        let mut found = Vec::new();
        for process in &processes {
            let looks = self.looks.entry(id(process)).or_default();
            if *looks == LOOKS {
                continue;
            }
            *looks += 1;
            let Some(environment) = environment(process.pid) else { continue };
            let variable = |name: &str| {
                environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            };
            let selection = self.source.visible_to_command(self.gpus, &variable);
            let is_new = |reason: &String| self.given.as_ref() != Some(reason) && !self.told.contains(reason);
            if let Some(selection) = selection.filter(|selection| is_new(&selection.reason)) {
                self.told.push(selection.reason.clone());
                found.push((selection.indices, format!("{} of a process of the command", selection.reason)));
            }
        }
        found
    }
}
