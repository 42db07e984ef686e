//! Which rules a line may match, found by one quick search for words.
//!
//! Most lines of most logs concern no rule, and until a profile is chosen a line might be any
//! profile's. So the words that a pattern's matches must contain are read off the pattern, and one
//! automaton looks for the words of all patterns at once. A pattern that needs no word (`\d+ \d+`)
//! is tried on every line.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::pattern::{Pattern, bit};

/// Groups of patterns, and the words by which to know that a line concerns one of them. Each group has
/// a bit, which it shares if there are more groups than bits.
#[derive(Debug, Clone)]
pub struct Prefilter {
    words: Option<AhoCorasick>,
    /// The groups that each word belongs to.
    groups: Vec<u64>,
    /// Groups that every line concerns.
    always: u64,
}

impl Prefilter {
    /// A prefilter for groups of patterns.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_concerns_the_groups_whose_words_it_contains() {
        let patterns = [r"iter (?P<iteration>\d+)", r"step (?P<iteration>\d+)", r"(?P<iteration>\d+)"]
            .map(|text| Pattern::new(text).expect("a pattern"));
        let prefilter = Prefilter::new(patterns.iter().map(std::iter::once));
        assert_eq!(prefilter.groups(b"iter 5"), 0b101);
        assert_eq!(prefilter.groups(b"a step further, iter 3"), 0b111);
        assert_eq!(prefilter.groups(b"nothing"), 0b100);
    }
}
