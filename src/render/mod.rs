//! Under construction.
pub mod events;
use crate::model::Report;
pub fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}
pub fn summary(report: &Report, _: Option<usize>, _: bool) -> String {
    json(report)
}
