//! The wrapped command: how it is started, what signals mean, and how it ended.

pub mod ending;
mod inherited;
pub mod signals;
pub mod spawn;

pub use ending::{Change, Ending, changes, stop_like};
pub use signals::{Action, Policy, Signals};
pub use spawn::{Child, exec, spawn};
