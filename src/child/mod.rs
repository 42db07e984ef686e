//! The wrapped command: how it is started, what signals mean, and how it ended.

pub mod ending;
mod inherited;
mod obedience;
mod pty;
pub mod signals;
pub mod spawn;

pub use ending::{Change, Ending, changes, stop_like};
pub use inherited::is_ignored;
pub use pty::{Pty, fit, is_ours};
pub use signals::{Action, Arrival, Origin, Policy, Signals, TakenSignal, is_pending, stops_too};
pub use spawn::{Child, Output, Place, StdioMode, Stream, Wiring, exec, spawn};
