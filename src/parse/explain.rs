//! Why a log is read as it is: the lines that each rule matched, and the closest line to each other rule.

use std::collections::VecDeque;

use crate::config::{LogRules, built_in};
use crate::event::{Event, Stream};
use crate::log::closest_match::{ClosestMatch, Search};
use crate::log::launcher_prefix::{Line, without_escapes};
use crate::log::lines::LineSplitter;
use crate::log::pattern::{Pattern, Watch};
use crate::log::rules::Purpose;
use crate::log::{LogReader, Rules};
use crate::text::sanitize::{clip, plain};

/// Lines that are kept until the profile is known, to be compared with its rules then.
const LONGEST_BACKLOG: usize = 2000;
/// Columns that are shown of the line by which a profile was chosen.
const LONGEST_DECIDED: usize = 70;
/// Bytes of each of them.
const LONGEST_LINE: usize = 1000;

/// Reads a log and watches its rules, in bounded memory.
pub struct Explainer {
    reader: LogReader,
    splitter: LineSplitter,
    /// Lines that have ended, empty ones too: as an editor counts them.
    ended: u64,
    /// Progress records.
    pub records: u64,
    pub profiles: Vec<WatchedProfile>,
    /// The index of the profile in use.
    chosen: Option<usize>,
    /// The line by which it was chosen.
    decided: Option<(u64, Vec<u8>)>,
    backlog: VecDeque<(u64, Vec<u8>)>,
}

/// A profile and the matches of its rules.
pub struct WatchedProfile {
    pub name: String,
    pub patterns: Vec<WatchedPattern>,
}

/// A pattern and its matches.
pub struct WatchedPattern {
    pub purpose: Purpose,
    pub pattern: Pattern,
    pub watch: Watch,
    /// Lines that it matched, and the last one's number.
    pub lines: u64,
    pub last_line: u64,
    /// The index of the record's pattern in the list, for a pattern of a record.
    record: usize,
    matches_before: u64,
    search: Option<Search>,
}

impl Explainer {
    pub fn new(rules: LogRules) -> Self {
        let (profiles, reader, chosen) = match rules {
            LogRules::Auto => {
                let mut rules = built_in();
                let watched = rules.iter_mut().map(WatchedProfile::new).collect();
                (watched, LogReader::detecting(rules), None)
            }
            LogRules::These(mut rules, because) => {
                let watched = vec![WatchedProfile::new(&mut rules)];
                (watched, LogReader::with_rules(*rules, &because), Some(0))
            }
        };
        Self {
            reader: reader.of_a_file(),
            splitter: LineSplitter::default(),
            ended: 0,
            records: 0,
            profiles,
            chosen,
            decided: None,
            backlog: VecDeque::new(),
        }
    }

    /// Takes bytes of the log.
    pub fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut lines = Vec::new();
            self.splitter.push(part, 0.0, |line, _| lines.push(line.to_vec()));
            lines.iter().for_each(|line| self.line(line));
            self.ended += u64::from(part.ends_with(b"\n"));
        }
    }

    /// The log has ended.
    pub fn finish(&mut self) {
        let mut last = Vec::new();
        self.splitter.finish(|line, _| last.push(line.to_vec()));
        last.iter().for_each(|line| self.line(line));
        let mut events = Vec::new();
        self.reader.finish(&mut events);
        self.count(&events);
        self.choose();
    }

    /// Lines that were read.
    pub fn lines(&self) -> u64 {
        self.reader.lines()
    }

    /// The profile in use, if one is, and why: the flag or the line that chose it.
    pub fn chosen(&self) -> Option<(&WatchedProfile, String)> {
        let because = match &self.decided {
            Some((number, line)) => {
                let line = clip(&plain(&String::from_utf8_lossy(line)), LONGEST_DECIDED);
                format!("which line {number} is written in: {line}")
            }
            None => format!("chosen by {}", plain(self.reader.profile()?.1)),
        };
        Some((self.profiles.get(self.chosen?)?, because))
    }

    fn line(&mut self, line: &[u8]) {
        let number = self.ended + 1;
        let mut events = Vec::new();
        for bytes in [line, b"\n"] {
            self.reader.push(Stream::Stdout, bytes, 0.0, &mut events);
        }
        self.count(&events);
        self.profiles.iter_mut().for_each(|profile| profile.count(number));
        let line = without_escapes(line);
        let line = Line::new(&line);
        if self.chosen.is_none() && self.choose() {
            self.decided = Some((number, kept(line.text())));
        }
        if let Some(profile) = self.chosen.and_then(|chosen| self.profiles.get_mut(chosen)) {
            profile.compare(number, line, |_| true);
            return;
        }
        let profiles = self.profiles.iter_mut();
        profiles.for_each(|profile| profile.compare(number, line, |purpose| purpose == Purpose::Record));
        self.backlog.push_back((number, kept(line.whole)));
        if self.backlog.len() > LONGEST_BACKLOG {
            self.backlog.pop_front();
        }
    }

    fn count(&mut self, events: &[Event]) {
        let is_record = |event: &&Event| matches!(event, Event::Progress(record) if !record.baseline);
        self.records += events.iter().filter(is_record).count() as u64;
    }

    /// Whether the reader has chosen a profile now. Then the earlier lines are compared with its rules.
    fn choose(&mut self) -> bool {
        let name = self.reader.profile().map(|(name, _)| name);
        self.chosen = self.profiles.iter().position(|profile| Some(&*profile.name) == name);
        let Some(profile) = self.chosen.and_then(|chosen| self.profiles.get_mut(chosen)) else {
            return false;
        };
        for (number, line) in std::mem::take(&mut self.backlog) {
            profile.compare(number, Line::new(&line), |purpose| purpose != Purpose::Record);
        }
        true
    }
}

impl WatchedProfile {
    fn new(rules: &mut Rules) -> Self {
        let mut patterns: Vec<WatchedPattern> = Vec::new();
        let mut record = 0;
        rules.each(|purpose, pattern| {
            if purpose == Purpose::Record {
                record = patterns.len();
            }
            patterns.push(WatchedPattern {
                purpose,
                watch: pattern.watch(),
                pattern: pattern.clone(),
                lines: 0,
                last_line: 0,
                record,
                matches_before: 0,
                search: None,
            });
        });
        Self { name: rules.name.clone(), patterns }
    }

    /// Notes which patterns have matched in the line that was read last.
    fn count(&mut self, number: u64) {
        for pattern in &mut self.patterns {
            let matches = pattern.watch.matches();
            if matches > pattern.matches_before {
                pattern.matches_before = matches;
                pattern.lines += u64::from(pattern.last_line != number);
                pattern.last_line = number;
            }
        }
    }

    /// Compares a line, in each form that was tried, with the patterns that have not matched yet. The
    /// `fields` of a record are compared only with its own lines.
    fn compare(&mut self, number: u64, line: Line<'_>, concerns: impl Fn(Purpose) -> bool) {
        let opens = |pattern: &&WatchedPattern| {
            pattern.last_line == number
                && matches!(pattern.purpose, Purpose::Record | Purpose::More | Purpose::End)
        };
        let opened: Vec<usize> = self.patterns.iter().filter(opens).map(|pattern| pattern.record).collect();
        for pattern in self.patterns.iter_mut().filter(|pattern| pattern.lines == 0) {
            let is_due = match pattern.purpose {
                Purpose::Field | Purpose::By => opened.contains(&pattern.record),
                _ => true,
            };
            if is_due && concerns(pattern.purpose) {
                let expression = pattern.pattern.expression();
                let search = pattern.search.get_or_insert_with(|| Search::new(expression));
                line.texts().for_each(|text| search.add(number, text));
            }
        }
    }

    /// Lines that a pattern for this matched.
    pub fn lines(&self, purpose: Purpose) -> u64 {
        self.patterns.iter().filter(|pattern| pattern.purpose == purpose).map(|pattern| pattern.lines).sum()
    }
}

impl WatchedPattern {
    /// The line that came closest to a match, for a pattern that has none.
    pub fn closest(&self) -> Option<&ClosestMatch> {
        self.search.as_ref().filter(|_| self.lines == 0)?.closest()
    }
}

fn kept(line: &[u8]) -> Vec<u8> {
    line.get(..LONGEST_LINE).unwrap_or(line).to_vec()
}
