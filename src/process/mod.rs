//! Processes and signals: starting, supervising and ending the command, its terminal, and /proc. Nothing
//! else in effllm sends or receives a signal.

mod children;
mod ending;
mod exec;
mod external;
mod file_writer;
mod filters;
mod inherited;
mod interruption;
mod job_control;
mod keyboard;
mod procfs;
mod pty;
mod raise;
mod session_leader;
mod signal_name;
mod signal_policy;
mod signals;
mod spawn;
mod stdio;
mod string_list;
mod supervisor;
mod tree;
mod wait;

pub use children::resource_usage;
pub use ending::Ending;
pub use exec::{check_descriptors, check_memory, exec, unreadable_command};
pub use external::ExternalProcess;
pub use file_writer::{FileWriter, HANGS, Way};
pub use filters::{FilterInputs, Filters};
pub use inherited::{Copies, StdoutCopy};
pub use interruption::interruptions;
pub use procfs::{Process, environment};
pub use signal_name::TakenSignal;
pub use signal_policy::SignalPolicy;
pub use signals::{Signals, UserRequest, stop_effllm};
pub use spawn::{ProcessSlot, UNBUFFERED, spawn};
pub use stdio::{Output, StdioMode};
pub use supervisor::{LifecycleEvent, Supervisor};
pub use tree::{Tree, adopt_orphans};
