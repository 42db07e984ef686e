//! The rules language: TOML in, compiled patterns out, and errors that show the place.

use regex::bytes::{Captures, Regex, RegexBuilder};
use serde::Deserialize;
use toml::Spanned;

use crate::error::Error;

use super::field::{self, Binding, Value};

/// Rules as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    record: Vec<RecordTable>,
    #[serde(default)]
    facts: Vec<Spanned<String>>,
    #[serde(default)]
    ignore: Vec<Spanned<String>>,
    #[serde(default)]
    pause: Vec<Spanned<String>>,
    #[serde(default)]
    restart: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordTable {
    line: Spanned<String>,
    #[serde(default)]
    fields: Vec<Spanned<String>>,
    #[serde(default)]
    bar: bool,
    #[serde(default)]
    join: bool,
    #[serde(default = "yes")]
    detect: bool,
}

fn yes() -> bool {
    true
}

/// A set of rules, compiled.
#[derive(Debug, Clone)]
pub struct Rules {
    pub name: String,
    pub description: String,
    pub records: Vec<RecordRule>,
    /// Patterns whose groups are facts that the log states once.
    pub facts: Vec<Pattern>,
    /// Lines that are no records, whatever else matches them.
    pub ignore: Vec<Pattern>,
    /// Lines that show time spent on something other than training.
    pub pause: Vec<Pattern>,
    /// Lines that show that training begins anew.
    pub restart: Vec<Pattern>,
}

/// How a line becomes a progress record.
#[derive(Debug, Clone)]
pub struct RecordRule {
    /// What makes it one.
    pub line: Pattern,
    /// What else it may say, each looked for by itself, so that their order does not matter.
    pub fields: Vec<Pattern>,
    /// A progress bar: drawn again and again, its rate smoothed, `0/N` no progress yet.
    pub bar: bool,
    /// The line belongs to the record before it, where that one lacks what this one says.
    pub join: bool,
    /// The line is sure enough a sign to choose the profile by.
    pub detect: bool,
}

/// A regular expression and what its groups mean.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub regex: Regex,
    /// Group number and meaning.
    bindings: Vec<(usize, Binding)>,
}

impl Pattern {
    /// Compiles a pattern; the error says what is wrong, shows the place, and gives its offset.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(text).unicode(false).build().map_err(|error| PatternError {
            offset: 0,
            what: "this is no regular expression".into(),
            shown: error.to_string(),
            way_out: None,
        })?;
        let mut bindings = Vec::new();
        for (group, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            match field::bind(name) {
                Ok(binding) => bindings.push((group, binding)),
                Err(way_out) => return Err(unknown_group(text, name, way_out)),
            }
        }
        Ok(Self { regex, bindings })
    }

    /// The values that the groups took.
    pub fn values(&self, captures: &Captures<'_>) -> Vec<(&Binding, Value)> {
        let read = |(group, binding): &'_ (usize, Binding)| {
            let text = String::from_utf8_lossy(captures.get(*group)?.as_bytes());
            binding.read(&text)
        };
        self.bindings.iter().filter_map(|bound| Some((&bound.1, read(bound)?))).collect()
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.bindings.iter().map(|(_, binding)| binding.name())
    }
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// Bytes into the pattern.
    pub offset: usize,
    pub what: String,
    /// The pattern with a caret below the place.
    pub shown: String,
    pub way_out: Option<String>,
}

fn unknown_group(text: &str, name: &str, way_out: String) -> PatternError {
    let offset =
        [format!("<{name}>")].iter().find_map(|group| text.find(group.as_str())).map_or(0, |at| at + 1);
    let indent = " ".repeat(text.get(..offset).unwrap_or_default().chars().count());
    PatternError {
        offset,
        what: format!("group '{name}' is no field"),
        shown: format!("{text}\n{indent}{}", "^".repeat(name.len())),
        way_out: Some(way_out),
    }
}

impl Rules {
    /// Reads rules; `origin` names the file in errors, `name` is theirs unless they give one.
    pub fn parse(text: &str, origin: &str, name: &str) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| {
            let place = error.span().unwrap_or_default();
            Error::in_file(origin, text, place.start, error.message())
                .hint("effllm-rules(5) describes the language")
        })?;
        let compile = |pattern: &Spanned<String>| compile(text, origin, pattern);
        let all = |patterns: &[Spanned<String>]| patterns.iter().map(compile).collect::<Result<Vec<_>, _>>();
        let mut records = Vec::new();
        for table in &file.record {
            let rule = RecordRule {
                line: compile(&table.line)?,
                fields: all(&table.fields)?,
                bar: table.bar,
                join: table.join,
                detect: table.detect,
            };
            if !rule.patterns().flat_map(Pattern::names).any(field::is_of_record) {
                let what =
                    "this record takes no value: name a group after a field, as in (?P<iteration>\\d+)";
                return Err(Error::in_file(origin, text, table.line.span().start, what)
                    .hint("effllm-rules(5) lists the fields"));
            }
            records.push(rule);
        }
        if records.is_empty() && file.facts.is_empty() {
            return Err(Error::usage(format!(
                "{origin}: no [[record]] and no facts: these rules recognise nothing"
            ))
            .hint("'effllm profiles show megatron' prints rules to start from"));
        }
        Ok(Self {
            name: file.name.unwrap_or_else(|| name.to_owned()),
            description: file.description.unwrap_or_default(),
            records,
            facts: all(&file.facts)?,
            ignore: all(&file.ignore)?,
            pause: all(&file.pause)?,
            restart: all(&file.restart)?,
        })
    }

    /// Rules of a single pattern given on the command line.
    pub fn from_pattern(text: &str) -> Result<Self, Error> {
        let usage = |error: PatternError| Error {
            way_out: error.way_out,
            ..Error::usage(format!("--pattern: {}", error.what)).at(error.shown)
        };
        let line = Pattern::new(text).map_err(usage)?;
        if !line.names().any(field::is_of_record) {
            return Err(Error::usage("--pattern: no group is named after a field")
                .at(text)
                .hint("name one, as in 'step (?P<iteration>\\d+)'; effllm-rules(5) lists the fields"));
        }
        let rule = RecordRule { line, fields: Vec::new(), bar: false, join: false, detect: true };
        Ok(Self { records: vec![rule], ..Self::empty("custom") })
    }

    /// Rules that recognise nothing.
    pub fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            records: Vec::new(),
            facts: Vec::new(),
            ignore: Vec::new(),
            pause: Vec::new(),
            restart: Vec::new(),
        }
    }
}

impl RecordRule {
    /// The line's pattern and those of its fields.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        std::iter::once(&self.line).chain(&self.fields)
    }
}

fn compile(text: &str, origin: &str, pattern: &Spanned<String>) -> Result<Pattern, Error> {
    Pattern::new(pattern.get_ref()).map_err(|error| {
        // The span begins with the quotes.
        let source = text.get(pattern.span()).unwrap_or_default();
        let quotes = source.len() - source.trim_start_matches(['\'', '"']).len();
        let start = pattern.span().start + quotes + error.offset;
        Error { way_out: error.way_out, ..Error::in_file(origin, text, start, &error.what).at(error.shown) }
    })
}
