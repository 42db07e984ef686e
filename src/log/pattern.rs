//! A regular expression whose groups are fields.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regex::bytes::{Captures, Regex, RegexBuilder};
use regex_syntax::ParserBuilder;

use crate::event::field::Value;

use super::binding::{self, Binding};
use super::launcher_prefix::Line;
use super::literals;

/// A pattern and the meanings of its groups.
///
/// It is compiled when it is first needed: most of the built-in profiles never are, and all of them
/// together would take more memory than the rest of effllm.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    /// The text, in which the empty groups have an expression.
    expression: String,
    regex: OnceLock<Option<Regex>>,
    /// Group number and meaning.
    bindings: Vec<(usize, Binding)>,
    /// Words of which every match contains one; empty if there are none.
    words: Vec<Vec<u8>>,
    /// The number of its group in a prefilter, if it has one.
    group: Option<usize>,
    /// Where it is written, as `rules.toml:12`.
    place: String,
    watch: Option<Watch>,
}

/// The matches of a pattern, to explain why a log is read as it is. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

/// The matches of a watched pattern so far.
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

    fn note(&self, values: &[(&Binding, Option<Value>)]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.matches += 1;
        let values = values.iter().filter_map(|(binding, value)| Some((binding.name(), value.clone()?)));
        seen.last.extend(values);
    }
}

/// The bit of a group in the result of [`Prefilter::groups`](super::prefilter::Prefilter::groups).
pub fn bit(group: usize) -> u64 {
    1 << (group % u64::BITS as usize)
}

/// A mistake in a pattern.
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
        let expression = with_full_groups(text);
        // A mistake is shown in the text as it is written.
        parser.parse(text).map_err(|error| not_regular(&error))?;
        let parsed = parser.parse(&expression).map_err(|error| not_regular(&error))?;
        let mut bindings = Vec::new();
        for (group, name) in literals::group_names(&parsed) {
            match binding::bind(&name) {
                Ok(binding) => bindings.push((group, binding)),
                Err(help) => return Err(unknown_group(text, &name, help)),
            }
        }
        let words = literals::required_words(&parsed).unwrap_or_default();
        Ok(Self {
            text: text.to_owned(),
            expression,
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
        match build(&self.expression) {
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

    /// The pattern with the place in which it is written.
    pub fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// Where it is written: `rules.toml:12`, or the flag that gave it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Records the matches from now on.
    pub fn watch(&mut self) -> Watch {
        self.watch.get_or_insert_default().clone()
    }

    /// The expression as it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The expression, in which empty groups stand for the texts of their fields.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Words of which every match contains one; empty if there are none.
    pub fn words(&self) -> &[Vec<u8>] {
        &self.words
    }

    /// Makes the pattern a group of a prefilter.
    pub fn set_group(&mut self, group: usize) {
        self.group = Some(group);
    }

    /// Whether a line may match; `groups` are those that the prefilter found in it.
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

    /// All matches of the pattern in the whole line, joined.
    pub fn matched(&self, line: Line<'_>) -> String {
        let parts = self.regex().into_iter().flat_map(|regex| regex.find_iter(line.whole));
        let parts = parts.map(|part| String::from_utf8_lossy(part.as_bytes()));
        let matched = parts.collect::<Vec<_>>().join(" ");
        if let Some(watch) = self.watch.as_ref().filter(|_| !matched.is_empty()) {
            watch.note(&[]);
        }
        matched
    }

    /// The values that the groups state; `None` for a text that is no value of its field.
    pub fn values(&self, captures: &Captures<'_>) -> Vec<(&Binding, Option<Value>)> {
        let read = |(group, binding): &'_ (usize, Binding)| {
            Some(binding.read(&String::from_utf8_lossy(captures.get(*group)?.as_bytes())))
        };
        let values: Vec<_> =
            self.bindings.iter().filter_map(|bound| Some((&bound.1, read(bound)?))).collect();
        if let Some(watch) = &self.watch {
            watch.note(&values);
        }
        values
    }

    /// The meanings of its groups.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().map(|(_, binding)| binding)
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| build(&self.expression).ok()).as_ref()
    }
}

/// An expression in which each empty group of a field matches the texts of that field.
fn with_full_groups(text: &str) -> String {
    let (mut full, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(">)") {
        let name =
            before.rsplit_once('<').filter(|(before, _)| before.ends_with("(?P") || before.ends_with("(?"));
        let of_field = name.and_then(|(_, name)| binding::bind(name).ok()?.text_expression());
        full += &format!("{before}>{})", of_field.unwrap_or_default());
        rest = after;
    }
    full + rest
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that a pattern takes from a line for its first field.
    fn taken(pattern: &str, line: &str) -> Option<String> {
        let pattern = Pattern::new(pattern).expect("a pattern");
        pattern.compile().expect("small enough");
        let captures = pattern.captures(Line::new(line.as_bytes()))?;
        Some(String::from_utf8_lossy(captures.get(pattern.bindings.first()?.0)?.as_bytes()).into_owned())
    }

    #[test]
    fn an_empty_group_takes_a_text_of_its_field() {
        for (group, line, text) in [
            ("iteration", "5/10", "5"),
            ("iteration", "1,048,576,", "1,048,576"),
            ("loss", "3.25, lr 1", "3.25"),
            ("loss", "-1.5e-05|", "-1.5e-05"),
            ("loss", "nan, lr", "nan"),
            ("loss", "-Infinity", "-Infinity"),
            ("loss", ".5", ".5"),
            ("loss", "nano", ""),
            ("learning_rate", "1.2e-05, 1.2e-05]", "1.2e-05"),
            ("tokens_per_s", "529,882.5 |", "529,882.5"),
            ("tokens_per_s", "334.7T/s", "334.7T"),
            ("tokens", "12M tokens", "12M"),
            ("tokens", "12 MB", "12"),
            ("tokens", "512 per", "512"),
            ("tokens", "3,5 tokens", "3,5"),
            ("step_time_ms", "820.31 ms", "820.31"),
            ("step_time_ms", "1.65K", "1.65K"),
            ("step_time", "820.31 ms (step)", "820.31 ms"),
            ("step_time", "38.9\u{b5}s", "38.9\u{b5}s"),
            ("step_time", "5 steps", "5"),
            ("elapsed", "1h 22m 38s,", "1h 22m 38s"),
            ("elapsed", "1:02:03<4", "1:02:03"),
            ("timestamp", "2024-09-14T19:44:19.250Z", "2024-09-14T19:44:19.250"),
        ] {
            let expected = Some(text.to_owned()).filter(|text| !text.is_empty());
            assert_eq!(taken(&format!("^x(?P<{group}>)"), &format!("x{line}")), expected, "{group} {line}");
        }
        assert_eq!(taken(r"step(?P<spans_pause>) (?P<iteration>\d)", "step 5"), Some(String::new()));
    }

    #[test]
    fn a_mistake_is_shown_in_the_pattern_as_it_is_written() {
        let error = Pattern::new(r"loss (?P<loss>) (").expect_err("unclosed");
        assert_eq!(error.offset, 16);
    }
}
