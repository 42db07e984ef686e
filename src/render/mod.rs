//! A report as text: one file a format, all known here.

pub mod events;
mod headline;
mod json;
#[cfg(test)]
pub mod samples;
mod table;
mod text;

pub use headline::{AEC, AL, AL_P95, AMU, Headline, IT, JOULES, MFU, PCU, ST, TOKENS, TT};
pub use json::json;
pub use table::summary;
pub use text::{clip, plain};
