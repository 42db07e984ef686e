//! Lines in, progress records out, by one set of rules.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crate::event::field::Value;
use crate::event::{Event, Facts, Progress};

use super::binding::Binding;
use super::launcher_prefix::Line;
use super::lines::Arrival;
use super::pattern::Pattern;
use super::prefilter::Prefilter;
use super::ranks::Ranks;
use super::rules::{Rules, Sign};
use super::sequence::Sequence;
use super::timestamp;

/// Applies one set of rules to the lines of one log.
#[derive(Debug, Clone)]
pub struct Parser {
    rules: Arc<Rules>,
    /// Built for the first line; most of several parsers are never asked for one. Each of the rules'
    /// openers is a group of it.
    prefilter: OnceLock<Prefilter>,
    facts: Facts,
    /// A record of several lines, of which more may come.
    block: Option<Block>,
    sequence: Sequence,
    ranks: Ranks,
    signs: Signs,
}

/// The evidence that a log is written in the format of some rules.
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
    /// The number of the rule.
    rule: usize,
    record: Progress,
    lines: usize,
    /// Lines since the last one that belonged to it.
    foreign: usize,
}

/// Lines of a record, and lines of others that may lie between two of them.
const LONGEST_BLOCK: usize = 512;
const LONGEST_GAP: usize = 16;

/// A record within a line.
struct Match {
    /// Its place in the line.
    start: usize,
    end: usize,
    /// The number of the rule.
    rule: usize,
    record: Progress,
}

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
        let joins = rules.records.iter().any(|rule| rule.join);
        let holds = several || joins || rules.records.iter().any(|rule| rule.more.is_some());
        Self {
            prefilter: OnceLock::new(),
            rules: Arc::new(rules),
            facts: Facts::default(),
            block: None,
            sequence: Sequence::new(holds, joins),
            ranks: Ranks::default(),
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

    /// The facts that the log stated so far.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the training has come to the end that the log states.
    pub fn is_over(&self) -> bool {
        self.sequence.is_over(self.facts.total_iterations)
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
        let rules = self.rules.clone();
        if matches_any(&rules.ignore, groups, line) {
            return;
        }
        let arrived = at.map(|at| at.first);
        self.signs.sure += u64::from(matches_any(&rules.signs, groups, line));
        self.read_facts(line, groups, arrived, out);
        let records = self.match_records(line, groups);
        let restarts = rules.restart.iter().filter(|pattern| pattern.may_match(groups));
        let restart = restarts.filter_map(|pattern| pattern.start(line)).min();
        let pauses = rules.pause.iter().filter(|rule| rule.line.may_match(groups));
        let pause = pauses.filter_map(|rule| Some((rule.line.start(line)?, rule.name.clone()))).min();
        // A bar has no newline: a message on its line was printed after it.
        let first = records.first().map_or(usize::MAX, |record| record.start);
        let restarts_after = restart.is_some_and(|restart| restart > first);
        if restart.is_some() && !restarts_after {
            self.close(out);
            self.sequence.restart(arrived, out);
        }
        let (before, after) = match (pause, records.first()) {
            (Some((pause, name)), Some(record)) if pause > record.start => (None, Some(name)),
            (pause, _) => (pause.map(|pause| pause.1), None),
        };
        if let Some(name) = before {
            self.close(out);
            self.sequence.pause(arrived, name, out);
        }
        if records.is_empty() {
            self.go_on(line, out);
        }
        for Match { rule: number, mut record, .. } in records {
            let Some(rule) = rules.records.get(number) else { continue };
            self.take_header(number, &mut record);
            self.close(out);
            record.at = at.map(|at| at.first);
            record.rank = line.label().map(fingerprint);
            let is_anonymous = record.iteration.is_none() && record.engine.is_none() && !rule.join;
            if is_anonymous && !self.ranks.is_new(line) {
                continue;
            }
            let ended = rule.end.as_ref().is_some_and(|end| end.is_match(line));
            if rule.more.is_some() && !ended {
                self.block = Some(Block { rule: number, record, lines: 1, foreign: 0 });
            } else {
                self.sequence.record(rule, self.facts.total_iterations, record, out);
            }
        }
        if let Some(name) = after {
            self.close(out);
            self.sequence.pause(arrived, name, out);
        }
        if restarts_after {
            self.close(out);
            self.sequence.restart(arrived, out);
        }
    }

    /// Hands over the record that later lines might have added to.
    pub fn flush(&mut self, out: &mut Vec<Event>) {
        self.close(out);
        self.sequence.pass_on(out);
    }

    /// The log has ended.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.close(out);
        self.sequence.finish(out);
    }

    fn read_facts(&mut self, line: Line<'_>, groups: u64, at: Option<f64>, out: &mut Vec<Event>) {
        let mut facts = None;
        if self.sequence.last_iteration() > self.facts.resume_iteration {
            self.facts.resume_iteration = None; // the job has gone on from there
        }
        let of_profile = self.rules.facts.iter().zip(std::iter::repeat(1));
        let all = of_profile.chain(self.rules.hints.iter().zip(std::iter::repeat(0)));
        for (pattern, sign) in all.filter(|(pattern, _)| pattern.may_match(groups)) {
            for (_, captures) in pattern.all(line) {
                self.signs.facts += sign;
                let values = pattern.values(&captures);
                let label = values.iter().find_map(|(_, value)| match value {
                    Some(Value::Text(text)) => Some(text.as_str()),
                    _ => None,
                });
                let facts = facts.get_or_insert_with(|| self.facts.clone());
                for (binding, value) in &values {
                    if let Some(value) = value {
                        binding.state_fact(facts, value, label.unwrap_or_default());
                    }
                }
            }
        }
        if facts.is_some() {
            self.sequence.expect_restart(at);
        }
        if let Some(facts) = facts.filter(|facts| *facts != self.facts) {
            // The record before it knew nothing of them.
            self.sequence.flush(out);
            self.facts = facts.clone();
            out.push(Event::Facts(Box::new(facts)));
        }
    }

    /// The records in a line, in their order; several may be glued together.
    fn match_records(&mut self, line: Line<'_>, groups: u64) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        let records = self.rules.records.iter().enumerate();
        for (number, rule) in records.filter(|(_, rule)| rule.line.may_match(groups)) {
            for (start, captures) in rule.line.all(line) {
                let end = start + captures.get_match().len();
                if matches.iter().any(|other| start < other.end && other.start < end) {
                    continue;
                }
                let values = rule.line.values(&captures);
                let mut record = Progress::default();
                if values.iter().any(|(binding, value)| binding.name() == "iteration" && value.is_none()) {
                    continue;
                }
                state(&values, &mut record);
                matches.push(Match { start, end, rule: number, record });
            }
        }
        matches.sort_by_key(|found| found.start);
        let ends = matches.iter().skip(1).map(|next| next.start).chain([line.whole.len()]);
        let ends: Vec<usize> = ends.collect();
        let mut from = 0;
        for (found, to) in matches.iter_mut().zip(ends) {
            let Some(rule) = self.rules.records.get(found.rule) else { continue };
            match rule.sign {
                Sign::Sure => self.signs.sure += 1,
                Sign::Weak => self.signs.weak += 1,
                Sign::None => {}
            }
            let part = line.between(from, to);
            read_fields(&rule.fields, part, &mut found.record);
            if !found.record.clock.is_some_and(|clock| clock.is_timestamp) {
                found.record.clock = timestamp::leading(part).or(found.record.clock);
            }
            found.record.smoothed = rule.bar;
            found.record.engine = rule.by.as_ref().map(|by| by.matched(line));
            from = to;
        }
        matches
    }

    /// Adds a line to the record of several lines that has begun, if it belongs to it.
    fn go_on(&mut self, line: Line<'_>, out: &mut Vec<Event>) {
        let Some(block) = &mut self.block else { return };
        let Some(rule) = self.rules.records.get(block.rule) else { return };
        let ended = rule.end.as_ref().is_some_and(|end| end.is_match(line));
        if ended || rule.more.as_ref().is_some_and(|more| more.is_match(line)) {
            let mut more = Progress::default();
            read_fields(&rule.fields, line, &mut more);
            block.record.fill(&more);
            block.foreign = 0;
        } else {
            block.foreign += 1;
        }
        block.lines += 1;
        if ended || block.foreign > LONGEST_GAP || block.lines > LONGEST_BLOCK {
            self.close(out);
        }
    }

    /// A header that stated nothing was the beginning of the record that follows it: its time, and the
    /// server that wrote it.
    fn take_header(&self, rule: usize, record: &mut Progress) {
        let begun = self.block.as_ref().filter(|block| block.rule == rule);
        if let Some(Block { record: header, .. }) = begun.filter(|block| !block.record.states_something()) {
            record.clock = record.clock.or(header.clock);
            record.engine = header.engine.clone().filter(|name| !name.is_empty()).or(record.engine.take());
        }
    }

    /// Takes the record of several lines that has begun as complete.
    fn close(&mut self, out: &mut Vec<Event>) {
        // A header that nothing followed is no record.
        if let Some(block) = self.block.take().filter(|block| block.record.states_something())
            && let Some(rule) = self.rules.records.get(block.rule)
        {
            self.sequence.record(rule, self.facts.total_iterations, block.record, out);
        }
    }
}

fn fingerprint(label: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    label.hash(&mut hasher);
    hasher.finish()
}

fn matches_any(patterns: &[Pattern], groups: u64, line: Line<'_>) -> bool {
    patterns.iter().any(|pattern| pattern.may_match(groups) && pattern.is_match(line))
}

fn read_fields(patterns: &[Pattern], line: Line<'_>, record: &mut Progress) {
    for pattern in patterns {
        if let Some(captures) = pattern.captures(line) {
            state(&pattern.values(&captures), record);
        }
    }
}

/// Puts the values that a pattern took into a record.
fn state(values: &[(&Binding, Option<Value>)], record: &mut Progress) {
    for (binding, value) in values.iter().filter_map(|(binding, value)| Some((binding, value.as_ref()?))) {
        binding.state(record, value);
        record.diverged |= binding.name() == "loss" && *value == Value::NotFinite;
    }
}
