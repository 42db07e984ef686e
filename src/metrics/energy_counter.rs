//! A GPU's energy counter: energy between two moments, across resets and failed readings.

use super::curve::Curve;
use super::sums::Area;

/// Energy by a counter of joules: end minus start.
///
/// Over a stretch in which the counter fell (a reset) or rose faster than any GPU can draw, the
/// integral of power stands in for it.
#[derive(Debug, Clone, Default)]
pub struct EnergyCounter {
    last: Option<(f64, f64)>,
    /// Joules and the seconds that they span.
    running: Area,
    pub curve: Curve<1>,
    /// How often the counter fell or jumped.
    pub implausible_steps: u64,
}

/// More than any GPU draws, in watts.
const IMPLAUSIBLE_WATTS: f64 = 20_000.0;
/// The longest time between two steps of a counter, in seconds.
const COUNTER_STEP: f64 = 0.1;

impl EnergyCounter {
    /// `by_power` is the energy since the reading before by sampled power.
    pub fn push(&mut self, at: f64, joules: Option<f64>, by_power: Area) {
        // A failed reading loses nothing: the next one still holds all the energy since the last.
        let Some(joules) = joules.filter(|joules| joules.is_finite()) else { return };
        if let Some((before, previous)) = self.last {
            let (elapsed, used) = (at - before, joules - previous);
            if (0.0..=IMPLAUSIBLE_WATTS * (elapsed + COUNTER_STEP)).contains(&used) {
                self.running = self.running + Area { integral: used, seconds: elapsed.max(0.0) };
            } else {
                self.running = self.running + by_power;
                self.implausible_steps += 1;
            }
        }
        self.curve.push(at, [self.running], [None]);
        self.last = Some((at, joules));
    }

    /// Leaves out the energy between the last reading and the next.
    pub fn interrupt(&mut self) {
        self.last = None;
    }

    /// Joules between two moments, and the seconds that they span.
    pub fn between(&self, from: f64, to: f64) -> Area {
        let ([from], [to]) = (self.curve.at(from), self.curve.at(to));
        to - from
    }
}
