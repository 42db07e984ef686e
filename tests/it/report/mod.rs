//! `effllm report`: documents made of reports.

mod browser;
mod documents;
mod hostile;
mod page;
pub mod reports;
