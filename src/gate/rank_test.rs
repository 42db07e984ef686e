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

/// Compares two lists of finite values by the Mann-Whitney U test in its normal approximation, with
/// correction for ties and for continuity (H. B. Mann, D. R. Whitney, 1947).
///
/// It asks nothing of how the values are distributed, so that the few very slow iterations that any
/// run has do not hide a difference. `None` for fewer than eight values, and where all are equal.
pub fn mann_whitney_u(first: &[f64], second: &[f64]) -> Option<RankTest> {
    if first.len().min(second.len()) < FEWEST {
        return None;
    }
    let mut values: Vec<(f64, bool)> = first.iter().map(|value| (*value, true)).collect();
    values.extend(second.iter().map(|value| (*value, false)));
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0.0);
    for equal in values.chunk_by(|a, b| a.0 == b.0) {
        let n = equal.len() as f64;
        let of_first = equal.iter().filter(|(_, is_first)| *is_first).count() as f64;
        rank_sum += of_first * (before + (n + 1.0) / 2.0); // equal values share their mean rank
        ties += n * n * n - n;
        before += n;
    }
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let n = n1 + n2;
    let u = rank_sum - n1 * (n1 + 1.0) / 2.0;
    let deviation = (n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    let z = ((u - n1 * n2 / 2.0).abs() - 0.5).max(0.0) / deviation;
    let p = libm::erfc(z / std::f64::consts::SQRT_2);
    p.is_finite().then_some(RankTest { u, p })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (count(0.0, 100), count(3.5, 80), 4520.0, 0.134_779_081_811_010_99),
            (count(1.0, 8), count(1.0, 8), 32.0, 1.0),
        ] {
            let test = mann_whitney_u(&a, &b).unwrap();
            assert_eq!(test.u, u);
            assert!((test.p - p).abs() < 1e-12, "{} is not {p}", test.p);
            let reversed = mann_whitney_u(&b, &a).unwrap();
            assert!((reversed.p - test.p).abs() < 1e-12);
        }
    }

    #[test]
    fn too_few_or_equal_values_show_nothing() {
        assert_eq!(mann_whitney_u(&[1.0; 7], &[2.0; 100]), None);
        assert_eq!(mann_whitney_u(&[1.0; 20], &[1.0; 20]), None);
    }
}
