//! Which lines concern which rules, found out by one quick search for words.
//!
//! Most lines of most logs concern no rule, and until a profile is chosen a line might be any
//! profile's. So the words that a pattern's matches must contain are read off the pattern, and one
//! automaton looks for the words of all patterns at once. A pattern that needs no word (`\d+ \d+`)
//! is tried on every line.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex_syntax::hir::{Hir, HirKind};

use super::pattern::Pattern;

/// Groups of patterns, and the words by which to know that a line concerns one of them. Each group is
/// told by a bit, or by one that it shares where there are more than bits.
#[derive(Debug, Clone)]
pub struct Sieve {
    words: Option<AhoCorasick>,
    /// The groups that each word belongs to.
    groups: Vec<u64>,
    /// Groups that every line concerns.
    always: u64,
}

/// The bit of a group in what [`Sieve::groups`] returns.
pub fn bit(group: usize) -> u64 {
    1 << (group % u64::BITS as usize)
}

impl Sieve {
    /// A sieve for groups of patterns.
    pub fn new<'p, G: Iterator<Item = &'p Pattern>>(groups: impl IntoIterator<Item = G>) -> Self {
        let mut words: Vec<&[u8]> = Vec::new();
        let mut of_word: Vec<u64> = Vec::new();
        let mut always = 0;
        for (i, patterns) in groups.into_iter().enumerate() {
            let bit = bit(i);
            for pattern in patterns {
                if pattern.words().is_empty() {
                    always |= bit;
                }
                for word in pattern.words() {
                    match words.iter().position(|known| known == word) {
                        Some(at) => of_word[at] |= bit,
                        None => {
                            words.push(word);
                            of_word.push(bit);
                        }
                    }
                }
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&words)
            .ok();
        if automaton.is_none() {
            always = u64::MAX;
        }
        Self { words: automaton, groups: of_word, always }
    }

    /// The groups that a line may concern, a bit each.
    pub fn groups(&self, line: &[u8]) -> u64 {
        let mut found = self.always;
        if let Some(words) = &self.words {
            for word in words.find_overlapping_iter(line) {
                found |= self.groups.get(word.pattern().as_usize()).copied().unwrap_or(u64::MAX);
            }
        }
        found
    }
}

/// A word shorter than this is in too many lines to be of use.
const SHORTEST_WORD: usize = 2;
const MOST_WORDS: usize = 16;

/// Words of which every match of an expression contains at least one; `None` if there are none.
pub fn required_words(pattern: &Hir) -> Option<Vec<Vec<u8>>> {
    let words = match pattern.kind() {
        HirKind::Literal(literal) => vec![literal.0.to_vec()],
        HirKind::Capture(capture) => required_words(&capture.sub)?,
        HirKind::Repetition(repetition) if repetition.min > 0 => required_words(&repetition.sub)?,
        HirKind::Concat(parts) => {
            parts.iter().filter_map(required_words).max_by_key(|words| shortest(words))?
        }
        HirKind::Alternation(parts) => {
            parts.iter().map(required_words).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
        }
        _ => return None,
    };
    (words.len() <= MOST_WORDS && shortest(&words) >= SHORTEST_WORD).then_some(words)
}

fn shortest(words: &[Vec<u8>]) -> usize {
    words.iter().map(Vec::len).min().unwrap_or(0)
}

/// The named groups of an expression, by number.
pub fn group_names(pattern: &Hir) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    collect_names(pattern, &mut names);
    names
}

fn collect_names(pattern: &Hir, names: &mut Vec<(usize, String)>) {
    match pattern.kind() {
        HirKind::Capture(capture) => {
            if let Some(name) = &capture.name {
                names.push((capture.index as usize, name.to_string()));
            }
            collect_names(&capture.sub, names);
        }
        HirKind::Repetition(repetition) => collect_names(&repetition.sub, names),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| collect_names(part, names));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(pattern: &str) -> Vec<String> {
        let pattern = Pattern::new(pattern).expect("a pattern");
        pattern.words().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    #[test]
    fn the_longest_word_that_every_match_contains_is_taken() {
        assert_eq!(words(r"iteration[ =]\s*(?P<iteration>\d+)/ *\d+ \|"), ["iteration"]);
        assert_eq!(words(r"(?:steps|step): (?P<iteration>\d+)"), ["steps", "step"]);
        assert_eq!(words(r"(?:--nodes)? (?P<iteration>\d+)"), [""; 0]);
        assert_eq!(words(r"\d+ \d+"), [""; 0]);
    }

    #[test]
    fn a_line_concerns_the_groups_whose_words_it_contains() {
        let patterns = [r"iter (?P<iteration>\d+)", r"step (?P<iteration>\d+)", r"(?P<iteration>\d+)"]
            .map(|text| Pattern::new(text).expect("a pattern"));
        let sieve = Sieve::new(patterns.iter().map(std::iter::once));
        assert_eq!(sieve.groups(b"iter 5"), 0b101);
        assert_eq!(sieve.groups(b"a step further, iter 3"), 0b111);
        assert_eq!(sieve.groups(b"nothing"), 0b100);
    }
}
