//! Progress bars: which of them shows the training.
//!
//! Any loop may draw a bar without a description. It shows a training once a line with a loss joins it,
//! or if it has the end that a header states for the training that begins.

use std::sync::Arc;

use crate::event::Progress;

/// What waits until it is known to which training it belongs.
#[derive(Debug, Clone)]
pub enum Waiting {
    Record(Box<Progress>),
    Pause(Option<f64>, Arc<str>),
}

/// Adds a pause to what waits. Of several in a row the first and the last are kept: an evaluation may draw its
/// bar for hours.
pub fn push_pause(waiting: &mut Vec<Waiting>, at: Option<f64>, name: Arc<str>) {
    let is_same = |waiting: &Waiting| matches!(waiting, Waiting::Pause(_, other) if *other == name);
    if waiting.iter().rev().take(2).filter(|waiting| is_same(waiting)).count() == 2 {
        waiting.pop();
    }
    waiting.push(Waiting::Pause(at, name));
}

/// The bars of one log.
#[derive(Debug, Clone, Default)]
pub struct Bars {
    /// The end of the training's bar: what tells it from others.
    training: Option<Option<u64>>,
    /// Trainings are announced by headers: no other bar is one.
    has_header: bool,
    /// The records of other bars since the training's advanced, in their order.
    waiting: Vec<Waiting>,
    /// The newest line of a bar was one that waits.
    is_newest_waiting: bool,
    /// When the newest one was drawn.
    drawn_at: Option<f64>,
}

/// Records that wait; beyond it every second one is left out.
const MOST_WAITING: usize = 4096;
/// A line and a bar that arrive within so many seconds were written together.
pub const TOGETHER: f64 = 0.002;
/// So many records of a described bar that begins again are those of a training that does.
const LONGEST_RISE: usize = 3;

impl Bars {
    /// A header announces a training.
    pub fn announce(&mut self) {
        *self = Self { has_header: true, ..Self::default() };
    }

    /// Whether a bar is the one that shows the training, or will do so until another one does.
    pub fn is_of_training(&self, record: &Progress) -> bool {
        self.training == Some(record.total_iterations)
    }

    /// Whether it is known which bar shows the training.
    pub fn has_training(&self) -> bool {
        self.training.is_some()
    }

    /// This bar shows the training.
    pub fn choose(&mut self, record: &Progress) {
        self.training = Some(record.total_iterations);
    }

    /// Whether a line that arrives at a moment was written together with the newest bar, as far as that is
    /// known. If not, it was with the bar that is drawn next.
    pub fn is_together(&self, at: Option<f64>) -> bool {
        at.zip(self.drawn_at).is_none_or(|(at, drawn)| at - drawn <= TOGETHER)
    }

    /// Whether a line was written before the newest bar was drawn: a buffer held it back.
    pub fn is_newer_than(&self, at: Option<f64>) -> bool {
        at.zip(self.drawn_at).is_some_and(|(at, drawn)| drawn - at > TOGETHER)
    }

    /// The training's bar was drawn; if it has advanced, the others since then showed no training.
    pub fn draw(&mut self, record: &Progress, has_advanced: bool) {
        self.drawn_at = record.at;
        self.is_newest_waiting = false;
        if has_advanced {
            self.waiting.clear();
        }
    }

    /// Whether the training's bar was drawn from its beginning again, by a training that begins.
    pub fn has_begun_again(&self) -> bool {
        self.training.is_some_and(|end| self.records(end).next().is_some())
    }

    /// Keeps the record of a bar of which nothing is known yet. A late line of a bar that was not seen to
    /// begin is left out.
    pub fn wait(&mut self, record: Progress) {
        let end = record.total_iterations;
        let last = self.records(end).last().and_then(|record| record.iteration);
        let goes_on = last.is_some_and(|last| record.iteration >= Some(last));
        if self.is_of_training(&record) && !goes_on && !begins(&record) {
            return;
        }
        (self.is_newest_waiting, self.drawn_at) = (true, record.at);
        self.waiting.push(Waiting::Record(Box::new(record)));
        if self.waiting.len() > MOST_WAITING {
            let mut is_odd = false;
            self.waiting.retain(|waiting| {
                is_odd = !is_odd;
                is_odd || matches!(waiting, Waiting::Pause(..))
            });
        }
    }

    /// Takes a pause that a line has named. True if it has to wait, too. A bar that has come to its end
    /// before it was the pause's.
    pub fn pause(&mut self, at: Option<f64>, name: &Arc<str>) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let start = self.start();
        if let (Some(Waiting::Record(first)), Some(newest)) = (self.waiting.get(start), self.newest())
            && begins(first)
            && newest.iteration == newest.total_iterations
        {
            let end = newest.total_iterations;
            self.is_newest_waiting = false;
            for waiting in self.waiting.split_off(start) {
                match waiting {
                    Waiting::Record(record) if record.total_iterations == end => {
                        push_pause(&mut self.waiting, record.at, name.clone());
                    }
                    waiting => self.waiting.push(waiting),
                }
            }
        }
        push_pause(&mut self.waiting, at, name.clone());
        !self.has_training()
    }

    /// A line with a loss joins the newest bar, if that has the end that the line may state. Gives its
    /// records, and what waits among them, if it was not known to be the training's.
    pub fn join(&mut self, record: &Progress) -> Vec<Waiting> {
        let end = record.total_iterations;
        let is_same = |newest: &Progress| end.is_none() || newest.total_iterations == end;
        match self.newest() {
            Some(newest) if self.is_newest_waiting && is_same(newest) && !self.is_settled() => {
                self.take_newest()
            }
            _ => Vec::new(),
        }
    }

    /// The same for a described bar, if it rises from a new beginning.
    pub fn join_described(&mut self) -> Vec<Waiting> {
        let rises = self.is_newest_waiting && self.waiting.len() - self.start() > LONGEST_RISE;
        if rises { self.take_newest() } else { Vec::new() }
    }

    /// The log has ended: if no bar was joined and there was but one, it is taken for the training's.
    pub fn finish(&mut self) -> Vec<Waiting> {
        let is_alone = !self.has_training() && self.is_newest_waiting && self.start() == 0;
        if is_alone { self.take_newest() } else { Vec::new() }
    }

    fn is_settled(&self) -> bool {
        self.has_header && self.has_training()
    }

    fn take_newest(&mut self) -> Vec<Waiting> {
        let start = self.start();
        self.training = self.newest().map(|newest| newest.total_iterations);
        let taken: Vec<Waiting> = self.waiting.drain(..).skip(start).collect();
        self.is_newest_waiting = false;
        taken
    }

    /// Where the newest bar begins among those that wait.
    fn start(&self) -> usize {
        let Some(newest) = self.newest() else { return self.waiting.len() };
        let (mut start, mut first) = (self.waiting.len(), newest.iteration);
        for (i, waiting) in self.waiting.iter().enumerate().rev() {
            let Waiting::Record(record) = waiting else { continue };
            if record.total_iterations == newest.total_iterations {
                if record.iteration > first {
                    break;
                }
                (start, first) = (i, record.iteration);
            }
        }
        start
    }

    fn newest(&self) -> Option<&Progress> {
        self.waiting.iter().rev().find_map(|waiting| match waiting {
            Waiting::Record(record) => Some(&**record),
            Waiting::Pause(..) => None,
        })
    }

    fn records(&self, end: Option<u64>) -> impl Iterator<Item = &Progress> {
        self.waiting.iter().filter_map(move |waiting| match waiting {
            Waiting::Record(record) if record.total_iterations == end => Some(&**record),
            _ => None,
        })
    }
}

/// Whether a bar is drawn for the first time: at 0, or where a job resumes; then no time has passed, and
/// it states no rate.
pub fn begins(record: &Progress) -> bool {
    let is_new = record.clock.is_some_and(|clock| !clock.is_timestamp && clock.seconds == 0.0);
    record.iteration == Some(0) || record.iteration > Some(1) && is_new && record.step_time.is_none()
}
