//! The arithmetic: integrals over time, iteration times, rates. No I/O and no clock.
//!
//! Everything here keeps running sums, so an average is over all that happened, however long the
//! run and however little of it is kept for plots.

pub mod curve;
pub mod integral;
pub mod latency;
pub mod outlier_filter;
pub mod rate;
pub mod registry;

pub use curve::Area;
pub use integral::{EnergyCounter, Integral};
pub use latency::Latencies;
pub use outlier_filter::OutlierFilter;
pub use rate::Rate;
