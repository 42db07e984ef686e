//! The first record of a training: how many iterations it speaks of, which only the second one may tell.

use crate::event::Progress;

use super::sizes::Sizes;

/// Where counting began: the record of a bar at its beginning, or of a job that was going on before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Baseline {
    pub iteration: Option<u64>,
    pub at: Option<f64>,
}

/// The first record, as long as no second one follows.
#[derive(Debug, Clone)]
pub struct FirstRecord {
    pub record: Progress,
    pub sizes: Sizes,
    pub baseline: Option<Baseline>,
    /// The log counts its iterations from zero.
    pub counts_from_zero: bool,
    /// Training has begun again in the same log with this record.
    pub restarted: bool,
    /// Something other than training happened after it.
    pub is_interrupted: bool,
    /// The second record, where only a third one tells what the first was.
    pub second: Option<(Progress, Sizes)>,
}

/// What is known of the iterations that a first record speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub iterations: u64,
    /// Whether they took the time since the baseline.
    pub is_since_baseline: bool,
    /// Whether their number is a guess.
    pub is_guess: bool,
}

/// A step longer than this, and than a hundred of those before, is an implausible record.
pub const LARGEST_JUMP: u64 = 1000;
/// A bar is drawn as soon as so many seconds have passed since it was drawn before.
const DRAWN_EVERY: f64 = 0.1;

impl Known {
    /// What is sure of a first record, as long as no second one follows.
    pub const AT_LEAST: Self = Self { iterations: 1, is_since_baseline: true, is_guess: false };
}

impl FirstRecord {
    /// What the second record tells of this one, if there is a second one.
    pub fn known(&self, second: Option<&Progress>) -> Known {
        let certain = |iterations: u64| Known { iterations, is_since_baseline: true, is_guess: false };
        let iteration = self.record.iteration.unwrap_or(1);
        let since = |start: Option<u64>| start.and_then(|start| iteration.checked_sub(start));
        let step = second.and_then(|second| second.iteration?.checked_sub(iteration));
        if let Some(iterations) = second.and_then(|second| self.after_leap(second)) {
            return Known { is_since_baseline: false, ..certain(iterations) };
        }
        let start = self.baseline.and_then(|baseline| baseline.iteration).or(self.sizes.resume_iteration);
        if self.is_extra(second) {
            return certain(1);
        }
        // A log that shows one iteration of several begins with one of them where a job resumes.
        let is_resumed = self.counts_from_zero || Some(iteration) > step;
        let alone = self.record.of_one_iteration && start.is_none() && is_resumed;
        let known = since(start)
            .filter(|since| (1..=LARGEST_JUMP).contains(since))
            .or(alone.then_some(1))
            .or(self.sizes.log_interval)
            .or(step.filter(|step| *step <= LARGEST_JUMP))
            .or_else(|| self.all_that_fit(iteration));
        let is_guess = known.is_none() && iteration > 1;
        Known { is_guess, ..certain(known.unwrap_or(1).clamp(1, iteration.max(1))) }
    }

    /// Whether only a third record can tell if this one is of the very first iteration alone: of a log in a file
    /// nothing else tells that it has its beginning.
    pub fn needs_third(&self, second: &Progress) -> bool {
        let Self { record, sizes, restarted, .. } = self;
        let is_open = self.second.is_none() && sizes.elapsed.is_none() && sizes.log_interval.is_none();
        is_open && record.overlaps_first && !restarted && !self.is_extra(Some(second))
    }

    /// Whether it is of the very first iteration alone, printed out of turn and without a reset of the
    /// timer, so that the second record's mean is over that iteration too.
    pub fn is_extra(&self, second: Option<&Progress>) -> bool {
        let Some(iteration) = self.record.iteration.filter(|_| self.record.overlaps_first) else {
            return false;
        };
        let is_of_the_start = self.restarted || self.sizes.elapsed.is_some();
        let step = second.and_then(|second| second.iteration?.checked_sub(iteration));
        let interval = self.sizes.log_interval.or(step);
        let out_of_turn = interval.is_some_and(|interval| !iteration.is_multiple_of(interval));
        is_of_the_start
            || out_of_turn
            || interval == Some(1)
            || iteration == self.sizes.resume_iteration.unwrap_or(0) + 1
    }

    /// The bar of a job that resumes leaps from its beginning to where the job was: the iterations that were
    /// made until it was drawn again, if it did. A bar that is drawn late was drawn at the first iteration.
    fn after_leap(&self, second: &Progress) -> Option<u64> {
        let Baseline { iteration, at } = self.baseline?;
        let first = self.record.iteration?;
        let leap = first.checked_sub(iteration?)?;
        let step = second.iteration?.checked_sub(first).filter(|step| *step > 0)?;
        let seconds = (second.at? - self.record.at?) / step as f64;
        let waited = self.record.at? - at?;
        let is_prompt = waited <= DRAWN_EVERY + seconds;
        let made = if is_prompt { (waited / seconds).round().clamp(1.0, LARGEST_JUMP as f64) } else { 1.0 };
        let (made, doubt) = (made as u64, u64::from(seconds < DRAWN_EVERY));
        (self.record.smoothed && leap > step.max(made + doubt)).then_some(made)
    }

    /// All iterations up to this one, if their stated time fills most of the time since the run's start.
    fn all_that_fit(&self, iteration: u64) -> Option<u64> {
        let seconds = self.record.step_time? * iteration as f64;
        let elapsed = self.sizes.elapsed?;
        (0.5 * elapsed..=elapsed).contains(&seconds).then_some(iteration)
    }
}
