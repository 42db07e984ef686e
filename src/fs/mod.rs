//! Files: atomic writes, bounded reads, and conflicts between the files of one run.

pub mod atomic;
pub mod bounded;
pub mod conflicts;
