//! Files: writing them whole, and finding two uses of one file.

pub mod atomic;
pub mod conflicts;
