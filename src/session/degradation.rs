//! What a run does without: the degraded modes, and the sentence for each.

/// A part of the measurements that this run does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degradation {
    /// No thread can be started to carry or to read the output.
    NoThreads,
    /// No thread can be started to read the process tree.
    NoHostSampler,
    /// `run --stdio inherit`: the command writes to effllm's own stdout and stderr.
    OutputInherited,
    /// `monitor` without `--log`.
    NoLogFile,
}

impl Degradation {
    /// What is lost, and why: for the warning and the report.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoThreads => "the log is not read: the system has no threads left",
            Self::NoHostSampler => "the process tree is not sampled: the system has no threads left",
            Self::OutputInherited => {
                "the log is not read: with --stdio inherit the output does not pass through effllm"
            }
            Self::NoLogFile => "no log is read: pass one with --log FILE",
        }
    }

    /// Whether the user's own options led to it: then only the report tells of it.
    pub fn is_chosen(self) -> bool {
        matches!(self, Self::OutputInherited | Self::NoLogFile)
    }
}
