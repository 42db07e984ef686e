//! The distribution of iteration times in constant memory.

use hdrhistogram::Histogram;

/// Iteration times: their exact sum and number, and their percentiles to three digits.
#[derive(Debug, Clone)]
pub struct Latencies {
    /// Iterations that have a time.
    pub count: u64,
    /// The sum of their times.
    pub seconds: f64,
    pub max: Option<f64>,
    /// Microseconds; grows with the longest time, to some 200 KB at most.
    histogram: Option<Histogram<u64>>,
}

/// Iterations whose times lie between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    pub from_seconds: f64,
    pub to_seconds: f64,
    pub iterations: u64,
}

/// The longest time that the histogram tells from longer ones: a day, in microseconds.
const LONGEST_US: u64 = 86_400_000_000;

impl Latencies {
    pub fn new() -> Self {
        Self { count: 0, seconds: 0.0, max: None, histogram: Histogram::new(3).ok() }
    }

    /// Adds iterations that took `mean_seconds` each.
    pub fn add(&mut self, iterations: u64, mean_seconds: f64) {
        self.count += iterations;
        self.seconds += iterations as f64 * mean_seconds;
        self.max = Some(self.max.map_or(mean_seconds, |max| max.max(mean_seconds)));
        let microseconds = ((mean_seconds * 1e6).round() as u64).clamp(1, LONGEST_US);
        if let Some(histogram) = &mut self.histogram {
            // Fails only where a count would not fit into 64 bits.
            let _ = histogram.record_n(microseconds, iterations);
        }
    }

    /// How the iterations spread over their times: at most `most` bins that hold any, in order.
    ///
    /// The bins are those of the histogram, a thousandth of the time wide, or so many neighbours
    /// merged that they are few enough.
    pub fn bins(&self, most: usize) -> Vec<Bin> {
        let Some(histogram) = self.histogram.as_ref().filter(|_| self.count > 0) else { return Vec::new() };
        let seconds = |microseconds: u64| microseconds as f64 / 1e6;
        (0..LONGEST_US.ilog2())
            .map(|merging| {
                let mut bins: Vec<Bin> = Vec::new();
                for step in histogram.iter_recorded() {
                    let width = histogram.equivalent_range(step.value_iterated_to()) << merging;
                    let from = step.value_iterated_to() / width * width;
                    let iterations = step.count_at_value();
                    match bins.last_mut() {
                        Some(last) if last.to_seconds > seconds(from) => {
                            last.to_seconds = last.to_seconds.max(seconds(from + width));
                            last.iterations += iterations;
                        }
                        _ => bins.push(Bin {
                            from_seconds: seconds(from),
                            to_seconds: seconds(from + width),
                            iterations,
                        }),
                    }
                }
                bins
            })
            .find(|bins| bins.len() <= most)
            .unwrap_or_default()
    }

    /// Sum of the times over their number; `None` where there were none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.seconds / self.count as f64)
    }

    /// The time that `share` (0 to 1) of the iterations did not exceed, in seconds.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let histogram = self.histogram.as_ref().filter(|_| self.count > 0)?;
        // The histogram answers with the top of a bucket, which may lie above what was ever seen.
        Some((histogram.value_at_quantile(share) as f64 / 1e6).min(self.max?))
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_exact_and_percentiles_are_near() {
        let mut latencies = Latencies::new();
        for i in 1..=1000u32 {
            latencies.add(1, f64::from(i) / 1000.0);
        }
        assert!((latencies.mean().unwrap_or(0.0) - 0.5005).abs() < 1e-12);
        for (share, expected) in [(0.5, 0.5), (0.95, 0.95), (0.99, 0.99), (1.0, 1.0)] {
            let read = latencies.quantile(share).unwrap_or(0.0);
            assert!((read - expected).abs() <= 0.002 * expected, "{share}: {read}");
        }
    }

    #[test]
    fn a_mean_over_ten_iterations_weighs_ten_times() {
        let mut latencies = Latencies::new();
        latencies.add(10, 1.0);
        latencies.add(90, 2.0);
        assert_eq!(latencies.mean(), Some(1.9));
        assert_eq!(latencies.count, 100);
    }

    #[test]
    fn the_bins_are_few_in_order_and_hold_every_iteration() {
        let mut latencies = Latencies::new();
        for i in 0..100_000u32 {
            latencies.add(1, 0.5 + f64::from(i % 997) / 500.0);
        }
        latencies.add(10, 7200.0);
        for most in [2, 100, 10_000] {
            let bins = latencies.bins(most);
            assert!(!bins.is_empty() && bins.len() <= most, "{most}: {}", bins.len());
            assert_eq!(bins.iter().map(|bin| bin.iterations).sum::<u64>(), 100_010);
            assert!(bins.windows(2).all(|pair| pair[0].to_seconds <= pair[1].from_seconds));
            let last = bins.last().map(|bin| bin.from_seconds..bin.to_seconds);
            assert!(last.is_some_and(|last| last.contains(&7200.0)));
        }
    }

    #[test]
    fn without_iterations_nothing_is_known() {
        assert_eq!(Latencies::new().mean(), None);
        assert_eq!(Latencies::new().quantile(0.5), None);
        assert_eq!(Latencies::new().bins(100), []);
    }
}
