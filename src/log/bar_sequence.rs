//! Progress bars in the sequence of a log's records, and the lines that join them.

use crate::event::{Event, Progress};

use super::bars::{self, TOGETHER, Waiting};
use super::rules::{RecordRule, Sign};
use super::sequence::Sequence;

impl Sequence {
    /// Takes the record of a progress bar. One that does not show the training yet, or no more, waits.
    pub(super) fn bar(
        &mut self,
        rule: &RecordRule,
        total: Option<u64>,
        record: Progress,
        out: &mut Vec<Event>,
    ) {
        let is_described = rule.sign != Sign::None || !self.joins;
        if !self.bars.has_training() && (is_described || total.is_some() && total == record.total_iterations)
        {
            self.bars.choose(&record);
        }
        let falls = record.iteration < self.last_iteration;
        let is_next_epoch = record.epoch.zip(self.epoch).is_some_and(|(now, last)| now > last);
        let is_of_training = self.bars.is_of_training(&record);
        let is_closing = self.has_baseline && self.last_iteration.is_none() && record.at.is_some();
        if is_closing && record.iteration == self.abandoned && self.bars.is_together(record.at) {
            return; // the bar of the training before is drawn again as it closes
        }
        if is_of_training && !self.bars.has_begun_again() && (!falls || is_next_epoch) {
            self.bars.draw(&record, record.iteration > self.last_iteration);
            return self.draw(record, out);
        }
        if is_of_training && bars::begins(&record) && self.last_iteration <= Some(1) {
            return; // another rank's
        }
        if self.last_iteration.is_some() && !is_of_training {
            // Within an evaluation that a line has named, its bar.
            let name = self.pausing.clone().unwrap_or_else(|| "pause".into());
            self.pause_now(record.at, name, out);
        }
        let is_joined = self.was_drawn_with_joining(&record);
        self.bars.wait(record);
        if is_joined {
            self.join_held(out);
        }
        if is_described {
            let joined = self.bars.join_described();
            self.begin_bar(joined, out);
        }
    }

    /// A bar turned out to show a training that begins: takes what waited for that.
    pub(super) fn begin_bar(&mut self, waiting: Vec<Waiting>, out: &mut Vec<Event>) {
        let Some(Waiting::Record(first)) = waiting.first() else { return };
        if self.last_iteration.is_some() {
            self.begin_again(out);
            self.announced = Some(first.at);
        }
        for waiting in waiting {
            match waiting {
                Waiting::Record(record) if self.bars.is_of_training(&record) => self.draw(*record, out),
                Waiting::Record(record) => self.pause_now(record.at, "pause".into(), out),
                Waiting::Pause(at, name) => self.pause_now(at, name, out),
            }
        }
    }

    /// Takes a record of the training's bar.
    fn draw(&mut self, mut record: Progress, out: &mut Vec<Event>) {
        self.enter_epoch(&record, out);
        let is_joined = self.was_drawn_with_joining(&record);
        let joining = self.joining.take();
        if let Some(joining) = joining.as_ref().filter(|_| is_joined) {
            record.fill(joining);
        }
        if record.iteration == Some(0) || self.last_iteration.is_none() && bars::begins(&record) {
            if self.last_iteration.is_none() && !std::mem::replace(&mut self.has_baseline, true) {
                self.flush(out);
                self.tell_restart(out);
                out.push(Event::Progress(Box::new(Progress { baseline: true, ..record })));
            }
        } else if record.iteration == self.last_iteration {
            self.fill_held(&record);
        } else {
            self.accept(record, out);
        }
        self.joining = joining.filter(|_| !is_joined);
    }

    /// Whether a bar was drawn with the line that waits for it, or after it: not before.
    fn was_drawn_with_joining(&self, record: &Progress) -> bool {
        let joining = self.joining.as_ref().and_then(|joining| joining.at);
        joining.zip(record.at).is_none_or(|(at, drawn)| at - drawn <= TOGETHER)
    }

    /// Takes a line that adds to the bar's record before it, or to that of the bar which is drawn with it.
    pub(super) fn join(&mut self, mut record: Progress, out: &mut Vec<Event>) {
        let is_burst = self.joined.as_ref().is_some_and(|last| {
            let waited = record.at.zip(last.at).map(|(now, before)| now - before);
            waited.is_some_and(|waited| waited <= TOGETHER) && !last.agrees(&record)
        });
        let is_late = self.bars.is_newer_than(record.at);
        if is_burst || is_late {
            // It was held in a buffer: what it counts is of a moment that nobody knows.
            record.forget_amounts();
            self.joining.iter_mut().chain(&mut self.held).for_each(Progress::forget_amounts);
        }
        self.joined = Some(record.clone());
        self.join_held(out);
        if is_late && self.bars.has_training() {
            return self.fill(record, out);
        }
        if self.bars.is_together(record.at) {
            self.add(record, out);
        } else {
            self.joining = Some(record);
        }
    }

    /// Takes a line that waited for a bar, of which none came.
    pub(super) fn join_held(&mut self, out: &mut Vec<Event>) {
        if let Some(record) = self.joining.take() {
            self.add(record, out);
        }
    }

    fn add(&mut self, record: Progress, out: &mut Vec<Event>) {
        let joined = self.bars.join(&record);
        self.begin_bar(joined, out);
        self.fill(record, out);
    }

    /// Adds a line to the record before it, which it does not contradict.
    fn fill(&mut self, record: Progress, out: &mut Vec<Event>) {
        match &mut self.held {
            Some(held) if held.agrees(&record) => held.fill(&record),
            _ => self.accept(record, out),
        }
    }
}
