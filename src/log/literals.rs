//! The literal words that an expression requires, and the names of its groups.

use regex_syntax::hir::{Hir, HirKind};

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
        let pattern = regex_syntax::parse(pattern).expect("an expression");
        required_words(&pattern)
            .unwrap_or_default()
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    #[test]
    fn the_longest_word_that_every_match_contains_is_taken() {
        assert_eq!(words(r"iteration[ =]\s*(?P<iteration>\d+)/ *\d+ \|"), ["iteration"]);
        assert_eq!(words(r"(?:steps|step): (?P<iteration>\d+)"), ["steps", "step"]);
        assert_eq!(words(r"(?:--nodes)? (?P<iteration>\d+)"), [""; 0]);
        assert_eq!(words(r"\d+ \d+"), [""; 0]);
    }
}
