//! The language in which log rules are written, for users and for the built-in profiles alike: TOML tables
//! of regular expressions over bytes, whose named groups are fields ([`binding`](super::binding)).
//! effllm-rules(5) describes its keys, and `profiles/` shows it in use.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use crate::error::{self, Error};

use super::binding::Binding;
use super::pattern::{Pattern, PatternError};

/// Rules as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    record: Vec<Spanned<RecordTable>>,
    #[serde(default)]
    facts: Vec<Spanned<String>>,
    #[serde(default)]
    hints: Vec<Spanned<String>>,
    #[serde(default)]
    signs: Vec<Spanned<String>>,
    #[serde(default)]
    ignore: Vec<Spanned<String>>,
    #[serde(default)]
    pause: PauseTable,
    #[serde(default)]
    restart: Vec<Spanned<String>>,
}

/// Patterns by the name of a pause; those of a list share the name `pause`.
#[derive(Debug, Default)]
struct PauseTable(BTreeMap<String, Vec<Spanned<String>>>);

impl<'de> Deserialize<'de> for PauseTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrTable;

        impl<'de> Visitor<'de> for ListOrTable {
            type Value = PauseTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of expressions, or a table of such lists")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<PauseTable, A::Error> {
                let patterns = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(PauseTable(BTreeMap::from([("pause".to_owned(), patterns)])))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<PauseTable, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(table)).map(PauseTable)
            }
        }

        deserializer.deserialize_any(ListOrTable)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordTable {
    line: Spanned<String>,
    #[serde(default)]
    fields: Vec<Spanned<String>>,
    more: Option<Spanned<String>>,
    end: Option<Spanned<String>>,
    by: Option<Spanned<String>>,
    #[serde(default)]
    bar: bool,
    #[serde(default)]
    join: bool,
    #[serde(default)]
    sign: Sign,
}

/// Whether a line is reason to choose the profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    None,
    Weak,
    #[default]
    Sure,
}

/// The purpose of a pattern: the key that it is written under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Record,
    Field,
    More,
    End,
    By,
    Fact,
    Hint,
    Sign,
    Ignore,
    Pause,
    Restart,
}

impl Purpose {
    /// Whether the pattern is one of [`Rules::openers`].
    pub fn opens(self) -> bool {
        matches!(self, Self::Record | Self::Fact | Self::Hint | Self::Sign | Self::Pause | Self::Restart)
    }
}

/// A set of rules.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub name: String,
    pub description: String,
    pub records: Vec<RecordRule>,
    /// Patterns whose groups are facts that the log states once.
    pub facts: Vec<Pattern>,
    /// The same, stated alike by many programs: no sign of these rules.
    pub hints: Vec<Pattern>,
    /// Lines that are sure signs of these rules without being records.
    pub signs: Vec<Pattern>,
    /// Lines that are ignored, whatever else matches them.
    pub ignore: Vec<Pattern>,
    /// Lines that show time spent on something other than training.
    pub pause: Vec<PauseRule>,
    /// Lines that show that training begins anew.
    pub restart: Vec<Pattern>,
}

/// A line that shows a pause.
#[derive(Debug, Clone)]
pub struct PauseRule {
    /// The kind of work that training pauses for, as `evaluation`.
    pub name: Arc<str>,
    pub line: Pattern,
}

/// How a line becomes a progress record.
#[derive(Debug, Clone)]
pub struct RecordRule {
    /// Makes a line a record.
    pub line: Pattern,
    /// Further values of the line, each looked for by itself, so that their order does not matter.
    pub fields: Vec<Pattern>,
    /// Lines that may continue it.
    pub more: Option<Pattern>,
    /// A line with which it is complete.
    pub end: Option<Pattern>,
    /// The server that wrote it.
    pub by: Option<Pattern>,
    /// A progress bar: drawn again and again, its rate smoothed, `0/N` no progress yet.
    pub bar: bool,
    /// The line belongs to the record before it, where it does not contradict that.
    pub join: bool,
    /// Whether the line is reason to choose the profile.
    pub sign: Sign,
}

impl Rules {
    /// Reads rules; `origin` names the file in errors, `name` is theirs unless they give one.
    pub fn parse(text: &str, origin: &str, name: &str) -> Result<Self, Error> {
        let rules = Self::parse_lazily(text, origin, name)?;
        for pattern in rules.patterns() {
            pattern.compile().map_err(|error| {
                let offset = text.find(pattern.text()).unwrap_or(0);
                Error::in_file(origin, text, offset, &error.what).help("split it into several patterns")
            })?;
        }
        Ok(rules)
    }

    /// Reads rules and leaves their patterns to be compiled when they are first needed.
    pub fn parse_lazily(text: &str, origin: &str, name: &str) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| no_rules(text, origin, &error))?;
        let pattern = |written: &Spanned<String>| pattern(text, origin, written);
        let all = |written: &[Spanned<String>]| written.iter().map(pattern).collect::<Result<Vec<_>, _>>();
        let maybe = |written: &Option<Spanned<String>>| written.as_ref().map(pattern).transpose();
        let mut records = Vec::new();
        for table in &file.record {
            let at = table.span().start;
            let table = table.get_ref();
            let rule = RecordRule {
                line: pattern(&table.line)?,
                fields: all(&table.fields)?,
                more: maybe(&table.more)?,
                end: maybe(&table.end)?,
                by: maybe(&table.by)?,
                bar: table.bar,
                join: table.join,
                sign: table.sign,
            };
            if !rule.takes_a_value() {
                let what =
                    "this record takes no value: name a group after a field, as in (?P<iteration>\\d+)";
                return Err(Error::in_file(origin, text, table.line.span().start, what)
                    .help("effllm-rules(5) lists the fields"));
            }
            if rule.end.is_some() && rule.more.is_none() {
                return Err(Error::in_file(origin, text, at, "this record has an end, but no more lines")
                    .help("'more' tells the lines that go on with it"));
            }
            records.push(rule);
        }
        if records.is_empty() && file.facts.is_empty() {
            let what = "no [[record]] and no facts: these rules recognise nothing";
            return Err(Error::in_file(origin, text, 0, what)
                .help("'effllm profiles show megatron' prints rules to start from"));
        }
        let mut pause = Vec::new();
        for (name, lines) in &file.pause.0 {
            let name: Arc<str> = name.as_str().into();
            pause.extend(all(lines)?.into_iter().map(|line| PauseRule { name: name.clone(), line }));
        }
        Ok(Self {
            name: file.name.unwrap_or_else(|| name.to_owned()),
            description: file.description.unwrap_or_default(),
            records,
            facts: all(&file.facts)?,
            hints: all(&file.hints)?,
            signs: all(&file.signs)?,
            ignore: all(&file.ignore)?,
            pause,
            restart: all(&file.restart)?,
        })
    }

    /// Rules of a single pattern given on the command line.
    pub fn from_pattern(text: &str) -> Result<Self, Error> {
        let usage = |error: PatternError| Error {
            help: error.help,
            ..Error::usage(error.what).of_flag("pattern").excerpt(with_caret(text, error.offset))
        };
        let line = Pattern::new(text).map_err(usage)?.at("--pattern".to_owned());
        line.compile().map_err(usage)?;
        let rule = RecordRule::of(line);
        if !rule.takes_a_value() {
            return Err(Error::usage("no group is named after a field")
                .of_flag("pattern")
                .excerpt(text)
                .help("name one, as in 'step (?P<iteration>\\d+)'; effllm-rules(5) lists the fields"));
        }
        Ok(Self { name: "custom".to_owned(), records: vec![rule], ..Self::default() })
    }

    /// All patterns.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let of_records = self
            .records
            .iter()
            .flat_map(|rule| rule.own_patterns().chain(&rule.more).chain(&rule.end).chain(&rule.by));
        of_records.chain(self.openers()).chain(&self.ignore)
    }

    /// Whether any pattern states a field.
    pub fn states(&self, field: &str) -> bool {
        self.patterns().flat_map(Pattern::bindings).any(|binding| binding.name() == field)
    }

    /// Hands over every pattern with its purpose. The patterns of a record follow its `line`.
    pub fn each(&mut self, mut take: impl FnMut(Purpose, &mut Pattern)) {
        for rule in &mut self.records {
            take(Purpose::Record, &mut rule.line);
            rule.fields.iter_mut().for_each(|pattern| take(Purpose::Field, pattern));
            rule.more.iter_mut().for_each(|pattern| take(Purpose::More, pattern));
            rule.end.iter_mut().for_each(|pattern| take(Purpose::End, pattern));
            rule.by.iter_mut().for_each(|pattern| take(Purpose::By, pattern));
        }
        let Self { facts, hints, signs, ignore, pause, restart, .. } = self;
        let lists = [
            (Purpose::Fact, facts),
            (Purpose::Hint, hints),
            (Purpose::Sign, signs),
            (Purpose::Ignore, ignore),
        ];
        for (purpose, patterns) in lists {
            patterns.iter_mut().for_each(|pattern| take(purpose, pattern));
        }
        pause.iter_mut().for_each(|rule| take(Purpose::Pause, &mut rule.line));
        restart.iter_mut().for_each(|pattern| take(Purpose::Restart, pattern));
    }

    /// The patterns of which one matches any line that concerns these rules, unless a record of several
    /// lines has begun; in the order of [`Rules::each`].
    pub fn openers(&self) -> impl Iterator<Item = &Pattern> {
        let lines = self.records.iter().map(|rule| &rule.line);
        let facts = self.facts.iter().chain(&self.hints);
        let pauses = self.pause.iter().map(|rule| &rule.line);
        lines.chain(facts).chain(&self.signs).chain(pauses).chain(&self.restart)
    }
}

impl RecordRule {
    fn of(line: Pattern) -> Self {
        Self {
            line,
            fields: Vec::new(),
            more: None,
            end: None,
            by: None,
            bar: false,
            join: false,
            sign: Sign::Sure,
        }
    }

    /// The line's pattern and those of its fields.
    fn own_patterns(&self) -> impl Iterator<Item = &Pattern> {
        std::iter::once(&self.line).chain(&self.fields)
    }

    fn takes_a_value(&self) -> bool {
        self.own_patterns().flat_map(Pattern::bindings).any(Binding::is_of_record)
    }
}

fn pattern(text: &str, origin: &str, written: &Spanned<String>) -> Result<Pattern, Error> {
    let line = text.get(..written.span().start).unwrap_or_default().matches('\n').count() + 1;
    let pattern = Pattern::new(written.get_ref()).map(|pattern| pattern.at(format!("{origin}:{line}")));
    pattern.map_err(|error| {
        // The span begins with the quotes; in a basic string an escape is longer than its character.
        let source = text.get(written.span()).unwrap_or_default();
        let quotes = source.len() - source.trim_start_matches(['\'', '"']).len();
        let escapes =
            if source.starts_with('"') { escapes_before(&source[quotes..], error.offset) } else { 0 };
        let start = written.span().start + quotes + error.offset + escapes;
        Error { help: error.help, ..Error::in_file(origin, text, start, &error.what) }
    })
}

/// The bytes that the escapes before a place add to a basic string.
fn escapes_before(source: &str, offset: usize) -> usize {
    let mut characters = source.chars();
    let (mut value, mut extra) = (0, 0);
    while value < offset {
        match characters.next() {
            Some('\\') => {
                characters.next();
                extra += 1;
                value += 1;
            }
            Some(character) => value += character.len_utf8(),
            None => break,
        }
    }
    extra
}

fn with_caret(text: &str, offset: usize) -> String {
    format!("{text}\n{}^", " ".repeat(text.get(..offset).unwrap_or_default().chars().count()))
}

/// An error of the TOML parser, or a key or value that the language does not have.
fn no_rules(text: &str, origin: &str, error: &toml::de::Error) -> Error {
    let message = error.message();
    // The list of all keys is long; the nearest one is named instead.
    let what = match message.strip_prefix("unknown field") {
        Some(rest) => format!("unknown key{}", rest.split(", expected").next().unwrap_or(rest)),
        None => message.replace('\n', " "),
    };
    let found = Error::in_file(origin, text, error.span().unwrap_or_default().start, &what);
    let mut quoted = message.split('`').skip(1).step_by(2);
    let misspelt = quoted.next().filter(|_| message.starts_with("unknown field"));
    match misspelt.and_then(|key| error::nearest(key, quoted)) {
        Some(key) => found.help(format!("did you mean '{key}'? effllm-rules(5) describes the language")),
        None => found.help("effllm-rules(5) describes the language"),
    }
}
