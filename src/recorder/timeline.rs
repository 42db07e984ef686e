//! The time of a run, divided into stretches: which moments are training, and which are not.
//!
//! A record speaks of the past. It says when its iterations ended and, if the log states it, how long
//! they took; the rest of the time since the record before is a pause where the log names one, else a
//! gap.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::report::PhaseKind;

/// A stretch of the run, in seconds on the run's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    pub kind: PhaseKind,
    pub name: Option<Arc<str>>,
    pub from: f64,
    pub to: f64,
}

/// Work that ended at a moment: a record's iterations, or the tokens that a server generated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    pub kind: PhaseKind,
    pub end: f64,
    /// How long it took; `None` where that is unknown, and then the time since the work before is none
    /// of its kind.
    pub seconds: Option<f64>,
    /// Several records whose lines came together.
    pub is_burst: bool,
}

/// Lines that arrive within so many seconds came together.
const TOGETHER: f64 = 0.002;

impl Work {
    pub fn new(kind: PhaseKind, end: f64, seconds: Option<f64>) -> Self {
        Self { kind, end, seconds, is_burst: false }
    }

    /// Whether a line that arrived at a moment came together with this work's.
    pub fn is_together(&self, at: f64) -> bool {
        at - self.end <= TOGETHER
    }

    /// Takes in later work of the same kind whose line came together with this one's. False if it did not.
    pub fn takes(&mut self, later: &Self) -> bool {
        let (Some(own), Some(more)) = (self.seconds, later.seconds) else { return false };
        let takes = self.kind == later.kind && self.is_together(later.end);
        if takes {
            *self = Self { end: later.end, seconds: Some(own + more), is_burst: true, ..*self };
        }
        takes
    }
}

/// A named pause, from the first to the last line that tells of it.
#[derive(Debug, Clone, PartialEq)]
struct Pause {
    name: Arc<str>,
    from: f64,
    to: f64,
}

/// Divides time into stretches, in order and without holes.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// All time before it is divided.
    pub divided: f64,
    /// What it is divided into, until it is taken.
    pub stretches: VecDeque<Stretch>,
    has_worked: bool,
    /// Work that did not fit into the time since the work before: its lines came late.
    overdue: f64,
    pauses: Vec<Pause>,
    /// Training began again since what is divided: in a burst, time without work may lie there.
    has_restarted: bool,
    suspensions: Vec<(f64, f64)>,
    /// The end of the run, once it is known: lines that are read later tell of the time before it.
    run_end: Option<f64>,
}

/// Pauses that are told apart between two records, and suspensions.
const MOST_PAUSES: usize = 64;

impl Timeline {
    /// A run that starts at a moment.
    pub fn starting(at: f64) -> Self {
        Self { divided: at, ..Self::default() }
    }

    /// The run ended at a moment: no work ends later.
    pub fn close(&mut self, at: f64) {
        self.run_end = Some(at);
    }

    /// A line told of a pause: at its start, in it, or at its end.
    pub fn pause(&mut self, at: f64, name: &Arc<str>) {
        let is_full = self.pauses.len() >= MOST_PAUSES;
        match self.pauses.last_mut() {
            Some(last) if last.name == *name || is_full => last.to = at,
            _ => self.pauses.push(Pause { name: name.clone(), from: at, to: at }),
        }
    }

    /// Training began again, at a moment if that is known: pauses that were told of since then were none.
    pub fn restart(&mut self, at: Option<f64>) {
        self.has_restarted = true;
        let Some(at) = at else { return };
        self.pauses.retain(|pause| pause.from < at);
        if let Some(last) = self.pauses.last_mut() {
            last.to = last.to.min(at);
        }
    }

    /// The command was stopped from one moment to another.
    pub fn suspended(&mut self, from: f64, to: f64) {
        let is_full = self.suspensions.len() >= MOST_PAUSES;
        match self.suspensions.last_mut() {
            Some(last) if is_full => last.1 = to,
            _ => self.suspensions.push((from, to)),
        }
    }

    /// Divides the time up to the end of some work. Returns the time besides it since the work before.
    pub fn work(&mut self, work: &Work) -> f64 {
        let end = self.run_end.map_or(work.end, |run_end| work.end.min(run_end));
        let available = self.running(end);
        let Some(seconds) = work.seconds else {
            self.idle(available, end);
            self.has_worked = true;
            return 0.0;
        };
        let wanted = seconds + self.overdue;
        let idle = (available - wanted).max(0.0);
        self.overdue = (wanted - available).max(0.0);
        let had_worked = self.has_worked;
        // In a burst that is the first one, pauses lie somewhere among its records.
        let is_placed = !had_worked && self.pauses.is_empty() && !self.has_restarted;
        if !had_worked {
            self.take(PhaseKind::Startup, None, idle);
        } else if self.pauses.is_empty() {
            self.take(PhaseKind::Gap, None, idle);
        } else {
            self.take_pauses(idle, work.kind);
        }
        self.has_worked = true;
        self.take_until(work.kind, None, end);
        if is_placed { 0.0 } else { idle }
    }

    /// Divides the rest of the run.
    pub fn end(&mut self, at: f64) {
        let kind = if self.has_worked { PhaseKind::After } else { PhaseKind::Startup };
        self.take_until(kind, None, at);
    }

    /// Time without work of known length: a pause where the log names one.
    fn idle(&mut self, available: f64, end: f64) {
        match self.pauses.first() {
            _ if !self.has_worked => self.take(PhaseKind::Startup, None, available),
            Some(pause) => {
                let name = pause.name.clone();
                self.take(PhaseKind::Pause, Some(name), available);
            }
            None => self.take(PhaseKind::Gap, None, available),
        }
        self.take_until(PhaseKind::Gap, None, end);
    }

    /// Lays pauses of some length in all where the log tells of them: each ends at its last line if
    /// there is room before that, and what is left over follows the last one.
    fn take_pauses(&mut self, idle: f64, kind: PhaseKind) {
        let pauses = std::mem::take(&mut self.pauses);
        let mut left = idle;
        let last = pauses.len().saturating_sub(1);
        for (i, pause) in pauses.into_iter().enumerate() {
            let until = self.running(pause.to);
            // A line at the end of the time before it; a line at the start, of the time after it.
            let length = if i == last { left } else { until.min(left) };
            let work_before = (until - length).max(0.0);
            self.take(kind, None, work_before);
            self.take(PhaseKind::Pause, Some(pause.name), length);
            left -= length;
        }
    }

    /// The time that the command was running, from what is divided to a moment.
    fn running(&self, until: f64) -> f64 {
        let suspended: f64 =
            self.suspensions.iter().map(|(from, to)| (to.min(until) - from.max(self.divided)).max(0.0)).sum();
        (until - self.divided - suspended).max(0.0)
    }

    /// Gives the next so many seconds of running time to a kind.
    fn take(&mut self, kind: PhaseKind, name: Option<Arc<str>>, seconds: f64) {
        let mut left = seconds;
        while let Some((from, to)) = self.suspensions.first().copied() {
            let before = (from - self.divided).max(0.0);
            if before >= left {
                break;
            }
            self.push(kind, name.clone(), from);
            self.push(PhaseKind::Suspended, None, to);
            self.suspensions.remove(0);
            left -= before;
        }
        self.push(kind, name, self.divided + left);
    }

    /// Gives all time up to a moment to a kind.
    fn take_until(&mut self, kind: PhaseKind, name: Option<Arc<str>>, at: f64) {
        self.take(kind, name, self.running(at));
        while let Some((_, to)) = self.suspensions.first().copied().filter(|(from, _)| *from < at) {
            self.push(PhaseKind::Suspended, None, to);
            self.suspensions.remove(0);
        }
        self.pauses.clear();
        self.has_restarted = false;
        // Stretches are given in lengths: the ends of the work and of the stretch are the same.
        let is_same = |last: &&mut Stretch| (last.to - at).abs() < 1e-6 && last.from < at;
        if let Some(last) = self.stretches.back_mut().filter(is_same) {
            (last.to, self.divided) = (at, at);
        }
    }

    fn push(&mut self, kind: PhaseKind, name: Option<Arc<str>>, to: f64) {
        if to <= self.divided {
            return;
        }
        match self.stretches.back_mut() {
            Some(last) if last.kind == kind && last.name == name => last.to = to,
            _ => self.stretches.push_back(Stretch { kind, name, from: self.divided, to }),
        }
        self.divided = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn train(end: f64, seconds: impl Into<Option<f64>>) -> Work {
        Work::new(PhaseKind::Train, end, seconds.into())
    }

    /// `startup 0-3 train 3-4`, with the names of pauses in place of their kind.
    fn shown(stretches: &VecDeque<Stretch>) -> String {
        let show = |stretch: &Stretch| {
            let kind = serde_json::to_string(&stretch.kind).unwrap_or_default();
            let name = stretch.name.as_deref().unwrap_or(kind.trim_matches('"'));
            format!("{name} {}-{}", stretch.from, stretch.to)
        };
        stretches.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    fn divided(steps: impl FnOnce(&mut Timeline)) -> String {
        let mut timeline = Timeline::starting(0.0);
        steps(&mut timeline);
        shown(&timeline.stretches)
    }

    #[test]
    fn stated_times_end_at_the_record_and_leave_gaps_before_them() {
        let shown = divided(|timeline| {
            timeline.work(&train(4.0, 1.0));
            timeline.work(&train(6.0, 1.5));
            timeline.work(&train(8.0, None));
            timeline.end(9.0);
        });
        assert_eq!(shown, "startup 0-3 train 3-4 gap 4-4.5 train 4.5-6 gap 6-8 after 8-9");
    }

    #[test]
    fn work_whose_line_is_read_after_the_end_lies_before_it() {
        let shown = divided(|timeline| {
            timeline.work(&train(4.0, 1.0));
            timeline.close(5.0);
            timeline.work(&train(5.5, 0.75));
            timeline.end(5.0);
        });
        assert_eq!(shown, "startup 0-3 train 3-4 gap 4-4.25 train 4.25-5");
    }

    #[test]
    fn a_pause_lies_where_its_line_says_it_ended() {
        let evaluation = "evaluation".into();
        let in_the_middle = divided(|timeline| {
            timeline.work(&train(1.0, 1.0));
            timeline.pause(5.0, &evaluation);
            timeline.work(&train(7.0, 4.0));
        });
        assert_eq!(in_the_middle, "train 0-3 evaluation 3-5 train 5-7");
        let from_its_first_line = divided(|timeline| {
            timeline.work(&train(1.0, 1.0));
            timeline.pause(1.0, &"checkpoint".into());
            timeline.work(&train(7.0, 4.0));
        });
        assert_eq!(from_its_first_line, "train 0-1 checkpoint 1-3 train 3-7");
    }

    #[test]
    fn two_pauses_between_two_records_share_the_time_that_no_iteration_claims() {
        let shown = divided(|timeline| {
            timeline.work(&train(1.0, 1.0));
            timeline.pause(3.0, &"evaluation".into());
            timeline.pause(3.0, &"checkpoint".into());
            timeline.work(&train(10.0, 4.0));
        });
        assert_eq!(shown, "train 0-1 evaluation 1-3 checkpoint 3-6 train 6-10");
    }

    #[test]
    fn a_suspension_is_no_training_wherever_it_lies() {
        let shown = divided(|timeline| {
            timeline.work(&train(1.0, 1.0));
            timeline.suspended(2.0, 5.0);
            timeline.work(&train(6.0, 2.0));
            timeline.suspended(6.5, 7.0);
            timeline.end(8.0);
        });
        assert_eq!(shown, "train 0-2 suspended 2-5 train 5-6 after 6-6.5 suspended 6.5-7 after 7-8");
    }

    #[test]
    fn lines_that_come_late_are_made_up_for_by_those_that_follow() {
        let mut burst = train(2.0, 1.0);
        assert!(burst.takes(&train(2.001, 1.5)) && !burst.takes(&train(4.0, 1.0)));
        let shown = divided(|timeline| {
            timeline.work(&Work { end: 2.0, ..burst });
            timeline.work(&train(4.0, 1.0));
        });
        assert_eq!(shown, "train 0-2 gap 2-2.5 train 2.5-4");
    }

    proptest! {
        /// Whatever is recorded, stretches follow each other without a hole from the start to the end.
        #[test]
        fn every_moment_belongs_to_one_stretch(
            steps in prop::collection::vec((0u8..5, 0.0f64..3.0, prop::option::of(0.0f64..4.0)), 0..60),
        ) {
            let mut timeline = Timeline::starting(1.0);
            let mut now = 1.0;
            for (what, elapsed, seconds) in steps {
                let before = now;
                now += elapsed;
                match what {
                    0 => timeline.pause(now, &"evaluation".into()),
                    1 => timeline.pause(now, &"checkpoint".into()),
                    2 => timeline.suspended(before, now),
                    _ => drop(timeline.work(&train(now, seconds))),
                }
            }
            timeline.end(now);
            let out = timeline.stretches;
            let ends = out.iter().map(|stretch| stretch.to);
            let starts = out.iter().skip(1).map(|stretch| stretch.from).chain([now]);
            for (end, start) in ends.zip(starts) {
                prop_assert!((end - start).abs() < 1e-6, "{}", shown(&out));
            }
            prop_assert!(out.front().is_none_or(|first| first.from == 1.0));
            prop_assert!(out.iter().all(|stretch| stretch.to > stretch.from));
        }
    }
}
