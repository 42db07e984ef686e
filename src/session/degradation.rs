//! Why a run has no log, and the sentence for each reason.

/// A reason why the log is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degradation {
    /// No thread can be started to carry or to read the output.
    NoThreads,
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
