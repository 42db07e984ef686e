//! The distribution of iteration times in constant memory.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::higher;

/// Iteration times: their number and their percentiles. Percentiles are exact for up to
/// [`MOST_EXACT`] different times; for more they are within 0.1 %.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    /// Iterations that have a time.
    pub count: u64,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// How many iterations took each time, by its bits, which are in the order of what they stand for;
    /// empty once there are too many.
    times: BTreeMap<u64, u64>,
    /// Microseconds; grows with the longest time, to some 200 KB at most.
    histogram: Option<Histogram<u64>>,
    /// Iterations whose time is a multiple of each of [`STEPS_US`].
    on_grid: [u64; STEPS_US.len()],
}

/// Iterations whose times lie between two bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyBin {
    pub from_seconds: f64,
    pub to_seconds: f64,
    pub iterations: u64,
}

/// Steps in which logs print times, in microseconds: decimal origins of a second.
const STEPS_US: [u64; 6] = [1_000_000, 100_000, 10_000, 1000, 100, 10];

/// The share of the times that must be multiples of a step to tell that the log prints in it: a few
/// may come from another source.
const ON_GRID: f64 = 0.95;

/// So many different times are kept as they are, in some 300 KB: what a log prints to a tenth of a
/// millisecond seldom takes more.
const MOST_EXACT: usize = 10_000;

/// The longest time that the histogram tells from longer ones: a day, in microseconds.
const LONGEST_US: u64 = 86_400_000_000;

impl Distribution {
    /// Adds iterations that took `mean_seconds` each.
    pub fn add(&mut self, iterations: u64, mean_seconds: f64) {
        let is_exact = self.is_exact();
        self.count += iterations;
        self.min = Some(self.min.map_or(mean_seconds, |min| min.min(mean_seconds)));
        self.max = higher(self.max, Some(mean_seconds));
        if is_exact {
            *self.times.entry(mean_seconds.max(0.0).to_bits()).or_default() += iterations;
            if self.times.len() > MOST_EXACT {
                self.times.clear();
            }
        }
        let microseconds = microseconds(mean_seconds);
        if self.histogram.is_none() {
            self.histogram = Histogram::new(3).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            // Fails only where a count would not fit into 64 bits.
            let _ = histogram.record_n(microseconds, iterations);
        }
        for (on_grid, step) in self.on_grid.iter_mut().zip(STEPS_US) {
            *on_grid += if microseconds.is_multiple_of(step) { iterations } else { 0 };
        }
    }

    /// Adds the times of another distribution.
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 {
            return *self = other.clone();
        }
        let is_exact = self.is_exact() && other.is_exact();
        self.count += other.count;
        self.min = [self.min, other.min].into_iter().flatten().reduce(f64::min);
        self.max = higher(self.max, other.max);
        if is_exact {
            for (time, iterations) in &other.times {
                *self.times.entry(*time).or_default() += iterations;
            }
        }
        if !is_exact || self.times.len() > MOST_EXACT {
            self.times.clear();
        }
        if let (Some(own), Some(others)) = (&mut self.histogram, &other.histogram) {
            let _ = own.add(others); // fails only where a count would not fit into 64 bits
        }
        for (on_grid, more) in self.on_grid.iter_mut().zip(other.on_grid) {
            *on_grid += more;
        }
    }

    /// Whether every time is kept as it is.
    fn is_exact(&self) -> bool {
        self.count == 0 || !self.times.is_empty()
    }

    /// How the iterations spread over their times: at most `most` bins that hold any, in order.
    ///
    /// A bin is a thousandth of the time wide, or wider where there would be too many. Its bounds
    /// are multiples of the step in which the log prints times, and it spans a power of two of such
    /// steps: so each of equal width can hold as many different times, and none looks fuller or
    /// emptier than it is.
    pub fn bins(&self, most: usize) -> Vec<LatencyBin> {
        let Some(histogram) = self.histogram.as_ref().filter(|_| self.count > 0) else { return Vec::new() };
        let step = self.step_us();
        (0..LONGEST_US.ilog2())
            .map(|merging| self.merged(histogram, step, merging))
            .find(|bins| bins.len() <= most)
            .unwrap_or_default()
    }

    /// The step in which times are printed, in microseconds: the largest of which they are
    /// multiples; 1 where they are of none, or all the same.
    fn step_us(&self) -> u64 {
        let differ =
            self.histogram.as_ref().is_some_and(|histogram| histogram.iter_recorded().nth(1).is_some());
        let enough = ON_GRID * self.count as f64;
        let mut on_grid = self.on_grid.iter().zip(STEPS_US).filter(|_| differ);
        on_grid.find(|(iterations, _)| **iterations as f64 >= enough).map_or(1, |(_, step)| step)
    }

    /// The recorded times in bins of some steps, 2 to the power of `merging` times as wide as the
    /// histogram's or a little wider.
    fn merged(&self, histogram: &Histogram<u64>, step: u64, merging: u32) -> Vec<LatencyBin> {
        let seconds = |steps: u64| (steps * step) as f64 / 1e6;
        let [shortest, longest] = [self.min, self.max].map(|end| microseconds(end.unwrap_or_default()));
        let mut bins: Vec<LatencyBin> = Vec::new();
        for recorded in histogram.iter_recorded() {
            let to = recorded.value_iterated_to() + 1;
            let width = histogram.equivalent_range(recorded.value_iterated_to());
            let steps = (width << merging).div_ceil(step).next_power_of_two();
            // The times that may have been recorded here, in steps; one that is no multiple is rounded down.
            let last = (to - 1).min(longest) / step;
            let times = (to - width).max(shortest).div_ceil(step).min(last)..last + 1;
            let iterations = recorded.count_at_value();
            for from in (times.start / steps..=(times.end - 1) / steps).map(|i| i * steps) {
                let before = |bound: u64| {
                    let share = bound.clamp(times.start, times.end) - times.start;
                    (u128::from(iterations) * u128::from(share) / u128::from(times.end - times.start)) as u64
                };
                let iterations = before(from + steps) - before(from);
                let (from_seconds, to_seconds) = (seconds(from), seconds(from + steps));
                match bins.last_mut() {
                    Some(last) if last.to_seconds > from_seconds => {
                        last.to_seconds = last.to_seconds.max(to_seconds);
                        last.iterations += iterations;
                    }
                    _ if iterations > 0 => bins.push(LatencyBin { from_seconds, to_seconds, iterations }),
                    _ => {}
                }
            }
        }
        bins
    }

    /// The time that `share` (0 to 1) of the iterations did not exceed, in seconds.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        // A product that the rounding of the share leaves above a whole number is that number.
        let rank = ((share * self.count as f64 - 1e-6).ceil() as u64).max(1);
        let mut reached = 0;
        let exact = self.times.iter().find(|(_, iterations)| {
            reached += **iterations;
            reached >= rank
        });
        if let Some((time, _)) = exact {
            return Some(f64::from_bits(*time));
        }
        let histogram = self.histogram.as_ref().filter(|_| self.count > 0)?;
        // The histogram answers with the top of a bucket, which may lie above what was ever seen.
        Some((histogram.value_at_quantile(share) as f64 / 1e6).min(self.max?))
    }
}

fn microseconds(seconds: f64) -> u64 {
    ((seconds * 1e6).round() as u64).clamp(1, LONGEST_US)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_of_not_too_many_times_are_exact() {
        let mut distribution = Distribution::default();
        for i in 1..=1000u32 {
            distribution.add(10, f64::from(i) / 1000.0);
        }
        for (share, expected) in [(0.0, 0.001), (0.5, 0.5), (0.95, 0.95), (0.99, 0.99), (1.0, 1.0)] {
            assert_eq!(distribution.quantile(share), Some(expected), "{share}");
        }
    }

    #[test]
    fn percentiles_of_many_different_times_are_near() {
        let mut distribution = Distribution::default();
        for i in 1..=20_000u32 {
            distribution.add(1, f64::from(i) / 10_000.0);
        }
        assert!(distribution.times.is_empty());
        for (share, expected) in [(0.5, 1.0), (0.95, 1.9), (0.99, 1.98), (1.0, 2.0)] {
            let read = distribution.quantile(share).unwrap_or(0.0);
            assert!((read - expected).abs() <= 0.001 * expected, "{share}: {read}");
        }
    }

    #[test]
    fn a_mean_over_ten_iterations_weighs_ten_times() {
        let mut distribution = Distribution::default();
        distribution.add(10, 1.0);
        distribution.add(90, 2.0);
        assert_eq!((distribution.quantile(0.1), distribution.quantile(0.11)), (Some(1.0), Some(2.0)));
        assert_eq!(distribution.count, 100);
    }

    #[test]
    fn the_bins_are_few_in_order_and_hold_every_iteration() {
        let mut distribution = Distribution::default();
        for i in 0..100_000u32 {
            distribution.add(1, 0.5 + f64::from(i % 997) / 500.0);
        }
        distribution.add(10, 7200.0);
        for most in [2, 100, 10_000] {
            let bins = distribution.bins(most);
            assert!(!bins.is_empty() && bins.len() <= most, "{most}: {}", bins.len());
            assert_eq!(bins.iter().map(|bin| bin.iterations).sum::<u64>(), 100_010);
            assert!(bins.windows(2).all(|pair| pair[0].to_seconds <= pair[1].from_seconds));
            let last = bins.last().map(|bin| bin.from_seconds..bin.to_seconds);
            assert!(last.is_some_and(|last| last.contains(&7200.0)));
        }
    }

    proptest! {
        /// Every value of a decimal grid once, or several times: no bin is fuller than another of its
        /// width, whatever the step, and however many bins are merged.
        #[test]
        fn times_on_a_grid_fill_the_bins_evenly(
            step in prop::sample::select(STEPS_US.to_vec()),
            first in 20u64..20_000,
            values in 40u64..3000,
            times in 1u64..4,
            most in 20usize..300,
        ) {
            let mut distribution = Distribution::default();
            for value in first..first + values {
                distribution.add(times, (value * step) as f64 / 1e6);
            }
            let bins = distribution.bins(most);
            prop_assert_eq!(bins.iter().map(|bin| bin.iterations).sum::<u64>(), values * times);
            prop_assert!(bins.first().is_some_and(|bin| bin.to_seconds > distribution.min.unwrap_or_default()));
            // The first and the last may be filled in part.
            for bin in bins.iter().skip(1).rev().skip(1) {
                let steps = (bin.to_seconds - bin.from_seconds) * 1e6 / step as f64;
                prop_assert!((steps * times as f64 - bin.iterations as f64).abs() < 1e-3, "{:?} of {}", bin, step);
                let edge = bin.from_seconds * 1e6 / step as f64;
                prop_assert!((edge - edge.round()).abs() < 1e-6, "{:?}", bin);
            }
        }
    }

    #[test]
    fn a_few_times_of_another_source_do_not_hide_the_grid() {
        let mut distribution = Distribution::default();
        (0..200u32).for_each(|i| distribution.add(1, f64::from(1000 + i) * 1e-4));
        (0..5u32).for_each(|i| distribution.add(1, 0.110_003 + f64::from(i) * 1e-3));
        assert_eq!(distribution.step_us(), 100);
        assert_eq!(distribution.bins(500).iter().map(|bin| bin.iterations).max(), Some(2));
    }

    #[test]
    fn times_that_are_all_the_same_tell_of_no_grid() {
        let mut distribution = Distribution::default();
        distribution.add(15, 1.0);
        let bins = distribution.bins(256);
        assert!(bins.iter().all(|bin| bin.to_seconds - bin.from_seconds < 0.002), "{bins:?}");
    }

    #[test]
    fn without_iterations_nothing_is_known() {
        assert_eq!(Distribution::default().quantile(0.5), None);
        assert_eq!(Distribution::default().bins(100), []);
    }
}
