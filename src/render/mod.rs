//! A report as text: one file a format, all known here.

mod csv;
pub mod events;
mod headline;
mod html;
mod json;
mod markdown;
#[cfg(test)]
pub mod samples;
mod table;
mod text;
mod words;

pub use csv::csv;
pub use headline::{AEC, AL, AL_P95, AMU, Headline, IT, JOULES, MFU, PCU, ST, TOKENS, TT};
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use table::summary;
pub use text::{clip, plain};
