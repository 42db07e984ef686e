//! Lines in, progress records out, by one set of rules.

use crate::model::{Event, Facts, Progress};

use super::field;
use super::lines::Arrival;
use super::rules::{Pattern, RecordRule, Rules};

/// Applies one set of rules to the lines of one log.
#[derive(Debug, Clone)]
pub struct Parser {
    rules: Rules,
    facts: Facts,
    /// A record that later lines may still add to.
    held: Option<Progress>,
    /// Whether any rule lets a line join the record before it.
    holds: bool,
    last_iteration: Option<u64>,
    /// The smallest step between two records, to tell another rank's late line from a restart.
    stride: u64,
    /// What the training's bar counts up to; a bar with another total is another bar.
    bar_total: Option<u64>,
    restart_announced: bool,
    /// Whether a rule that is sure enough to choose the profile by has matched.
    convinced: bool,
}

impl Parser {
    pub fn new(rules: Rules) -> Self {
        let holds = rules.records.iter().any(|rule| rule.join);
        Self {
            rules,
            facts: Facts::default(),
            held: None,
            holds,
            last_iteration: None,
            stride: u64::MAX,
            bar_total: None,
            restart_announced: false,
            convinced: false,
        }
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether a sure sign of these rules was seen.
    pub fn is_convinced(&self) -> bool {
        self.convinced
    }

    /// What the log stated so far.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Takes a line, and when it arrived if that is known.
    pub fn line(&mut self, line: &[u8], at: Option<Arrival>, out: &mut Vec<Event>) {
        if matches_any(&self.rules.ignore, line) {
            return;
        }
        self.read_facts(line, out);
        if self.last_iteration.is_some() && matches_any(&self.rules.restart, line) {
            self.flush(out);
            self.restart_announced = true;
            out.push(Event::Restart { at: at.map(|at| at.last) });
        }
        if matches_any(&self.rules.pause, line) {
            self.pause(out);
        }
        for (rule, mut record) in self.match_records(line) {
            record.at = at.map(|at| if rule.bar { at.first } else { at.last });
            self.record(rule, record, out);
        }
    }

    /// Hands on the record that later lines might have added to.
    pub fn flush(&mut self, out: &mut Vec<Event>) {
        if let Some(record) = self.held.take() {
            out.push(Event::Progress(Box::new(record)));
        }
    }

    /// Time goes to something other than training from here on: what was held is of before.
    fn pause(&mut self, out: &mut Vec<Event>) {
        self.flush(out);
        out.push(Event::Pause);
    }

    fn read_facts(&mut self, line: &[u8], out: &mut Vec<Event>) {
        let mut facts = None;
        for pattern in &self.rules.facts {
            for captures in pattern.regex.captures_iter(line) {
                field::set_facts(facts.get_or_insert_with(|| self.facts.clone()), &pattern.values(&captures));
            }
        }
        if let Some(facts) = facts.filter(|facts| *facts != self.facts) {
            self.facts = facts.clone();
            out.push(Event::Facts(Box::new(facts)));
        }
    }

    /// The records in a line, in their order: there may be several, glued together.
    fn match_records(&mut self, line: &[u8]) -> Vec<(RuleKind, Progress)> {
        let mut matches: Vec<(usize, usize, &RecordRule, Progress)> = Vec::new();
        for rule in &self.rules.records {
            for captures in rule.line.regex.captures_iter(line) {
                let Some(whole) = captures.get(0) else { continue };
                if matches.iter().any(|(start, end, ..)| whole.start() < *end && *start < whole.end()) {
                    continue;
                }
                let mut record = Progress::default();
                for (binding, value) in rule.line.values(&captures) {
                    field::set_progress(&mut record, binding, &value);
                }
                matches.push((whole.start(), whole.end(), rule, record));
            }
        }
        matches.sort_by_key(|(start, ..)| *start);
        self.convinced |= matches.iter().any(|(_, _, rule, _)| rule.detect);
        let starts: Vec<usize> =
            matches.iter().skip(1).map(|(start, ..)| *start).chain([line.len()]).collect();
        let mut from = 0;
        let mut records = Vec::new();
        for ((.., rule, mut record), to) in matches.into_iter().zip(starts) {
            let own = line.get(from..to).unwrap_or_default();
            read_fields(&rule.fields, own, &mut record);
            record.smoothed = rule.bar;
            records.push((RuleKind { bar: rule.bar, join: rule.join }, record));
            from = to;
        }
        records
    }

    fn record(&mut self, rule: RuleKind, mut record: Progress, out: &mut Vec<Event>) {
        if rule.bar && self.is_another_bar(&record) {
            self.pause(out);
            return;
        }
        if rule.bar && record.iteration == Some(0) {
            if self.last_iteration.is_none() || self.restart_announced {
                record.baseline = true;
                self.flush(out);
                out.push(Event::Progress(Box::new(record)));
            }
            return;
        }
        if rule.join && record.iteration.is_none() {
            match &mut self.held {
                Some(held) if has_room_for(held, &record) => fill(held, record),
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
                if self.restarts(rule, last - now) {
                    if !self.restart_announced {
                        self.flush(out);
                        out.push(Event::Restart { at: None });
                    }
                    self.accept(record, out);
                }
            }
            _ => self.accept(record, out),
        }
    }

    /// Whether a record that lies `back` iterations behind the last one begins a restarted
    /// training, rather than being another rank's late line or a bar that is drawn again.
    fn restarts(&self, rule: RuleKind, back: u64) -> bool {
        self.restart_announced || !rule.bar && back > self.stride.saturating_mul(2)
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
        self.flush(out);
        if let Some(now) = record.iteration {
            if let Some(step) =
                self.last_iteration.and_then(|last| now.checked_sub(last)).filter(|step| *step > 0)
            {
                self.stride = self.stride.min(step);
            }
            self.last_iteration = Some(now);
            self.restart_announced = false;
        }
        if self.holds {
            self.held = Some(record);
        } else {
            out.push(Event::Progress(Box::new(record)));
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct RuleKind {
    bar: bool,
    join: bool,
}

fn matches_any(patterns: &[Pattern], line: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.regex.is_match(line))
}

fn read_fields(patterns: &[Pattern], line: &[u8], record: &mut Progress) {
    for pattern in patterns {
        let Some(captures) = pattern.regex.captures(line) else { continue };
        for (binding, value) in pattern.values(&captures) {
            field::set_progress(record, binding, &value);
        }
    }
}

macro_rules! for_each_value {
    ($do:ident!) => {
        $do!(
            total_iterations,
            step_time,
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
            requests_running
        )
    };
}

/// Whether a record states none of what another one does.
fn has_room_for(record: &Progress, other: &Progress) -> bool {
    macro_rules! free {
        ($($field:ident),+) => { $((record.$field.is_none() || other.$field.is_none()))&&+ };
    }
    for_each_value!(free!)
}

/// Adds to a record what it does not state itself.
fn fill(record: &mut Progress, other: Progress) {
    macro_rules! fill {
        ($($field:ident),+) => { $(record.$field = record.$field.or(other.$field);)+ };
    }
    for_each_value!(fill!);
    record.clock = record.clock.or(other.clock);
    record.overlaps_first |= other.overlaps_first;
}
