//! Whether two lists of measurements differ by more than chance.

use serde::Serialize;

/// The outcome of a Mann-Whitney U test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RankTest {
    /// U of the first list: in how many of all pairs its value is the larger one, ties counting half.
    pub u: f64,
    /// The probability of a difference at least as large if there is none, two-sided.
    pub p: f64,
}

/// Values that each list must have: below it the normal approximation is not good enough.
const FEWEST: usize = 8;

/// Compares two lists of finite values, each in the order in which they were measured, by the
/// Mann-Whitney U test in its normal approximation, with correction for ties and for continuity (H. B.
/// Mann, D. R. Whitney, 1947). `None` for fewer than eight values, and where all are equal.
///
/// It asks nothing of how the values are distributed, so that the few very slow iterations that any
/// run has do not hide a difference. But neighbours resemble each other, and carry less information than
/// independent values: the plain test often finds a difference between two halves of one run. The variance
/// is therefore multiplied by (1 + r) / (1 - r), where r is the correlation of a value's rank with its
/// predecessor's, as is usual for the mean of an autoregressive series (G. V. Bayley, J. M. Hammersley,
/// 1946).
pub fn mann_whitney_u_of_series(first: &[f64], second: &[f64]) -> Option<RankTest> {
    test(first, second, |ranks| {
        let r = autocorrelation(ranks).clamp(0.0, 0.99);
        (1.0 + r) / (1.0 - r)
    })
}

/// `factor` is by how much the variance of a mean of these ranks exceeds that of independent ones.
fn test(first: &[f64], second: &[f64], factor: impl Fn(&[f64]) -> f64) -> Option<RankTest> {
    if first.len().min(second.len()) < FEWEST {
        return None;
    }
    let (ranks, ties) = ranks(&[first, second].concat());
    let (of_first, of_second) = ranks.split_at_checked(first.len())?;
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let n = n1 + n2;
    let u = of_first.iter().sum::<f64>() - n1 * (n1 + 1.0) / 2.0;
    let factor = (factor(of_first) / n1 + factor(of_second) / n2) / (1.0 / n1 + 1.0 / n2);
    let deviation = (factor * n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    let z = ((u - n1 * n2 / 2.0).abs() - 0.5).max(0.0) / deviation;
    let p = libm::erfc(z / std::f64::consts::SQRT_2);
    p.is_finite().then_some(RankTest { u, p })
}

/// The rank of each value, equal ones sharing their mean rank, and the sum of t³ - t over the ties of
/// t values each.
fn ranks(values: &[f64]) -> (Vec<f64>, f64) {
    let mut sorted: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (mut ranks, mut ties, mut before) = (vec![0.0; values.len()], 0.0, 0.0);
    for equal in sorted.chunk_by(|a, b| a.1 == b.1) {
        let t = equal.len() as f64;
        for (place, _) in equal {
            if let Some(rank) = ranks.get_mut(*place) {
                *rank = before + (t + 1.0) / 2.0;
            }
        }
        ties += t * t * t - t;
        before += t;
    }
    (ranks, ties)
}

/// The correlation of values with their predecessors; 0 where all are equal.
fn autocorrelation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let pairs = values.iter().zip(values.iter().skip(1));
    let covariance: f64 = pairs.map(|(before, after)| (before - mean) * (after - mean)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test of values that are independent.
    fn mann_whitney_u(first: &[f64], second: &[f64]) -> Option<RankTest> {
        test(first, second, |_| 1.0)
    }

    /// The references are those of SciPy 1.17.1:
    /// `mannwhitneyu(a, b, alternative='two-sided', method='asymptotic', use_continuity=True)`.
    #[test]
    fn it_agrees_with_scipy() {
        let count = |from: f64, n: u32| -> Vec<f64> { (0..n).map(|i| from + f64::from(i)).collect() };
        let slower = [1.231, 1.229, 1.235, 1.240, 1.228, 1.233, 1.231, 1.300, 1.229, 1.232];
        let faster = [1.187, 1.190, 1.231, 1.186, 1.188, 1.187, 1.192, 1.250, 1.189, 1.185, 1.191, 1.187];
        let mostly_threes = [[3.0; 6].as_slice(), &[4.0; 2]].concat();
        let mostly_fours = [[3.0; 2].as_slice(), &[4.0; 6], &[5.0; 2]].concat();
        for (a, b, u, p) in [
            (count(1.0, 8), count(9.0, 8), 0.0, 0.000_939_105_699_117_189_9),
            (mostly_threes, mostly_fours, 16.0, 0.021_560_716_422_870_32),
            (slower.to_vec(), faster.to_vec(), 107.0, 0.002_112_520_289_467_21),
            (count(0.0, 100), count(3.5, 80), 4520.0, 0.134_779_081_811_011),
            (count(1.0, 8), count(1.0, 8), 32.0, 1.0),
        ] {
            let test = mann_whitney_u(&a, &b).unwrap();
            assert_eq!(test.u, u);
            assert!((test.p - p).abs() < 1e-12, "{} is not {p}", test.p);
            let reversed = mann_whitney_u(&b, &a).unwrap();
            assert!((reversed.p - test.p).abs() < 1e-12);
        }
    }

    /// A random walk that is drawn back to zero, by a fixed generator.
    fn wandering(seed: u64, n: usize) -> Vec<f64> {
        let (mut state, mut value) = (seed, 0.0);
        let step = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            value = 0.8 * value + (state >> 33) as f64 / f64::from(u32::MAX >> 1) - 0.5;
            value
        };
        std::iter::repeat_with(step).take(n).collect()
    }

    #[test]
    fn values_that_resemble_their_neighbours_are_not_taken_for_independent() {
        let found = |test: fn(&[f64], &[f64]) -> Option<RankTest>| {
            let significant = |seed: &u64| {
                let values = wandering(*seed, 400);
                let (first, second) = values.split_at(200);
                test(first, second).unwrap().p < 0.05
            };
            (0..200).filter(significant).count()
        };
        // Of 200 pairs without a difference some ten are significant at 0.05 by chance.
        assert!(found(mann_whitney_u) > 60, "{}", found(mann_whitney_u));
        assert!(found(mann_whitney_u_of_series) < 25, "{}", found(mann_whitney_u_of_series));
        // Where neighbours differ more than others, nothing is gained by it.
        let alternating: Vec<f64> = (0..40).map(|i| f64::from(i % 2) + f64::from(i) / 1000.0).collect();
        let shifted: Vec<f64> = alternating.iter().map(|value| value + 0.01).collect();
        assert_eq!(mann_whitney_u_of_series(&alternating, &shifted), mann_whitney_u(&alternating, &shifted));
    }

    #[test]
    fn too_few_or_equal_values_show_nothing() {
        assert_eq!(mann_whitney_u(&[1.0; 7], &[2.0; 100]), None);
        assert_eq!(mann_whitney_u(&[1.0; 20], &[1.0; 20]), None);
    }
}
