//! Sums of one GPU, gathered from its readings and readable for any recent stretch of time.

use std::array;

use super::curve::Curve;
use super::energy_counter::EnergyCounter;
use super::sums::{Area, Gauge, GpuSums};

/// One reading of the quantities of [`GpuSums`] that are averaged over time, in the order of its fields.
pub type Reading = super::curve::Reading<5>;

/// The last reading of a quantity, and its moment in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastReading(Option<(f64, f64)>);

impl LastReading {
    /// Takes in a reading. Returns the area since the one before, by the trapezoidal rule: none where one
    /// of the two failed, or they are more than `largest_gap` seconds apart.
    pub fn next(&mut self, at: f64, value: Option<f64>, largest_gap: f64) -> Area {
        let value = value.filter(|value| value.is_finite());
        let before = std::mem::replace(&mut self.0, value.map(|value| (at, value)));
        match before.zip(value) {
            Some(((then, previous), value)) if at > then && at - then <= largest_gap => {
                let seconds = at - then;
                Area { integral: seconds * (previous + value) / 2.0, seconds }
            }
            _ => Area::default(),
        }
    }
}

/// The time integrals of one GPU's readings, and its energy counter.
///
/// The time between two readings of a quantity counts only if both are known and no further apart than
/// the largest gap: a stalled driver or a suspended job leaves a hole, not an average.
#[derive(Debug, Clone, Default)]
pub struct GpuIntegral {
    largest_gap: f64,
    last: [LastReading; 5],
    pub curve: Curve<5>,
    pub counter: EnergyCounter,
    /// The job used the GPU from this moment on; 0 for one that it always used.
    pub counts_from: f64,
}

impl GpuIntegral {
    /// Readings more than `largest_gap` seconds apart are not joined.
    pub fn new(largest_gap: f64) -> Self {
        Self { largest_gap, ..Self::default() }
    }

    /// Adds a reading at a moment in seconds, with the energy counter's in joules.
    pub fn push(&mut self, at: f64, reading: Reading, counter_joules: Option<f64>) {
        let totals = self.curve.totals();
        let steps: [Area; 5] = array::from_fn(|i| self.last[i].next(at, reading[i], self.largest_gap));
        self.curve.push(at, array::from_fn(|i| totals[i] + steps[i]), reading);
        let [_, _, by_power, ..] = steps;
        self.counter.push(at, counter_joules, by_power);
    }

    /// Leaves out the time between the last reading and the next.
    pub fn interrupt(&mut self) {
        self.last = [LastReading::default(); 5];
        self.counter.interrupt();
    }

    /// The sums between two moments. Time before [`counts_from`](Self::counts_from) counts as unused.
    pub fn between(&self, from: f64, to: f64) -> GpuSums {
        let split = self.counts_from.clamp(from, to);
        if split == from {
            return self.measured_between(from, to);
        }
        self.measured_between(from, split).unused() + self.measured_between(split, to)
    }

    fn measured_between(&self, from: f64, to: f64) -> GpuSums {
        let (start, end, peaks) = (self.curve.at(from), self.curve.at(to), self.curve.peaks(from, to));
        let [memory_used_bytes, utilization_ratio, power_watts, temperature_celsius, sm_clock_mhz] =
            array::from_fn(|i| Gauge { area: end[i] - start[i], max: peaks[i] });
        GpuSums {
            memory_used_bytes,
            utilization_ratio,
            power_watts,
            temperature_celsius,
            sm_clock_mhz,
            energy_counter: self.counter.between(from, to),
        }
    }

    /// Forgets the readings before a moment, which nobody asks for any more.
    pub fn forget_before(&mut self, at: f64) {
        self.curve.forget_before(at);
        self.counter.curve.forget_before(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn memory(value: Option<f64>) -> Reading {
        [value, None, None, None, None]
    }

    #[test]
    fn a_constant_and_a_ramp_are_exact() {
        let mut gpu = GpuIntegral::new(5.0);
        for i in 0..=100 {
            let at = f64::from(i) * 0.1;
            gpu.push(at, [Some(42.0), Some(at), None, None, None], None);
        }
        let sums = gpu.between(0.0, 10.0);
        assert!((sums.memory_used_bytes.mean().unwrap_or(0.0) - 42.0).abs() < 1e-9);
        assert!((sums.utilization_ratio.area.integral - 50.0).abs() < 1e-9);
        assert_eq!(sums.memory_used_bytes.max, Some(42.0));
        assert_eq!(sums.power_watts.mean(), None);
    }

    #[test]
    fn a_ramp_is_exact_between_its_readings_too() {
        let mut gpu = GpuIntegral::new(5.0);
        for at in [0.0, 1.0, 2.0] {
            gpu.push(at, memory(Some(100.0 * at)), None);
        }
        let area = gpu.between(0.25, 1.5).memory_used_bytes.area;
        assert!((area.integral - 50.0 * (1.5 * 1.5 - 0.25 * 0.25)).abs() < 1e-9, "{area:?}");
        assert_eq!(area.seconds, 1.25);
    }

    #[test]
    fn failed_readings_and_gaps_are_left_out_of_the_average() {
        let mut gpu = GpuIntegral::new(3.0);
        for (at, value) in [(0.0, Some(10.0)), (1.0, Some(10.0)), (2.0, None), (3.0, Some(90.0))] {
            gpu.push(at, memory(value), None);
        }
        for at in [60.0, 61.0] {
            gpu.push(at, memory(Some(90.0)), None);
        }
        let area = gpu.between(0.0, 61.0).memory_used_bytes.area;
        assert_eq!(area, Area { integral: 100.0, seconds: 2.0 });
    }

    #[test]
    fn a_counter_that_resets_is_bridged_by_power() {
        let mut gpu = GpuIntegral::new(5.0);
        for (at, joules) in [(0.0, 5000.0), (1.0, 5100.0), (2.0, 7.0), (3.0, 107.0)] {
            gpu.push(at, [None, None, Some(100.0), None, None], Some(joules));
        }
        assert_eq!(gpu.between(0.0, 3.0).energy(), Area { integral: 300.0, seconds: 3.0 });
        assert_eq!(gpu.counter.implausible_steps, 1);
    }

    #[test]
    fn a_counter_loses_nothing_over_failed_readings() {
        let mut gpu = GpuIntegral::new(5.0);
        for (at, joules) in [(0.0, Some(0.0)), (1.0, None), (2.0, None), (3.0, Some(900.0))] {
            gpu.push(at, [None; 5], joules);
        }
        assert_eq!(gpu.between(0.0, 3.0).energy().mean(), Some(300.0));
    }

    proptest! {
        /// Whatever the readings, an average lies between the lowest and the highest of them.
        #[test]
        fn an_average_lies_within_the_readings(
            readings in prop::collection::vec((0.001f64..4.0, prop::option::of(-1e6f64..1e6)), 2..400),
            window in (0.0f64..1.0, 0.0f64..1.0),
        ) {
            let mut gpu = GpuIntegral::new(3.0);
            let mut at = 0.0;
            for (step, value) in &readings {
                at += step;
                gpu.push(at, memory(*value), None);
            }
            let (from, to) = (window.0.min(window.1) * at, window.0.max(window.1) * at);
            let low = readings.iter().filter_map(|r| r.1).fold(f64::INFINITY, f64::min);
            let high = readings.iter().filter_map(|r| r.1).fold(f64::NEG_INFINITY, f64::max);
            let area = gpu.between(from, to).memory_used_bytes.area;
            prop_assert!(area.seconds <= to - from + 1e-6);
            if area.seconds > 1e-3 {
                let mean = area.integral / area.seconds;
                prop_assert!(mean >= low - 1e-3 * low.abs().max(1.0) && mean <= high + 1e-3 * high.abs().max(1.0));
            }
        }

        /// The sums of a stretch are those of its parts, wherever it is divided.
        #[test]
        fn the_parts_of_a_stretch_add_up(
            readings in prop::collection::vec((0.01f64..2.0, prop::option::of(0f64..1e3)), 2..200),
            mut cuts in prop::collection::vec(0.0f64..1.0, 0..8),
        ) {
            let mut gpu = GpuIntegral::new(3.0);
            let (mut at, mut joules) = (0.0, 0.0);
            for (step, value) in &readings {
                at += step;
                joules += step * value.unwrap_or(50.0);
                gpu.push(at, [*value, None, *value, None, None], Some(joules));
            }
            cuts.extend([0.0, 1.0]);
            cuts.sort_by(f64::total_cmp);
            let parts = cuts.windows(2).map(|cut| gpu.between(cut[0] * at, cut[1] * at));
            let sum = parts.fold(GpuSums::default(), |sum, part| sum + part);
            let whole = gpu.between(0.0, at);
            let pairs = [
                (sum.memory_used_bytes.area, whole.memory_used_bytes.area),
                (sum.power_watts.area, whole.power_watts.area),
                (sum.energy_counter, whole.energy_counter),
            ];
            for (sum, whole) in pairs {
                prop_assert!((sum.integral - whole.integral).abs() <= 1e-6 * whole.integral.abs().max(1.0));
                prop_assert!((sum.seconds - whole.seconds).abs() <= 1e-9 * at.max(1.0));
            }
            prop_assert_eq!(sum.memory_used_bytes.max, whole.memory_used_bytes.max);
        }
    }
}
