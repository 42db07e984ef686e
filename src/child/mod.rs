//! The wrapped command: how it is started, what signals mean, and how it ended.

pub mod ending;
pub mod signals;
pub mod spawn;

pub use ending::Ending;
pub use signals::{Action, Origin, Signals};
pub use spawn::{Child, exec, spawn};
