//! A quantity that only accumulates, remembered well enough to be read at moments that have passed.
//!
//! A progress record speaks of the time before it: where its iterations began is known only when its
//! line arrives, perhaps many minutes later. So each total keeps its recent past: the newest readings
//! as they are, older ones thinned by halves, all of it bounded.

use std::collections::VecDeque;

/// Readings kept as they are.
const RECENT: usize = 512;
/// Older readings kept; beyond it every second one is dropped.
const OLD: usize = 512;

/// A running total that can be interpolated.
pub trait Cumulative<R>: Copy + Default {
    /// The total some share (0 to 1) of the way from this one to a later one, given the readings at both.
    #[must_use]
    fn towards(self, later: Self, readings: (R, R), share: f64) -> Self;
}

/// A reading of which the highest is kept where several are thinned to one.
pub trait Peak: Copy {
    /// The higher one of each quantity.
    #[must_use]
    fn peak(self, other: Self) -> Self;
}

impl Peak for () {
    fn peak(self, (): Self) {}
}

/// The total at a moment, and the highest reading since the knot before.
#[derive(Debug, Clone, Copy)]
pub struct Knot<T, R> {
    pub at: f64,
    pub total: T,
    pub reading: R,
}

/// The knots before and after a moment.
type Neighbours<'a, T, R> = (Option<&'a Knot<T, R>>, Option<&'a Knot<T, R>>);

/// The running total of a quantity, readable at past moments.
#[derive(Debug, Clone)]
pub struct Curve<T, R> {
    old: Vec<Knot<T, R>>,
    recent: VecDeque<Knot<T, R>>,
    /// Every so many knots that leave `recent`, one is kept in `old`: 2 to the power of this.
    halvings: u32,
    leaving: u64,
}

impl<T, R> Default for Curve<T, R> {
    fn default() -> Self {
        Self { old: Vec::new(), recent: VecDeque::new(), halvings: 0, leaving: 0 }
    }
}

impl<T: Cumulative<R>, R: Peak> Curve<T, R> {
    /// Adds the total as it stands at a moment, and the reading there. Moments that do not move
    /// forward are ignored.
    pub fn push(&mut self, at: f64, total: T, reading: R) {
        if self.recent.back().is_some_and(|last| at <= last.at) || !at.is_finite() {
            return;
        }
        self.recent.push_back(Knot { at, total, reading });
        if self.recent.len() > RECENT
            && let Some(knot) = self.recent.pop_front()
        {
            self.retire(knot);
        }
    }

    /// The newest total.
    pub fn total(&self) -> T {
        self.recent.back().map(|knot| knot.total).unwrap_or_default()
    }

    /// The newest reading's moment.
    pub fn end(&self) -> Option<f64> {
        self.recent.back().map(|knot| knot.at)
    }

    /// The total at a moment, interpolated between the readings around it; before the first reading
    /// that one's, after the last one that one's.
    pub fn at(&self, at: f64) -> T {
        let (before, after) = self.around(at);
        match (before, after) {
            (Some(before), Some(after)) => {
                let share = (at - before.at) / (after.at - before.at);
                before.total.towards(after.total, (before.reading, after.reading), share)
            }
            (Some(knot), None) | (None, Some(knot)) => knot.total,
            (None, None) => T::default(),
        }
    }

    /// The time between the two readings around a moment where readings were thinned; 0 elsewhere.
    pub fn resolution(&self, at: f64) -> f64 {
        match self.around(at) {
            (Some(before), Some(after)) if self.old.last().is_some_and(|last| before.at <= last.at) => {
                after.at - before.at
            }
            _ => 0.0,
        }
    }

    /// The readings within two moments, oldest first.
    pub fn within(&self, from: f64, to: f64) -> impl Iterator<Item = &R> {
        let old = self.old.partition_point(|knot| knot.at < from);
        let recent = self.recent.partition_point(|knot| knot.at < from);
        let knots = self.old.iter().skip(old).chain(self.recent.iter().skip(recent));
        knots.take_while(move |knot| knot.at <= to).map(|knot| &knot.reading)
    }

    /// Forgets the past that nobody asks for any more: all before a moment but the last reading.
    pub fn forget_before(&mut self, at: f64) {
        let recent = self.recent.partition_point(|knot| knot.at <= at);
        if recent > 0 {
            self.recent.drain(..recent - 1);
            self.old.clear();
            (self.halvings, self.leaving) = (0, 0);
        } else {
            let old = self.old.partition_point(|knot| knot.at <= at);
            self.old.drain(..old.saturating_sub(1));
        }
    }

    /// The last knot at or before a moment, and the first one after it.
    fn around(&self, at: f64) -> Neighbours<'_, T, R> {
        let is_before = |knot: &Knot<T, R>| knot.at <= at;
        let (old, recent) = (self.old.partition_point(is_before), self.recent.partition_point(is_before));
        let previous = |count: usize| count.checked_sub(1);
        let before = previous(recent).and_then(|i| self.recent.get(i));
        let before = before.or_else(|| previous(old).and_then(|i| self.old.get(i)));
        (before, self.old.get(old).or_else(|| self.recent.get(recent)))
    }

    /// Keeps a knot that left `recent`, or leaves its reading to the next one.
    fn retire(&mut self, knot: Knot<T, R>) {
        self.leaving += 1;
        if self.old.is_empty() || self.leaving.is_multiple_of(1 << self.halvings) {
            self.old.push(knot);
        } else if let Some(next) = self.recent.front_mut() {
            next.reading = knot.reading.peak(next.reading);
        }
        if self.old.len() >= OLD {
            self.old = halved(&self.old);
            self.halvings += 1;
            self.leaving = 0;
        }
    }
}

/// The first of the knots, then the later one of each pair, with the higher reading of both.
fn halved<T: Copy, R: Peak>(knots: &[Knot<T, R>]) -> Vec<Knot<T, R>> {
    let (first, rest) = knots.split_at(1.min(knots.len()));
    let later = |pair: &[Knot<T, R>]| {
        let last = *pair.last()?;
        let reading = pair.iter().map(|knot| knot.reading).reduce(Peak::peak)?;
        Some(Knot { reading, ..last })
    };
    first.iter().copied().chain(rest.chunks(2).filter_map(later)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Peak for f64 {
        fn peak(self, other: Self) -> Self {
            self.max(other)
        }
    }

    impl Cumulative<f64> for f64 {
        fn towards(self, later: Self, _: (f64, f64), share: f64) -> Self {
            self + share * (later - self)
        }
    }

    fn line(seconds: usize) -> Curve<f64, f64> {
        let mut curve = Curve::default();
        for i in 0..=seconds {
            let at = i as f64;
            curve.push(at, 3.0 * at, at);
        }
        curve
    }

    #[test]
    fn the_past_can_be_read_between_readings() {
        let curve = line(100);
        assert_eq!(curve.at(40.5), 121.5);
        assert_eq!(curve.within(10.0, 12.5).copied().collect::<Vec<_>>(), [10.0, 11.0, 12.0]);
        assert_eq!(curve.at(-1.0), 0.0);
        assert_eq!(curve.at(1e9), curve.total());
        assert_eq!(curve.resolution(40.5), 0.0);
    }

    #[test]
    fn a_long_past_is_thinned_and_stays_bounded_and_right() {
        let curve = line(1_000_000);
        assert!(curve.old.len() <= OLD && curve.recent.len() <= RECENT);
        for at in [0.5, 1234.5, 500_000.25, 999_999.5] {
            assert!((curve.at(at) - 3.0 * at).abs() < 1e-6, "{at}");
        }
        assert!(curve.resolution(500_000.0) > 1.0);
        let peak = curve.within(0.0, 500_000.0).copied().fold(0.0, f64::max);
        assert!((496_000.0..=500_000.0).contains(&peak), "{peak}");
    }

    #[test]
    fn what_is_forgotten_leaves_the_rest_as_it_was() {
        for (seconds, from) in [(100, 40.5), (2000, 1999.5), (2000, 700.5), (2000, 0.5)] {
            let mut curve = line(seconds);
            curve.forget_before(from);
            for at in [from, from + 0.25, seconds as f64] {
                assert!((curve.at(at) - 3.0 * at).abs() < 1e-6, "{at} of {seconds} from {from}");
            }
        }
    }
}
