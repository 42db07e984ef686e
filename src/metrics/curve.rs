//! A quantity that only accumulates, remembered well enough to be read at moments that have passed.
//!
//! The headline window begins where the first counted iteration began, which is known only when
//! that iteration's log line arrives, perhaps many minutes later. So each integral keeps its past:
//! the newest readings as they are, older ones thinned by halves, all of it bounded.

use std::collections::VecDeque;

/// Readings kept as they are.
const RECENT: usize = 256;
/// Older readings kept; beyond it every second one is dropped.
const OLD: usize = 1024;

/// An integral over the time that was measured, and how long that time is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Area {
    /// The quantity times seconds.
    pub area: f64,
    /// The measured part of the elapsed time, in seconds.
    pub seconds: f64,
}

impl Area {
    /// The time average; `None` where no time was measured.
    pub fn mean(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.area / self.seconds)
    }
}

impl std::ops::Sub for Area {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self { area: self.area - earlier.area, seconds: self.seconds - earlier.seconds }
    }
}

/// The integral as it stood at a moment, and the highest reading since the knot before.
#[derive(Debug, Clone, Copy)]
struct Knot {
    at: f64,
    total: Area,
    peak: Option<f64>,
}

/// The running total of an integral, readable at past moments.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// The very first knot, which no thinning takes away.
    first: Option<Knot>,
    old: Vec<Knot>,
    recent: VecDeque<Knot>,
    /// Of so many knots that leave `recent`, the last is kept in `old`: 2 to the power of this.
    halvings: u32,
    leaving: u64,
    /// The highest reading among the knots that left since the last one that was kept.
    carried: Option<f64>,
}

impl Curve {
    /// Adds the total as it stands at a moment, and the reading there. Moments that do not move
    /// forward are ignored.
    pub fn push(&mut self, at: f64, total: Area, reading: Option<f64>) {
        if self.recent.back().is_some_and(|last| at <= last.at) || !at.is_finite() {
            return;
        }
        let knot = Knot { at, total, peak: reading };
        self.first.get_or_insert(knot);
        self.recent.push_back(knot);
        if self.recent.len() > RECENT
            && let Some(knot) = self.recent.pop_front()
        {
            self.retire(knot);
        }
    }

    /// The newest total.
    pub fn total(&self) -> Area {
        self.recent.back().map(|knot| knot.total).unwrap_or_default()
    }

    /// The total at a moment, interpolated between the readings around it; before the first
    /// reading nothing, after the last the newest.
    pub fn at(&self, at: f64) -> Area {
        let is_before = |knot: &Knot| knot.at < at;
        let after = self.old.partition_point(is_before);
        if let Some(next) = self.old.get(after) {
            let previous = after.checked_sub(1).and_then(|i| self.old.get(i)).or(self.first.as_ref());
            return interpolate(previous, next, at);
        }
        let after = self.recent.partition_point(is_before);
        let before = || self.old.last().or(self.first.as_ref());
        let previous = after.checked_sub(1).and_then(|i| self.recent.get(i)).or_else(before);
        match self.recent.get(after) {
            Some(next) => interpolate(previous, next, at),
            None => self.total(),
        }
    }

    /// The integral between two moments.
    pub fn between(&self, from: f64, to: f64) -> Area {
        self.at(to) - self.at(from)
    }

    /// The highest reading between two moments, of those that are told apart.
    pub fn peak_between(&self, from: f64, to: f64) -> Option<f64> {
        let inside = |knot: &&Knot| knot.at >= from && knot.at <= to;
        self.old.iter().chain(&self.recent).filter(inside).filter_map(|knot| knot.peak).reduce(f64::max)
    }

    fn retire(&mut self, knot: Knot) {
        self.carried = higher(self.carried, knot.peak);
        self.leaving += 1;
        if self.leaving.is_multiple_of(1 << self.halvings) {
            self.old.push(Knot { peak: self.carried.take(), ..knot });
        }
        if self.old.len() >= OLD {
            self.old = self.old.chunks(2).filter_map(merge).collect();
            self.halvings += 1;
            self.leaving = 0;
        }
    }
}

/// The later of two neighbours, with the peak of both.
fn merge(pair: &[Knot]) -> Option<Knot> {
    let last = pair.last()?;
    Some(Knot { peak: pair.iter().map(|knot| knot.peak).fold(None, higher), ..*last })
}

fn higher(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}

fn interpolate(previous: Option<&Knot>, next: &Knot, at: f64) -> Area {
    let Some(previous) = previous.filter(|previous| previous.at < next.at) else {
        return if at < next.at { Area::default() } else { next.total };
    };
    let share = ((at - previous.at) / (next.at - previous.at)).clamp(0.0, 1.0);
    let step = next.total - previous.total;
    Area {
        area: previous.total.area + share * step.area,
        seconds: previous.total.seconds + share * step.seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seconds: usize) -> Curve {
        let mut curve = Curve::default();
        for i in 0..=seconds {
            let at = i as f64;
            curve.push(at, Area { area: 3.0 * at, seconds: at }, Some(at));
        }
        curve
    }

    #[test]
    fn the_past_can_be_read_between_readings() {
        let curve = line(100);
        assert_eq!(curve.at(40.5), Area { area: 121.5, seconds: 40.5 });
        assert_eq!(curve.between(10.0, 20.0).mean(), Some(3.0));
        assert_eq!(curve.peak_between(10.0, 20.0), Some(20.0));
        assert_eq!(curve.at(-1.0), Area::default());
        assert_eq!(curve.at(1e9), curve.total());
    }

    #[test]
    fn a_long_past_is_thinned_and_stays_bounded_and_right() {
        let curve = line(1_000_000);
        assert!(curve.old.len() <= OLD && curve.recent.len() <= RECENT);
        for at in [0.5, 1234.5, 500_000.25, 999_999.5] {
            assert!((curve.at(at).area - 3.0 * at).abs() < 1e-6, "{at}");
        }
        let peak = curve.peak_between(0.0, 500_000.0).unwrap_or(0.0);
        assert!((498_000.0..=500_000.0).contains(&peak), "{peak}");
    }
}
