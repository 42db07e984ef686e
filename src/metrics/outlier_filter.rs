//! What amounts of one kind usually are, to know a statement that lies.

/// What amounts usually are, to know one that lies.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutlierFilter {
    seen: u32,
    largest: f64,
}

impl OutlierFilter {
    /// So many times the largest so far is no measurement.
    const FAR: f64 = 1e4;
    /// With fewer seen, nothing is usual.
    const ENOUGH: u32 = 3;

    /// Takes in an amount, not negative, of whatever unit the others have.
    pub fn note(&mut self, amount: f64) {
        self.seen = self.seen.saturating_add(1);
        self.largest = self.largest.max(amount);
    }

    /// Whether an amount is 10⁴ times the largest of three or more.
    pub fn is_outlier(&self, amount: f64) -> bool {
        self.seen >= Self::ENOUGH && self.largest > 0.0 && amount > Self::FAR * self.largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_beyond_all_others_is_told_once_there_are_others() {
        let mut usual = OutlierFilter::default();
        for amount in [1.0, 2.0, 0.0] {
            assert!(!usual.is_outlier(1e30));
            usual.note(amount);
        }
        assert!(usual.is_outlier(2.1e4));
        assert!(!usual.is_outlier(1.9e4));
    }

    #[test]
    fn beside_nothing_but_zeros_nothing_is_far() {
        let mut usual = OutlierFilter::default();
        (0..9).for_each(|_| usual.note(0.0));
        assert!(!usual.is_outlier(1.0));
    }
}
