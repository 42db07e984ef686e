//! A quantity that only accumulates, remembered well enough to be read at moments that have passed.
//!
//! A progress record speaks of the time before it: where its iterations began is known only when its
//! line arrives, perhaps many minutes later. So each total keeps its recent past: the newest readings
//! as they are, older ones thinned by halves, all of it bounded.

use std::array;
use std::collections::VecDeque;

use super::higher;
use super::sums::Area;

/// Readings kept as they are.
const RECENT: usize = 512;
/// Older readings kept; beyond it every second one is dropped.
const OLD: usize = 512;

/// One reading of some quantities; `None` where it failed.
pub type Reading<const N: usize> = [Option<f64>; N];

/// The running totals at a moment, and the highest readings since the knot before.
#[derive(Debug, Clone, Copy)]
struct Knot<const N: usize> {
    at: f64,
    totals: [Area; N],
    reading: Reading<N>,
}

/// The running totals of some quantities, readable at past moments.
#[derive(Debug, Clone, Default)]
pub struct Curve<const N: usize> {
    old: Vec<Knot<N>>,
    recent: VecDeque<Knot<N>>,
    /// Every so many knots that leave `recent`, one is kept in `old`: 2 to the power of this.
    halvings: u32,
    leaving: u64,
}

impl<const N: usize> Curve<N> {
    /// Adds the totals as they stand at a moment, and the reading there. Moments that do not move
    /// forward are ignored.
    pub fn push(&mut self, at: f64, totals: [Area; N], reading: Reading<N>) {
        if self.recent.back().is_some_and(|last| at <= last.at) || !at.is_finite() {
            return;
        }
        self.recent.push_back(Knot { at, totals, reading });
        if self.recent.len() > RECENT
            && let Some(knot) = self.recent.pop_front()
        {
            self.retire(knot);
        }
    }

    /// The newest totals.
    pub fn totals(&self) -> [Area; N] {
        self.recent.back().map_or([Area::default(); N], |knot| knot.totals)
    }

    /// The newest reading's moment.
    pub fn end(&self) -> Option<f64> {
        self.recent.back().map(|knot| knot.at)
    }

    /// The totals at a moment, interpolated between the readings around it; before the first reading
    /// that one's, after the last one that one's.
    pub fn at(&self, at: f64) -> [Area; N] {
        match self.around(at) {
            (Some(before), Some(after)) => before.towards(after, (at - before.at) / (after.at - before.at)),
            (Some(knot), None) | (None, Some(knot)) => knot.totals,
            (None, None) => [Area::default(); N],
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

    /// The highest readings between two moments.
    pub fn peaks(&self, from: f64, to: f64) -> Reading<N> {
        let old = self.old.partition_point(|knot| knot.at < from);
        let recent = self.recent.partition_point(|knot| knot.at < from);
        let knots = self.old.iter().skip(old).chain(self.recent.iter().skip(recent));
        let readings = knots.take_while(|knot| knot.at <= to).map(|knot| knot.reading);
        readings.reduce(peaks).unwrap_or([None; N])
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
    fn around(&self, at: f64) -> (Option<&Knot<N>>, Option<&Knot<N>>) {
        let is_before = |knot: &Knot<N>| knot.at <= at;
        let (old, recent) = (self.old.partition_point(is_before), self.recent.partition_point(is_before));
        let previous = |count: usize| count.checked_sub(1);
        let before = previous(recent).and_then(|i| self.recent.get(i));
        let before = before.or_else(|| previous(old).and_then(|i| self.old.get(i)));
        (before, self.old.get(old).or_else(|| self.recent.get(recent)))
    }

    /// Keeps a knot that left `recent`, or leaves its reading to the next one.
    fn retire(&mut self, knot: Knot<N>) {
        self.leaving += 1;
        if self.old.is_empty() || self.leaving.is_multiple_of(1 << self.halvings) {
            self.old.push(knot);
        } else if let Some(next) = self.recent.front_mut() {
            next.reading = peaks(knot.reading, next.reading);
        }
        if self.old.len() >= OLD {
            self.old = halved(&self.old);
            self.halvings += 1;
            self.leaving = 0;
        }
    }
}

impl<const N: usize> Knot<N> {
    /// The totals some share (0 to 1) of the way to a later knot.
    fn towards(&self, later: &Self, share: f64) -> [Area; N] {
        array::from_fn(|i| {
            let (total, step) = (self.totals[i], later.totals[i] - self.totals[i]);
            let below_line = bend(step, self.reading[i].zip(later.reading[i])) * share * (1.0 - share);
            Area {
                integral: total.integral + share * step.integral - below_line,
                seconds: total.seconds + share * step.seconds,
            }
        })
    }
}

/// By how much the running integral bends under the straight line between two readings: that of a
/// straight line of readings is a parabola. 0 where `step` is more than one trapezoid, as after thinning.
fn bend(step: Area, readings: Option<(f64, f64)>) -> f64 {
    let Some((first, last)) = readings else { return 0.0 };
    let trapezoid = step.seconds * (first + last) / 2.0;
    let is_one = (step.integral - trapezoid).abs() <= 1e-6 * trapezoid.abs();
    if is_one { step.seconds * (last - first) / 2.0 } else { 0.0 }
}

/// The higher reading of each quantity.
fn peaks<const N: usize>(a: Reading<N>, b: Reading<N>) -> Reading<N> {
    array::from_fn(|i| higher(a[i], b[i]))
}

/// The first of the knots, then the later one of each pair, with the higher reading of both.
fn halved<const N: usize>(knots: &[Knot<N>]) -> Vec<Knot<N>> {
    let (first, rest) = knots.split_at(1.min(knots.len()));
    let later = |pair: &[Knot<N>]| {
        let merge =
            |first: Knot<N>, last: Knot<N>| Knot { reading: peaks(first.reading, last.reading), ..last };
        pair.iter().copied().reduce(merge)
    };
    first.iter().copied().chain(rest.chunks(2).filter_map(later)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A total that rises by 3 a second, and readings that rise by 1; they are no trapezoids.
    fn line(seconds: usize) -> Curve<1> {
        let mut curve = Curve::default();
        for i in 0..=seconds {
            let at = i as f64;
            curve.push(at, [Area { integral: 3.0 * at, seconds: 0.0 }], [Some(at)]);
        }
        curve
    }

    fn at(curve: &Curve<1>, at: f64) -> f64 {
        curve.at(at)[0].integral
    }

    #[test]
    fn the_past_can_be_read_between_readings() {
        let curve = line(100);
        assert_eq!(at(&curve, 40.5), 121.5);
        assert_eq!(curve.peaks(10.0, 12.5), [Some(12.0)]);
        assert_eq!(at(&curve, -1.0), 0.0);
        assert_eq!(curve.at(1e9), curve.totals());
        assert_eq!(curve.resolution(40.5), 0.0);
    }

    #[test]
    fn a_long_past_is_thinned_and_stays_bounded_and_right() {
        let curve = line(1_000_000);
        assert!(curve.old.len() <= OLD && curve.recent.len() <= RECENT);
        for moment in [0.5, 1234.5, 500_000.25, 999_999.5] {
            assert!((at(&curve, moment) - 3.0 * moment).abs() < 1e-6, "{moment}");
        }
        assert!(curve.resolution(500_000.0) > 1.0);
        let peak = curve.peaks(0.0, 500_000.0)[0].unwrap_or_default();
        assert!((496_000.0..=500_000.0).contains(&peak), "{peak}");
    }

    #[test]
    fn what_is_forgotten_leaves_the_rest_as_it_was() {
        for (seconds, from) in [(100, 40.5), (2000, 1999.5), (2000, 700.5), (2000, 0.5)] {
            let mut curve = line(seconds);
            curve.forget_before(from);
            for moment in [from, from + 0.25, seconds as f64] {
                let error = at(&curve, moment) - 3.0 * moment;
                assert!(error.abs() < 1e-6, "{moment} of {seconds} from {from}");
            }
        }
    }
}
