//! A regular expression whose groups are fields.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regex::bytes::{Captures, Regex, RegexBuilder};
use regex_syntax::ParserBuilder;

use super::field::{self, Binding, Value};
use super::launcher_prefix::Line;
use super::literals;

/// A pattern and what its groups mean.
///
/// It is compiled when it is first needed: of the built-in profiles most never are, and all of them
/// together would take more memory than the rest of effllm.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: OnceLock<Option<Regex>>,
    /// Group number and meaning.
    bindings: Vec<(usize, Binding)>,
    /// Words of which every match contains one; empty if there are none.
    words: Vec<Vec<u8>>,
    /// Which of its prefilter's groups it is, if a prefilter asks for it.
    group: Option<usize>,
    /// Where it is written, as `rules.toml:12`.
    place: String,
    watch: Option<Watch>,
}

/// What a pattern has matched, for who asks why a log is read as it is. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

/// What a watched pattern has matched so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub matches: u64,
    /// The last value of each field.
    pub last: BTreeMap<&'static str, Value>,
}

impl Watch {
    pub fn matches(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).matches
    }

    pub fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, values: &[(&Binding, Value)]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.matches += 1;
        seen.last.extend(values.iter().map(|(binding, value)| (binding.name(), value.clone())));
    }
}

/// The bit of a group in what [`Prefilter::groups`](super::prefilter::Prefilter::groups) returns.
pub fn bit(group: usize) -> u64 {
    1 << (group % u64::BITS as usize)
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// Bytes into the pattern.
    pub offset: usize,
    pub what: String,
    pub help: Option<String>,
}

impl Pattern {
    /// Reads a pattern; it may still prove too large when it is compiled.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let mut parser = ParserBuilder::new().unicode(false).utf8(false).build();
        let parsed = parser.parse(text).map_err(|error| not_regular(&error))?;
        let mut bindings = Vec::new();
        for (group, name) in literals::group_names(&parsed) {
            match field::bind(&name) {
                Ok(binding) => bindings.push((group, binding)),
                Err(help) => return Err(unknown_group(text, &name, help)),
            }
        }
        let words = literals::required_words(&parsed).unwrap_or_default();
        Ok(Self {
            text: text.to_owned(),
            regex: OnceLock::new(),
            bindings,
            words,
            group: None,
            place: String::new(),
            watch: None,
        })
    }

    /// Compiles the pattern now, to know that it can be.
    pub fn compile(&self) -> Result<(), PatternError> {
        match build(&self.text) {
            Ok(regex) => {
                self.regex.get_or_init(|| Some(regex));
                Ok(())
            }
            Err(error) => Err(PatternError {
                offset: 0,
                what: format!("this pattern is too large: {error}"),
                help: None,
            }),
        }
    }

    /// The pattern with the place where it is written.
    pub fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// Where it is written: `rules.toml:12`, or the flag that gave it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Notes from here on what it matches.
    pub fn watch(&mut self) -> Watch {
        self.watch.get_or_insert_default().clone()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Words of which every match contains one; empty if there are none.
    pub fn words(&self) -> &[Vec<u8>] {
        &self.words
    }

    /// The pattern as one group of a prefilter.
    pub fn set_group(&mut self, group: usize) {
        self.group = Some(group);
    }

    /// Whether a line may match, of which a prefilter has found the groups.
    pub fn may_match(&self, groups: u64) -> bool {
        self.group.is_none_or(|group| groups & bit(group) != 0)
    }

    pub fn is_match(&self, line: Line<'_>) -> bool {
        let is_match = self.regex().is_some_and(|regex| line.texts().any(|text| regex.is_match(text)));
        if let Some(watch) = self.watch.as_ref().filter(|_| is_match) {
            watch.note(&[]);
        }
        is_match
    }

    /// Where in the whole line the first match begins.
    pub fn start(&self, line: Line<'_>) -> Option<usize> {
        let regex = self.regex()?;
        let mut starts =
            line.texts().filter_map(|text| Some(line.whole.len() - text.len() + regex.find(text)?.start()));
        let start = starts.next();
        if let Some(watch) = self.watch.as_ref().filter(|_| start.is_some()) {
            watch.note(&[]);
        }
        start
    }

    pub fn captures<'l>(&self, line: Line<'l>) -> Option<Captures<'l>> {
        let regex = self.regex()?;
        line.texts().find_map(|text| regex.captures(text))
    }

    /// Every match, with where in the whole line it begins.
    pub fn all<'p, 'l: 'p>(&'p self, line: Line<'l>) -> impl Iterator<Item = (usize, Captures<'l>)> + 'p {
        let in_text = move |regex: &'p Regex, text: &'l [u8]| {
            let before = line.whole.len() - text.len();
            let mut all = regex
                .captures_iter(text)
                .map(move |captures| (before + captures.get_match().start(), captures))
                .peekable();
            all.peek().is_some().then_some(all)
        };
        self.regex()
            .and_then(|regex| line.texts().find_map(|text| in_text(regex, text)))
            .into_iter()
            .flatten()
    }

    /// All that the pattern matches in a whole line, put together.
    pub fn matched(&self, line: Line<'_>) -> String {
        let parts = self.regex().into_iter().flat_map(|regex| regex.find_iter(line.whole));
        let parts = parts.map(|part| String::from_utf8_lossy(part.as_bytes()));
        let matched = parts.collect::<Vec<_>>().join(" ");
        if let Some(watch) = self.watch.as_ref().filter(|_| !matched.is_empty()) {
            watch.note(&[]);
        }
        matched
    }

    /// Whether the group of this field took something that cannot be true.
    pub fn is_unbelievable(&self, field: &str, captures: &Captures<'_>) -> bool {
        let of_field = self.bindings.iter().filter(|(_, binding)| binding.name() == field);
        let mut taken = of_field.filter_map(|bound| Some((bound, captures.get(bound.0)?)));
        taken.any(|((_, binding), text)| binding.read(&String::from_utf8_lossy(text.as_bytes())).is_none())
    }

    /// Whether the group of this field took NaN or infinity.
    pub fn takes_beyond_number(&self, field: &str, captures: &Captures<'_>) -> bool {
        let of_field = self.bindings.iter().filter(|(_, binding)| binding.name() == field);
        let mut taken =
            of_field.filter_map(|(group, _)| std::str::from_utf8(captures.get(*group)?.as_bytes()).ok());
        taken.any(|text| text.parse().is_ok_and(|number: f64| !number.is_finite()))
    }

    /// The values that the groups took.
    pub fn values(&self, captures: &Captures<'_>) -> Vec<(&Binding, Value)> {
        let read = |(group, binding): &'_ (usize, Binding)| {
            let text = String::from_utf8_lossy(captures.get(*group)?.as_bytes());
            binding.read(&text)
        };
        let values: Vec<_> =
            self.bindings.iter().filter_map(|bound| Some((&bound.1, read(bound)?))).collect();
        if let Some(watch) = &self.watch {
            watch.note(&values);
        }
        values
    }

    /// The fields that its groups take.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.bindings.iter().map(|(_, binding)| binding.name())
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| build(&self.text).ok()).as_ref()
    }
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).build()
}

fn not_regular(error: &regex_syntax::Error) -> PatternError {
    let (offset, why) = match error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
        other => (0, other.to_string()),
    };
    let help = Some("the syntax is that of https://docs.rs/regex: no look-around, no back-references".into());
    PatternError { offset, what: format!("this is no regular expression: {why}"), help }
}

fn unknown_group(text: &str, name: &str, help: String) -> PatternError {
    let offset = text.find(&format!("<{name}>")).map_or(0, |at| at + 1);
    PatternError { offset, what: format!("group '{name}' is no field"), help: Some(help) }
}
