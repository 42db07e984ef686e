//! The wrapped command: how it is started, what signals mean, and how it ended.

mod default_handler;
pub mod ending;
mod inherited;
mod keyboard;
mod named;
mod pty;
pub mod signals;
pub mod spawn;
pub mod tree;

pub use ending::{Change, Ending, changes, stop_like};
pub use inherited::is_ignored;
pub use keyboard::{Key, Keyboard};
pub use named::NamedProcess;
pub use pty::{fit, is_ours};
pub use signals::{Action, Arrival, Origin, Policy, Signals, TakenSignal, is_pending, stops_too};
pub use spawn::{Output, ProcessSlot, StdioMode, Stream, Wiring, exec, spawn};
pub use tree::Tree;
