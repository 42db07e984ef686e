//! A report as text: one file a format, all known here.

pub mod ci;
mod columns;
mod compare;
mod csv;
pub mod events;
pub mod format;
mod gate;
mod github;
mod gitlab;
mod headline;
mod html;
mod json;
mod junit;
mod markdown;
#[cfg(test)]
pub mod samples;
mod table;

pub use compare::{comparison_json, comparison_table};
pub use csv::csv;
pub use gate::{gate_table, metrics_table};
pub use github::{github_annotations, github_summary};
pub use gitlab::gitlab_metrics;
pub use headline::{AEC, AL, AL_P95, AMU, Headline, IT, JOULES, MFU, PCU, ST, TOKENS, TT};
pub use html::html;
pub use json::{escaped, json};
pub use junit::junit;
pub use markdown::markdown;
pub use table::summary;
