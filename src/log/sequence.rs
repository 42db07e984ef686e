//! Which records are progress: iterations rise, restart, repeat, or belong to several servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{Event, Progress};

use super::bars::{self, Bars, TOGETHER, Waiting};
use super::rules::{RecordRule, Sign};
use super::stalled::{Place, Stalled};

/// So many times the smallest step between two records is far ahead.
const FAR_AHEAD: u64 = 10;
/// Servers that are told apart.
const MOST_ENGINES: usize = 1024;

/// The iterations of one log in their order.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Whether any rule lets a line add to the record before it.
    holds: bool,
    /// Whether a line may join a bar, and so tell that it is the training's.
    joins: bool,
    /// A record that later lines may still add to.
    held: Option<Progress>,
    /// The last line that joined a bar.
    joined: Option<Progress>,
    /// A line that joins the bar which is drawn next: that before it was drawn earlier.
    joining: Option<Progress>,
    last_iteration: Option<u64>,
    /// The last iteration of each of several servers.
    last_of_engine: BTreeMap<String, u64>,
    /// The smallest step between two records.
    stride: u64,
    stalled: Stalled,
    /// A record far ahead of the last one, until the next one confirms or refutes it.
    outlier: Option<Progress>,
    epoch: Option<f64>,
    /// The last iteration that a record states for the job.
    end: Option<u64>,
    bars: Bars,
    /// The training's bar was drawn at its beginning.
    has_baseline: bool,
    /// The last iteration of the training before this one.
    abandoned: Option<u64>,
    /// A line announced at a moment that training begins again; no record has followed.
    announced: Option<Option<f64>>,
    /// A line stated facts, as a program does when it starts; no record has followed.
    started: Option<Option<f64>>,
    /// The pause since the last record.
    pausing: Option<Arc<str>>,
}

impl Sequence {
    /// `holds` says whether a line may add to the record before it, `joins` whether it may join a bar.
    pub fn new(holds: bool, joins: bool) -> Self {
        Self {
            holds,
            joins,
            held: None,
            joining: None,
            joined: None,
            last_iteration: None,
            last_of_engine: BTreeMap::new(),
            stride: u64::MAX,
            stalled: Stalled::default(),
            outlier: None,
            epoch: None,
            end: None,
            bars: Bars::default(),
            has_baseline: false,
            abandoned: None,
            announced: None,
            started: None,
            pausing: None,
        }
    }

    /// The last record's iteration.
    pub fn last_iteration(&self) -> Option<u64> {
        self.last_iteration
    }

    /// Whether the last iteration has come; `total` is that of the facts.
    pub fn is_over(&self, total: Option<u64>) -> bool {
        self.last_iteration.zip(self.end.or(total)).is_some_and(|(last, end)| last >= end)
    }

    /// A line announces that training begins again.
    pub fn restart(&mut self, at: Option<f64>, out: &mut Vec<Event>) {
        self.bars.announce();
        if self.last_iteration.is_some() {
            self.begin_again(out);
            self.announced = Some(at);
        }
    }

    /// A line states facts after records: perhaps a program has started again.
    pub fn expect_restart(&mut self, at: Option<f64>) {
        if self.last_iteration.is_some() {
            self.started.get_or_insert(at);
        }
    }

    /// Time goes to something other than training from here on: the held record is of before.
    pub fn pause(&mut self, at: Option<f64>, name: Arc<str>, out: &mut Vec<Event>) {
        if !self.bars.pause(at, &name) {
            self.pause_now(at, name, out);
        }
    }

    fn pause_now(&mut self, at: Option<f64>, name: Arc<str>, out: &mut Vec<Event>) {
        if !self.stalled.is_empty() {
            return self.stalled.pause(at, name);
        }
        self.flush(out);
        self.pausing = Some(name.clone());
        out.push(Event::Pause { at, name });
    }

    /// Takes a record; `total` is the last iteration that the facts state.
    pub fn record(&mut self, rule: &RecordRule, total: Option<u64>, record: Progress, out: &mut Vec<Event>) {
        if record.engine.is_some() && record.iteration.is_some() {
            if self.is_new_of_its_engine(&record) {
                self.accept(record, out);
            }
            return;
        }
        // No job goes beyond the end that the same line states; an epoch's end may be another.
        let is_beyond = record.iteration.zip(record.total_iterations).is_some_and(|(now, total)| now > total);
        if is_beyond && record.epoch.is_none() {
            return;
        }
        if rule.bar {
            return self.bar(rule, total, record, out);
        }
        self.enter_epoch(&record, out);
        if rule.join && record.total_iterations.is_some() {
            let joined = self.bars.join(&record);
            self.begin_bar(joined, out);
            self.bars.choose(&record);
        }
        if rule.join && record.iteration.is_none() {
            return self.join(record, out);
        }
        match (record.iteration, self.last_iteration) {
            (Some(now), Some(last)) if now <= last => self.stall(now, last, record, out),
            (Some(now), Some(last)) => {
                if let Some(at) = self.started.filter(|_| now - last > self.stride) {
                    self.begin_again(out);
                    self.announced = Some(at);
                    return self.accept(record, out);
                }
                let again = self.stalled.take();
                self.restart_with(again, out);
                self.go_ahead(now, self.last_iteration.unwrap_or(last), record, out);
            }
            _ => self.accept(record, out),
        }
    }

    /// Takes a line that adds to the bar's record before it, or to that of the bar which is drawn with it.
    fn join(&mut self, mut record: Progress, out: &mut Vec<Event>) {
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
    fn join_held(&mut self, out: &mut Vec<Event>) {
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

    /// Takes the record of a progress bar. One that does not show the training yet, or no more, waits.
    fn bar(&mut self, rule: &RecordRule, total: Option<u64>, record: Progress, out: &mut Vec<Event>) {
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
    fn begin_bar(&mut self, waiting: Vec<Waiting>, out: &mut Vec<Event>) {
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

    /// Hands over the record that later lines might have added to.
    pub fn flush(&mut self, out: &mut Vec<Event>) {
        self.join_held(out);
        self.pass_on(out);
    }

    /// The same, but for a line that joins the bar which is drawn next.
    pub fn pass_on(&mut self, out: &mut Vec<Event>) {
        out.extend(self.held.take().map(|record| Event::Progress(Box::new(record))));
    }

    /// The log has ended: nothing refutes a record that lies far ahead.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        let ahead = |record: &Progress| record.iteration > self.last_iteration;
        if let Some(record) = self.outlier.take().filter(ahead) {
            self.accept(record, out);
        }
        let alone = self.bars.finish();
        self.begin_bar(alone, out);
        self.flush(out);
    }

    /// Training begins again: what follows has nothing to do with what was before.
    fn begin_again(&mut self, out: &mut Vec<Event>) {
        self.flush(out);
        self.stalled.clear();
        (self.abandoned, self.has_baseline) = (self.last_iteration, false);
        (self.last_iteration, self.epoch, self.outlier, self.pausing) = (None, None, None, None);
        self.started = None;
        self.stride = u64::MAX;
    }

    /// Hands over that training has begun again, before its first record.
    fn tell_restart(&mut self, out: &mut Vec<Event>) {
        out.extend(self.announced.take().map(|at| Event::Restart { at }));
    }

    /// Takes a record that does not advance.
    fn stall(&mut self, now: u64, last: u64, record: Progress, out: &mut Vec<Event>) {
        let is_pausing = self.pausing.is_some();
        if let Some(at) = self.started {
            self.begin_again(out);
            self.announced = Some(at);
            return self.accept(record, out);
        }
        if now == last {
            self.fill_held(&record);
            let states_work = record.loss.is_some() || record.step_time.is_some();
            if !states_work || self.stalled.is_empty() && !self.stalled.is_late(&record, is_pausing) {
                return;
            }
        }
        let place = Place { depth: last - now, stride: self.stride, is_pausing };
        let again = self.stalled.add(record, place);
        self.restart_with(again, out);
    }

    /// Training has begun again with these records.
    fn restart_with(&mut self, waiting: Vec<Waiting>, out: &mut Vec<Event>) {
        if matches!(waiting.first(), Some(Waiting::Record(_))) {
            self.begin_again(out);
            self.announced = Some(None);
        }
        for waiting in waiting {
            match waiting {
                Waiting::Record(record) => self.accept(*record, out),
                Waiting::Pause(at, name) => self.pause_now(at, name, out),
            }
        }
    }

    /// Adds what a repetition of the last record states.
    fn fill_held(&mut self, record: &Progress) {
        if let Some(held) = self.held.as_mut().filter(|held| held.iteration == record.iteration) {
            held.fill(record);
        }
    }

    /// Takes a record ahead of the last one. One that lies much further ahead than usual is kept until
    /// the next one goes on from it; if that one goes on from the record before, it was implausible.
    fn go_ahead(&mut self, now: u64, last: u64, record: Progress, out: &mut Vec<Event>) {
        let outlier = self.outlier.take();
        let is_far = now - last > self.stride.saturating_mul(FAR_AHEAD);
        match outlier.and_then(|outlier| Some((outlier.iteration?, outlier))) {
            Some((before, outlier)) if before == now => self.outlier = Some(outlier),
            Some((before, outlier)) if before > last && before < now => {
                self.accept(outlier, out);
                self.accept(record, out);
            }
            _ if is_far => self.outlier = Some(record),
            _ => self.accept(record, out),
        }
    }

    /// In a later epoch iterations may be counted from the beginning again; that is no restart.
    fn enter_epoch(&mut self, record: &Progress, out: &mut Vec<Event>) {
        let is_later = record.epoch.zip(self.epoch).is_some_and(|(now, last)| now > last);
        self.epoch = record.epoch.or(self.epoch);
        let is_lower = record.iteration.zip(self.last_iteration).is_some_and(|(now, last)| now <= last);
        if is_later && is_lower {
            self.flush(out);
            let baseline = Progress { baseline: true, iteration: Some(0), ..Progress::default() };
            out.push(Event::Progress(Box::new(baseline)));
            (self.last_iteration, self.has_baseline) = (None, false);
        }
    }

    fn is_new_of_its_engine(&mut self, record: &Progress) -> bool {
        let (Some(engine), Some(iteration)) = (&record.engine, record.iteration) else { return true };
        if self.last_of_engine.len() >= MOST_ENGINES && !self.last_of_engine.contains_key(engine) {
            return true;
        }
        self.last_of_engine.insert(engine.clone(), iteration) != Some(iteration)
    }

    fn accept(&mut self, record: Progress, out: &mut Vec<Event>) {
        self.flush(out);
        if let Some(at) = self.started.take().filter(|_| record.iteration.is_some()) {
            out.push(Event::Pause { at, name: "startup".into() });
        }
        let is_pausing = self.pausing.take().is_some();
        if let Some(now) = record.iteration.filter(|_| record.engine.is_none()) {
            let step = self.last_iteration.and_then(|last| now.checked_sub(last)).filter(|step| *step > 0);
            self.stride = self.stride.min(step.unwrap_or(u64::MAX));
            self.last_iteration = Some(now);
            self.end = record.total_iterations.or(self.end);
            self.stalled.advance(&record, is_pausing);
            self.tell_restart(out);
        }
        if self.holds && record.engine.is_none() {
            self.held = Some(record);
        } else {
            out.push(Event::Progress(Box::new(record)));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Event, Stream};
    use crate::log::{LogReader, Rules};

    /// The iterations that are recognised in lines of `step N/100`, `R` for each restart.
    fn recognised(steps: &[u64]) -> String {
        let rules = Rules::from_pattern(r"step (?P<iteration>\d+)/(?P<total_iterations>\d+)").expect("rules");
        let mut reader = LogReader::with_rules(rules, "");
        let mut events = Vec::new();
        for step in steps {
            reader.push(Stream::Stdout, format!("step {step}/100\n").as_bytes(), 0.0, &mut events);
        }
        reader.finish(&mut events);
        let shown = events.iter().filter_map(|event| match event {
            Event::Progress(record) => record.iteration.map(|iteration| iteration.to_string()),
            Event::Restart { .. } => Some("R".to_owned()),
            _ => None,
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_implausible_line_is_neither_progress_nor_a_restart() {
        assert_eq!(recognised(&[1, 2, 3, 90, 4, 5]), "1 2 3 4 5");
        assert_eq!(recognised(&[50, 51, 52, 7, 53, 54]), "50 51 52 53 54");
        assert_eq!(recognised(&[1, 2, 5000, 3]), "1 2 3");
    }

    #[test]
    fn lost_lines_and_restarts_are_told_from_it_by_the_line_that_follows() {
        assert_eq!(recognised(&[1, 2, 3, 90, 91]), "1 2 3 90 91");
        assert_eq!(recognised(&[1, 2, 3, 90]), "1 2 3 90");
        assert_eq!(recognised(&[50, 51, 52, 31, 32]), "50 51 52 R 31 32");
    }
}
