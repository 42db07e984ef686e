//! The wrapped command is what it would be alone: bytes, stdin, arguments, environment, signals and
//! its end.

mod bytes;
mod ending;
mod inheritance;
mod report_file;
mod signals;
