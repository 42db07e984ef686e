//! Lines in, progress records out, by one set of rules.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use regex::bytes::Captures;

use crate::event::{Event, Facts, Progress};

use super::field;
use super::launcher_prefix::Line;
use super::lines::Arrival;
use super::pattern::Pattern;
use super::prefilter::Prefilter;
use super::rules::{RecordRule, Rules, Sign};

/// So many records in a row that count upwards behind the last one are no other rank's late lines.
const LONGEST_RISE: u32 = 3;

/// Applies one set of rules to the lines of one log.
#[derive(Debug, Clone)]
pub struct Parser {
    rules: Arc<Rules>,
    /// Built for the first line; most parsers of many are never asked for one. Each of the rules'
    /// openers is a group of it.
    prefilter: OnceLock<Prefilter>,
    facts: Facts,
    /// A record of several lines, of which more may come.
    block: Option<Block>,
    /// A record that later lines may still add to.
    held: Option<Progress>,
    /// Whether any rule lets a line add to the record before it.
    holds: bool,
    last_iteration: Option<u64>,
    /// The same for each of several servers.
    last_of_engine: BTreeMap<String, u64>,
    /// The smallest step between two records, to tell another rank's late line from a restart.
    stride: u64,
    /// The last record that lay behind the last one and was left out, and how many in a row have
    /// counted upwards there.
    behind: Option<(u64, u32)>,
    /// A record far ahead of the last one or behind it, until the next one speaks for or against it.
    doubted: Option<Progress>,
    epoch: Option<f64>,
    /// What the training's bar counts up to; a bar with another total is another bar.
    bar_total: Option<u64>,
    restart_announced: bool,
    /// The pause since the last record.
    pausing: Option<Arc<str>>,
    signs: Signs,
}

/// What speaks for the log's being written in these rules' format, by number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signs {
    pub sure: u64,
    pub weak: u64,
    /// Lines that stated facts.
    pub facts: u64,
}

/// A record of several lines.
#[derive(Debug, Clone)]
struct Block {
    /// The rule's number.
    rule: usize,
    record: Progress,
    lines: usize,
    /// Lines since the last one that belonged to it.
    foreign: usize,
}

/// Lines of a record, and lines of others that may lie between two of them.
const LONGEST_BLOCK: usize = 512;
const LONGEST_GAP: usize = 16;
/// So many times the smallest step between two records is far ahead.
const FAR_AHEAD: u64 = 10;
/// Servers that are told apart.
const MOST_ENGINES: usize = 1024;

impl Parser {
    pub fn new(mut rules: Rules) -> Self {
        let mut group = 0;
        rules.each(|purpose, pattern| {
            if purpose.opens() {
                pattern.set_group(group);
                group += 1;
            }
        });
        let several = rules.records.len() > 1;
        let holds = several || rules.records.iter().any(|rule| rule.join || rule.more.is_some());
        Self {
            prefilter: OnceLock::new(),
            rules: Arc::new(rules),
            facts: Facts::default(),
            block: None,
            held: None,
            holds,
            last_iteration: None,
            last_of_engine: BTreeMap::new(),
            stride: u64::MAX,
            behind: None,
            doubted: None,
            epoch: None,
            bar_total: None,
            restart_announced: false,
            pausing: None,
            signs: Signs::default(),
        }
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The signs of these rules that were seen.
    pub fn signs(&self) -> Signs {
        self.signs
    }

    /// What the log stated so far.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether a record has begun that any line may go on with.
    pub fn expects_more(&self) -> bool {
        self.block.is_some()
    }

    /// Takes a line, and when it arrived if that is known.
    pub fn line(&mut self, line: Line<'_>, at: Option<Arrival>, out: &mut Vec<Event>) {
        let openers = || self.rules.openers().map(std::iter::once);
        let groups = self.prefilter.get_or_init(|| Prefilter::new(openers())).groups(line.whole);
        if self.expects_more() || groups != 0 {
            self.read(line, groups, at, out);
        }
    }

    /// Takes a line that may match the openers of some groups.
    fn read(&mut self, line: Line<'_>, groups: u64, at: Option<Arrival>, out: &mut Vec<Event>) {
        if matches_any(&self.rules.ignore, groups, line) {
            return;
        }
        self.signs.sure += u64::from(matches_any(&self.rules.signs, groups, line));
        self.read_facts(line, groups, out);
        if self.last_iteration.is_some() && matches_any(&self.rules.restart, groups, line) {
            self.flush(out);
            self.restart_announced = true;
            out.push(Event::Restart { at: at.map(|at| at.last) });
        }
        let records = self.match_records(line, groups);
        // A bar has no newline: what stands behind it was told after it.
        let pauses = self.rules.pause.iter().filter(|rule| rule.line.may_match(groups));
        let pause = pauses.filter_map(|rule| Some((rule.line.start(line)?, rule.name.clone()))).min();
        let arrived = at.map(|at| at.last);
        let (before, after) = match (pause, records.first()) {
            (Some((pause, name)), Some((record, ..))) if pause > *record => (None, Some(name)),
            (pause, _) => (pause.map(|pause| pause.1), None),
        };
        if let Some(name) = before {
            self.pause(arrived, name, out);
        }
        if records.is_empty() {
            self.go_on(line, out);
        }
        for (_, rule, mut record) in records {
            self.take_header(rule, &mut record);
            self.close(out);
            let RecordRule { more, end, bar, .. } = &self.rules.records[rule];
            record.at = at.map(|at| if *bar { at.first } else { at.last });
            let ended = end.as_ref().is_some_and(|end| end.is_match(line));
            if more.is_some() && !ended {
                self.block = Some(Block { rule, record, lines: 1, foreign: 0 });
            } else {
                self.record(rule, record, out);
            }
        }
        if let Some(name) = after {
            self.pause(arrived, name, out);
        }
    }

    /// PumpThreads on the record that later lines might have added to.
    pub fn flush(&mut self, out: &mut Vec<Event>) {
        self.close(out);
        if let Some(record) = self.held.take() {
            out.push(Event::Progress(Box::new(record)));
        }
    }

    /// Time goes to something other than training from here on: what was held is of before.
    fn pause(&mut self, at: Option<f64>, name: Arc<str>, out: &mut Vec<Event>) {
        self.flush(out);
        self.pausing = Some(name.clone());
        out.push(Event::Pause { at, name });
    }

    fn read_facts(&mut self, line: Line<'_>, groups: u64, out: &mut Vec<Event>) {
        let mut facts = None;
        let of_profile = self.rules.facts.iter().zip(std::iter::repeat(1));
        let all = of_profile.chain(self.rules.hints.iter().zip(std::iter::repeat(0)));
        for (pattern, sign) in all.filter(|(pattern, _)| pattern.may_match(groups)) {
            for (_, captures) in pattern.all(line) {
                self.signs.facts += sign;
                field::set_facts(facts.get_or_insert_with(|| self.facts.clone()), &pattern.values(&captures));
            }
        }
        if let Some(facts) = facts.filter(|facts| *facts != self.facts) {
            self.facts = facts.clone();
            out.push(Event::Facts(Box::new(facts)));
        }
    }

    /// The records in a line, in their order, with where they begin and their rules' numbers: there
    /// may be several, glued together.
    fn match_records(&mut self, line: Line<'_>, groups: u64) -> Vec<(usize, usize, Progress)> {
        let mut matches: Vec<(usize, usize, usize, Progress)> = Vec::new();
        let records = self.rules.records.iter().enumerate();
        for (number, rule) in records.filter(|(_, rule)| rule.line.may_match(groups)) {
            for (start, captures) in rule.line.all(line) {
                let end = start + captures.get_match().len();
                if rule.line.is_unbelievable("iteration", &captures) {
                    continue;
                }
                if matches.iter().any(|(other, its_end, ..)| start < *its_end && *other < end) {
                    continue;
                }
                let mut record = Progress::default();
                take_fields(&rule.line, &captures, &mut record);
                matches.push((start, end, number, record));
            }
        }
        matches.sort_by_key(|(start, ..)| *start);
        let starts: Vec<usize> =
            matches.iter().skip(1).map(|(start, ..)| *start).chain([line.whole.len()]).collect();
        let mut from = 0;
        let mut records = Vec::new();
        for ((start, _, number, mut record), to) in matches.into_iter().zip(starts) {
            let rule = &self.rules.records[number];
            match rule.sign {
                Sign::Sure => self.signs.sure += 1,
                Sign::Weak => self.signs.weak += 1,
                Sign::None => {}
            }
            read_fields(&rule.fields, line.between(from, to), &mut record);
            record.smoothed = rule.bar;
            record.engine = rule.by.as_ref().map(|by| by.matched(line));
            records.push((start, number, record));
            from = to;
        }
        records
    }

    /// Adds a line to the record of several lines that has begun, if it belongs to it.
    fn go_on(&mut self, line: Line<'_>, out: &mut Vec<Event>) {
        let Some(block) = &mut self.block else { return };
        let rule = &self.rules.records[block.rule];
        let ended = rule.end.as_ref().is_some_and(|end| end.is_match(line));
        if ended || rule.more.as_ref().is_some_and(|more| more.is_match(line)) {
            let mut more = Progress::default();
            read_fields(&rule.fields, line, &mut more);
            fill(&mut block.record, more);
            block.foreign = 0;
        } else {
            block.foreign += 1;
        }
        block.lines += 1;
        if ended || block.foreign > LONGEST_GAP || block.lines > LONGEST_BLOCK {
            self.close(out);
        }
    }

    /// A header that stated nothing was the beginning of the record that follows it: whose it is, and
    /// when.
    fn take_header(&self, rule: usize, record: &mut Progress) {
        let begun = self.block.as_ref().filter(|block| block.rule == rule);
        if let Some(Block { record: header, .. }) = begun.filter(|block| !states_something(&block.record)) {
            record.clock = record.clock.or(header.clock);
            record.engine = header.engine.clone().filter(|name| !name.is_empty()).or(record.engine.take());
        }
    }

    /// Takes the record of several lines that has begun as complete.
    fn close(&mut self, out: &mut Vec<Event>) {
        // A header that nothing followed is no record.
        if let Some(block) = self.block.take().filter(|block| states_something(&block.record)) {
            self.record(block.rule, block.record, out);
        }
    }

    fn record(&mut self, rule: usize, mut record: Progress, out: &mut Vec<Event>) {
        let RecordRule { bar, join, .. } = self.rules.records[rule];
        if record.engine.is_some() && record.iteration.is_some() {
            if self.is_new_of_its_engine(&record) {
                self.accept(record, out);
            }
            return;
        }
        if bar && self.is_another_bar(&record) {
            // Within an evaluation that a line has named, its bar.
            let name = self.pausing.clone().unwrap_or_else(|| "pause".into());
            self.pause(record.at, name, out);
            return;
        }
        // No job goes beyond the end that the same line states; an epoch's end may be another.
        let is_beyond = record.iteration.zip(record.total_iterations).is_some_and(|(now, total)| now > total);
        if is_beyond && record.epoch.is_none() {
            return;
        }
        self.enter_epoch(&record, out);
        if bar && record.iteration == Some(0) {
            if self.last_iteration.is_none() || self.restart_announced {
                record.baseline = true;
                self.flush(out);
                out.push(Event::Progress(Box::new(record)));
            }
            return;
        }
        if join && record.iteration.is_none() {
            match &mut self.held {
                Some(held) if agree(held, &record) => fill(held, record),
                _ => self.accept(record, out),
            }
            return;
        }
        match (record.iteration, self.last_iteration) {
            (Some(now), Some(last)) if now == last => {
                if let Some(held) = self.held.as_mut().filter(|held| held.iteration == Some(now)) {
                    fill(held, record);
                }
            }
            (Some(now), Some(last)) if now < last => {
                if self.restarts(bar, now, last) {
                    self.begin_again(now, record, out);
                }
            }
            (Some(now), Some(last)) if !bar => self.go_ahead(now, last, record, out),
            _ => self.accept(record, out),
        }
    }

    /// Takes a record that lies far behind. One alone may be a line that lies: only if the next one
    /// goes on from it, or if a line has announced it, has training begun again there.
    fn begin_again(&mut self, now: u64, record: Progress, out: &mut Vec<Event>) {
        let doubted = self.doubted.take();
        if self.restart_announced {
            self.accept(record, out);
        } else if let Some(first) = doubted.filter(|first| first.iteration.is_some_and(|first| first < now)) {
            self.flush(out);
            out.push(Event::Restart { at: None });
            self.accept(first, out);
            self.accept(record, out);
        } else {
            self.doubted = Some(record);
        }
    }

    /// Takes a record that lies ahead. One that lies much further ahead than usual is kept until the
    /// next one goes on from it; if that one goes on from the record before, it was a line that lies.
    fn go_ahead(&mut self, now: u64, last: u64, record: Progress, out: &mut Vec<Event>) {
        let doubted = self.doubted.take();
        let is_far = now - last > self.stride.saturating_mul(FAR_AHEAD);
        match doubted.and_then(|doubted| Some((doubted.iteration?, doubted))) {
            Some((before, doubted)) if before == now => self.doubted = Some(doubted),
            Some((before, doubted)) if before > last && before < now => {
                self.accept(doubted, out);
                self.accept(record, out);
            }
            _ if is_far => self.doubted = Some(record),
            _ => self.accept(record, out),
        }
    }

    /// The log has ended: nothing will go on from a record that lies far ahead, and nothing speaks
    /// against it.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        let ahead = |record: &Progress| record.iteration > self.last_iteration;
        if let Some(record) = self.doubted.take().filter(ahead) {
            self.accept(record, out);
        }
        self.flush(out);
    }

    /// Whether a record that lies behind the last one begins a restarted training, rather than being
    /// another rank's late line or a bar that is drawn again: it lies far behind, or several in a row
    /// count upwards there.
    fn restarts(&mut self, bar: bool, now: u64, last: u64) -> bool {
        let rising = match self.behind {
            Some((before, rising)) if now == before => rising,
            Some((before, rising)) if now > before => rising + 1,
            _ => 1,
        };
        self.behind = Some((now, rising));
        let is_far = last - now > self.stride.saturating_mul(2);
        self.restart_announced || !bar && (is_far || rising >= LONGEST_RISE)
    }

    /// In a later epoch iterations may be counted from the beginning again; that is no restart.
    fn enter_epoch(&mut self, record: &Progress, out: &mut Vec<Event>) {
        let later = record.epoch.zip(self.epoch).is_some_and(|(now, last)| now > last);
        self.epoch = record.epoch.or(self.epoch);
        let anew = record.iteration.zip(self.last_iteration).is_some_and(|(now, last)| now <= last);
        if later && anew {
            self.flush(out);
            let baseline = Progress { baseline: true, iteration: Some(0), ..Progress::default() };
            out.push(Event::Progress(Box::new(baseline)));
            self.last_iteration = None;
        }
    }

    fn is_new_of_its_engine(&mut self, record: &Progress) -> bool {
        let (Some(engine), Some(iteration)) = (&record.engine, record.iteration) else { return true };
        if self.last_of_engine.len() >= MOST_ENGINES && !self.last_of_engine.contains_key(engine) {
            return true;
        }
        self.last_of_engine.insert(engine.clone(), iteration) != Some(iteration)
    }

    fn is_another_bar(&mut self, record: &Progress) -> bool {
        let known = self.facts.total_iterations.or(self.bar_total);
        match (known, record.total_iterations) {
            (Some(known), Some(total)) => known != total,
            (None, total) => {
                self.bar_total = total;
                false
            }
            _ => false,
        }
    }

    fn accept(&mut self, record: Progress, out: &mut Vec<Event>) {
        self.pausing = None;
        if let Some(earlier) = self.held.take() {
            out.push(Event::Progress(Box::new(earlier)));
        }
        if let Some(now) = record.iteration.filter(|_| record.engine.is_none()) {
            if let Some(step) =
                self.last_iteration.and_then(|last| now.checked_sub(last)).filter(|step| *step > 0)
            {
                self.stride = self.stride.min(step);
            }
            self.last_iteration = Some(now);
            self.behind = None;
            self.restart_announced = false;
        }
        if self.holds && record.engine.is_none() {
            self.held = Some(record);
        } else {
            out.push(Event::Progress(Box::new(record)));
        }
    }
}

fn matches_any(patterns: &[Pattern], groups: u64, line: Line<'_>) -> bool {
    patterns.iter().any(|pattern| pattern.may_match(groups) && pattern.is_match(line))
}

fn read_fields(patterns: &[Pattern], line: Line<'_>, record: &mut Progress) {
    for pattern in patterns {
        let Some(captures) = pattern.captures(line) else { continue };
        take_fields(pattern, &captures, record);
    }
}

fn take_fields(pattern: &Pattern, captures: &Captures<'_>, record: &mut Progress) {
    for (binding, value) in pattern.values(captures) {
        field::set_progress(record, binding, &value);
    }
    record.diverged |= pattern.takes_beyond_number("loss", captures);
}

macro_rules! for_each_value {
    ($do:ident!) => {
        $do!(
            iteration,
            total_iterations,
            optimizer_step,
            epoch,
            loss,
            learning_rate,
            grad_norm,
            global_batch_size,
            consumed_samples,
            consumed_tokens,
            samples,
            tokens,
            samples_per_s,
            tokens_per_s,
            tflops_per_gpu,
            mfu,
            prompt_tokens,
            generated_tokens,
            prompt_tokens_per_s,
            generation_tokens_per_s,
            generation_time,
            requests_running
        )
    };
}

/// Whether a record states anything.
fn states_something(record: &Progress) -> bool {
    macro_rules! stated {
        ($($field:ident),+) => { $(record.$field.is_some())||+ };
    }
    record.step_time.is_some() || for_each_value!(stated!)
}

/// Whether a record states nothing that another one states otherwise.
fn agree(record: &Progress, other: &Progress) -> bool {
    macro_rules! agree {
        ($($field:ident),+) => {
            $((record.$field.is_none() || other.$field.is_none() || record.$field == other.$field))&&+
        };
    }
    let same_time = record.smoothed != other.smoothed
        || record.step_time.is_none()
        || other.step_time.is_none()
        || record.step_time == other.step_time;
    same_time && for_each_value!(agree!)
}

/// Adds to a record what it does not state itself.
fn fill(record: &mut Progress, other: Progress) {
    macro_rules! fill {
        ($($field:ident),+) => { $(record.$field = record.$field.or(other.$field);)+ };
    }
    if other.step_time.is_some() && (record.step_time.is_none() || record.smoothed && !other.smoothed) {
        // A bar's smoothed rate gives way to a time that was measured.
        record.step_time = other.step_time;
        record.smoothed = other.smoothed;
    }
    for_each_value!(fill!);
    record.clock = record.clock.or(other.clock);
    record.overlaps_first |= other.overlaps_first;
    record.counted_before |= other.counted_before;
    record.spans_pause |= other.spans_pause;
    record.diverged |= other.diverged;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogReader, Source};

    /// The iterations that are recognised in lines of `step N/100`, `R` for each restart.
    fn recognised(steps: &[u64]) -> String {
        let rules = Rules::from_pattern(r"step (?P<iteration>\d+)/(?P<total_iterations>\d+)").expect("rules");
        let mut reader = LogReader::with_rules(rules, "");
        let mut events = Vec::new();
        for step in steps {
            reader.push(Source::Stdout, format!("step {step}/100\n").as_bytes(), 0.0, &mut events);
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
    fn one_line_that_lies_is_neither_progress_nor_a_restart() {
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
