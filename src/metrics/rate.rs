//! An amount and the time in which it came about.

/// A sum of amounts (tokens, samples) over the sum of just those iterations' times.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    pub amount: f64,
    pub seconds: f64,
}

impl Rate {
    /// Adds an amount that came about in `seconds`.
    pub fn add(&mut self, amount: f64, seconds: f64) {
        self.amount += amount;
        self.seconds += seconds;
    }

    /// Amount per second; `None` where no time was measured.
    pub fn per_second(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.amount / self.seconds)
    }
}
