//! The arithmetic of metrics: sums, the metrics computed from them, and how sums are gathered from
//! readings. No I/O and no clock.

pub mod curve;
pub mod distribution;
mod energy_counter;
pub mod gpu_integral;
mod metric;
pub mod outlier_filter;
pub mod registry;
pub mod sums;
pub mod window;

pub use distribution::Distribution;
pub use outlier_filter::OutlierFilter;
pub use registry::{METRICS, Metric, Metrics};
pub use sums::{Amount, Area, Gauge, GpuSums, IterationSums, Sums};

/// The higher of two readings; the known one where the other is not.
pub fn higher(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}
