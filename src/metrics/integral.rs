//! Integrals of sampled quantities over the time in which they were really sampled.

use super::curve::{Area, Curve};

/// The time integral of a gauge (memory, utilization, power), by the trapezoidal rule.
///
/// The time between two readings counts only if both are known and no further apart than the
/// largest gap: a stalled driver or a suspended job leaves a hole, not an average.
#[derive(Debug, Clone)]
pub struct Integral {
    largest_gap: f64,
    last: Option<(f64, f64)>,
    running: Area,
    curve: Curve,
}

impl Integral {
    /// An integral in which readings more than `largest_gap` seconds apart are not joined.
    pub fn new(largest_gap: f64) -> Self {
        Self { largest_gap, last: None, running: Area::default(), curve: Curve::default() }
    }

    /// Adds a reading at a moment in seconds; `None` is a reading that failed.
    pub fn push(&mut self, at: f64, value: Option<f64>) {
        let value = value.filter(|value| value.is_finite());
        if let (Some((before, previous)), Some(value)) = (self.last, value) {
            let elapsed = at - before;
            if elapsed > 0.0 && elapsed <= self.largest_gap {
                self.running.area += elapsed * (previous + value) / 2.0;
                self.running.seconds += elapsed;
            }
        }
        self.curve.push(at, self.running, value);
        self.last = value.map(|value| (at, value));
    }

    /// Does not join the next reading to the last one.
    pub fn interrupt(&mut self) {
        self.last = None;
    }

    /// The integral between two moments.
    pub fn between(&self, from: f64, to: f64) -> Area {
        self.curve.between(from, to)
    }

    /// The integral up to now.
    pub fn total(&self) -> Area {
        self.running
    }

    /// The highest reading between two moments.
    pub fn peak_between(&self, from: f64, to: f64) -> Option<f64> {
        self.curve.peak_between(from, to)
    }
}

/// Energy by a counter of joules: end minus start.
///
/// A stretch in which the counter fell (a reset) or rose faster than any GPU can draw says nothing
/// of itself; the integral of power stands in for it.
#[derive(Debug, Clone, Default)]
pub struct EnergyCounter {
    last: Option<(f64, f64)>,
    /// Joules and the seconds that they span.
    running: Area,
    curve: Curve,
    implausible: u64,
}

/// More than any GPU draws, in watts.
const IMPLAUSIBLE_WATTS: f64 = 20_000.0;

impl EnergyCounter {
    /// Adds a reading of the counter; `by_power` is what power says of the time since the reading
    /// before, in joules and the seconds that it covers.
    pub fn push(&mut self, at: f64, joules: Option<f64>, by_power: Area) {
        let joules = joules.filter(|joules| joules.is_finite());
        if let (Some((before, previous)), Some(joules)) = (self.last, joules) {
            let (elapsed, used) = (at - before, joules - previous);
            // The counter moves in steps of up to 100 ms, so a short stretch may hold one more.
            let plausible = (0.0..=IMPLAUSIBLE_WATTS * (elapsed + 0.1)).contains(&used);
            if plausible && elapsed > 0.0 {
                self.running.area += used;
                self.running.seconds += elapsed;
            } else if elapsed > 0.0 {
                self.running.area += by_power.area;
                self.running.seconds += by_power.seconds;
                self.implausible += 1;
            }
        }
        // A failed reading loses nothing: the next one still holds all the energy since the last.
        if joules.is_some() {
            self.curve.push(at, self.running, None);
            self.last = joules.map(|joules| (at, joules));
        }
    }

    /// Leaves out what the counter counts between the last reading and the next.
    pub fn interrupt(&mut self) {
        self.last = None;
    }

    /// Whether the counter was ever read twice.
    pub fn is_known(&self) -> bool {
        self.running.seconds > 0.0
    }

    /// Joules between two moments, and the seconds that they span.
    pub fn between(&self, from: f64, to: f64) -> Area {
        self.curve.between(from, to)
    }

    /// How often the counter fell or jumped.
    pub fn implausible_steps(&self) -> u64 {
        self.implausible
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_constant_and_a_ramp_are_exact() {
        let (mut constant, mut ramp) = (Integral::new(5.0), Integral::new(5.0));
        for i in 0..=100 {
            let at = f64::from(i) * 0.1;
            constant.push(at, Some(42.0));
            ramp.push(at, Some(at));
        }
        assert!((constant.between(0.0, 10.0).mean().unwrap_or(0.0) - 42.0).abs() < 1e-9);
        assert!((ramp.between(0.0, 10.0).area - 50.0).abs() < 1e-9);
        assert_eq!(constant.peak_between(0.0, 10.0), Some(42.0));
    }

    #[test]
    fn failed_readings_and_gaps_are_left_out_of_the_average() {
        let mut integral = Integral::new(3.0);
        integral.push(0.0, Some(10.0));
        integral.push(1.0, Some(10.0));
        integral.push(2.0, None);
        integral.push(3.0, Some(90.0));
        integral.push(60.0, Some(90.0));
        integral.push(61.0, Some(90.0));
        assert_eq!(integral.total(), Area { area: 100.0, seconds: 2.0 });
    }

    #[test]
    fn a_counter_that_resets_is_bridged_by_power() {
        let mut counter = EnergyCounter::default();
        let by_power = Area { area: 100.0, seconds: 1.0 };
        for (at, joules) in [(0.0, 5000.0), (1.0, 5100.0), (2.0, 7.0), (3.0, 107.0)] {
            counter.push(at, Some(joules), by_power);
        }
        assert_eq!(counter.between(0.0, 3.0), Area { area: 300.0, seconds: 3.0 });
        assert_eq!(counter.implausible_steps(), 1);
    }

    #[test]
    fn a_counter_loses_nothing_over_failed_readings() {
        let mut counter = EnergyCounter::default();
        for (at, joules) in [(0.0, Some(0.0)), (1.0, None), (2.0, None), (3.0, Some(900.0))] {
            counter.push(at, joules, Area::default());
        }
        assert_eq!(counter.between(0.0, 3.0).mean(), Some(300.0));
    }

    proptest! {
        /// Whatever the readings, an average lies between the lowest and the highest of them.
        #[test]
        fn an_average_lies_within_the_readings(
            readings in prop::collection::vec((0.001f64..4.0, prop::option::of(-1e6f64..1e6)), 2..400),
            window in (0.0f64..1.0, 0.0f64..1.0),
        ) {
            let mut integral = Integral::new(3.0);
            let mut at = 0.0;
            for (step, value) in &readings {
                at += step;
                integral.push(at, *value);
            }
            let (from, to) = (window.0.min(window.1) * at, window.0.max(window.1) * at);
            let low = readings.iter().filter_map(|r| r.1).fold(f64::INFINITY, f64::min);
            let high = readings.iter().filter_map(|r| r.1).fold(f64::NEG_INFINITY, f64::max);
            let area = integral.between(from, to);
            prop_assert!(area.seconds <= to - from + 1e-6);
            if area.seconds > 1e-3 {
                let mean = area.area / area.seconds;
                prop_assert!(mean >= low - 1e-3 * low.abs().max(1.0) && mean <= high + 1e-3 * high.abs().max(1.0));
            }
        }
    }
}
