//! Which records are progress: iterations rise, restart, repeat, or belong to several servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{Event, Progress};

use super::bars::{Bars, Waiting};
use super::rules::RecordRule;
use super::stalled::{Place, Stalled};

/// So many times the smallest step between two records is far ahead.
const FAR_AHEAD: u64 = 10;
/// Servers that are told apart.
const MOST_ENGINES: usize = 1024;

/// The iterations of one log in their order.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Whether any rule lets a line add to the record before it.
    pub(super) holds: bool,
    /// Whether a line may join a bar, and so tell that it is the training's.
    pub(super) joins: bool,
    /// A record that later lines may still add to.
    pub(super) held: Option<Progress>,
    /// The last line that joined a bar.
    pub(super) joined: Option<Progress>,
    /// A line that joins the bar which is drawn next: that before it was drawn earlier.
    pub(super) joining: Option<Progress>,
    pub(super) last_iteration: Option<u64>,
    /// The last iteration of each of several servers.
    pub(super) last_of_engine: BTreeMap<String, u64>,
    /// The smallest step between two records.
    pub(super) stride: u64,
    pub(super) stalled: Stalled,
    /// A record far ahead of the last one, until the next one confirms or refutes it.
    pub(super) outlier: Option<Progress>,
    pub(super) epoch: Option<f64>,
    /// The last iteration that a record states for the job.
    pub(super) end: Option<u64>,
    pub(super) bars: Bars,
    /// The training's bar was drawn at its beginning.
    pub(super) has_baseline: bool,
    /// The last iteration of the training before this one.
    pub(super) abandoned: Option<u64>,
    /// A line announced at a moment that training begins again; no record has followed.
    pub(super) announced: Option<Option<f64>>,
    /// A line stated facts, as a program does when it starts; no record has followed.
    pub(super) started: Option<Option<f64>>,
    /// The pause since the last record.
    pub(super) pausing: Option<Arc<str>>,
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

    pub(super) fn pause_now(&mut self, at: Option<f64>, name: Arc<str>, out: &mut Vec<Event>) {
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
    pub(super) fn begin_again(&mut self, out: &mut Vec<Event>) {
        self.flush(out);
        self.stalled.clear();
        (self.abandoned, self.has_baseline) = (self.last_iteration, false);
        (self.last_iteration, self.epoch, self.outlier, self.pausing) = (None, None, None, None);
        self.started = None;
        self.stride = u64::MAX;
    }

    /// Hands over that training has begun again, before its first record.
    pub(super) fn tell_restart(&mut self, out: &mut Vec<Event>) {
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
    pub(super) fn fill_held(&mut self, record: &Progress) {
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
    pub(super) fn enter_epoch(&mut self, record: &Progress, out: &mut Vec<Event>) {
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

    pub(super) fn accept(&mut self, record: Progress, out: &mut Vec<Event>) {
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
