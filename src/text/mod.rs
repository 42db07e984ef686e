//! Text: numbers with their units, and text from outside made safe to show.

pub mod sanitize;
pub mod units;
