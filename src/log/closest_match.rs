//! For a pattern that never matched, the line that came closest to a match.
//!
//! A pattern is a row of pieces: characters, classes, groups. The closest line is the first one in which
//! most pieces match, from the beginning of the pattern or from its end. Only written-out characters
//! count, since a class or a space matches in any line. The search also tells where in the line the match
//! broke off, and which part of the pattern was expected there.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{Ast, GroupKind, parse};

/// The most bytes of a line that are kept and compared.
const LONGEST: usize = 1000;
/// Fewer letters, or fewer than a third of the pattern's, match by chance.
const LEAST: usize = 3;

/// The line that came closest to a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosestMatch {
    pub number: u64,
    /// Letters of the pattern that match in it.
    pub letters: usize,
    pub line: Vec<u8>,
    /// Where in the line the match broke off.
    pub at: usize,
    /// The part of the pattern that is expected there.
    pub expected: String,
    /// Whether it is expected after that place, rather than before it.
    pub is_after: bool,
}

/// Compares line by line, and keeps the closest one.
#[derive(Debug)]
pub struct Search {
    chains: Vec<Chain>,
    best: Option<(Score, ClosestMatch)>,
}

/// Letters, then pieces.
type Score = (usize, usize);

/// The ever longer parts of one pattern that begin, or end, where it does.
#[derive(Debug)]
struct Chain {
    parts: std::vec::IntoIter<Part>,
    /// The shortest that no line has matched yet.
    next: Option<(Regex, Part)>,
}

#[derive(Debug)]
struct Part {
    pattern: String,
    score: Score,
    /// Whether the part is long enough to be shown.
    is_enough: bool,
    expected: String,
    from_start: bool,
}

impl Search {
    pub fn new(pattern: &str) -> Self {
        let chains = match &parse::Parser::new().parse(pattern) {
            Ok(Ast::Alternation(alternation)) => {
                alternation.asts.iter().flat_map(|ast| chains(pattern, ast)).collect()
            }
            Ok(ast) => chains(pattern, ast).into(),
            Err(_) => Vec::new(), // impossible: it was compiled before
        };
        Self { chains, best: None }
    }

    /// Takes a line.
    pub fn add(&mut self, number: u64, line: &[u8]) {
        let line = line.get(..LONGEST).unwrap_or(line);
        for chain in &mut self.chains {
            while let Some((at, part)) = chain.advance(line) {
                if part.is_enough && self.best.as_ref().is_none_or(|(score, _)| part.score > *score) {
                    let Part { score, expected, from_start: is_after, .. } = part;
                    self.best = Some((
                        score,
                        ClosestMatch {
                            number,
                            letters: score.0,
                            line: line.to_vec(),
                            at,
                            expected,
                            is_after,
                        },
                    ));
                }
            }
        }
    }

    pub fn closest(&self) -> Option<&ClosestMatch> {
        self.best.as_ref().map(|(_, closest)| closest)
    }
}

impl Chain {
    /// The next part, if it matches the line, and where the match ends towards the rest.
    fn advance(&mut self, line: &[u8]) -> Option<(usize, Part)> {
        while self.next.is_none() {
            let part = self.parts.next()?;
            // A part that is no pattern by itself is skipped.
            self.next = build(&part.pattern).map(|regex| (regex, part));
        }
        let found = self.next.as_ref()?.0.find(line)?;
        let (_, part) = self.next.take()?;
        Some((if part.from_start { found.end() } else { found.start() }, part))
    }
}

fn build(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).unicode(false).build().ok()
}

/// A piece of a pattern that is not divided further.
#[derive(Debug, Clone, Copy)]
struct PatternPiece {
    start: usize,
    end: usize,
    letter: bool,
    /// Groups that are open there.
    depth: usize,
}

fn chains(pattern: &str, alternative: &Ast) -> [Chain; 2] {
    let (mut pieces, mut flags) = (Vec::new(), String::new());
    divide(pattern, alternative, 0, &mut pieces, &mut flags);
    let letters = |pieces: &[PatternPiece]| pieces.iter().filter(|piece| piece.letter).count();
    let all: Score = (letters(&pieces), pieces.len());
    let span = alternative.span();
    let part = |pieces: &[PatternPiece], part: String, expected: &str, from_start| {
        let score = (letters(pieces), pieces.len());
        let is_enough = score.0 * 3 >= all.0 && score.0 >= LEAST.min(all.0).max(1);
        Part { pattern: part, score, is_enough, expected: expected.to_owned(), from_start }
    };
    let text = |from: usize, to: usize| pattern.get(from..to).unwrap_or_default();
    let (start, end) = (span.start.offset, span.end.offset);
    let from_start = (1..pieces.len()).filter_map(|count| {
        let some = pieces.get(..count)?;
        let last = some.last()?;
        let begun = text(start, last.end).to_owned() + &")".repeat(last.depth);
        Some(part(some, begun, text(last.end, end).trim_start_matches(')'), true))
    });
    let from_end = (1..pieces.len()).rev().filter_map(|count| {
        let some = pieces.get(count..)?;
        let first = some.first()?;
        let ended = flags.clone() + &"(?:".repeat(first.depth) + text(first.start, end);
        Some(part(some, ended, text(start, first.start), false))
    });
    let chain = |parts: Vec<Part>| Chain { parts: parts.into_iter(), next: None };
    [chain(from_start.collect()), chain(from_end.collect())]
}

/// Divides a pattern into its pieces; unnamed groups without a repetition are divided too. Flags that are set on
/// the way are collected: they hold to the end.
fn divide(pattern: &str, ast: &Ast, depth: usize, pieces: &mut Vec<PatternPiece>, flags: &mut String) {
    let span = ast.span();
    match ast {
        Ast::Empty(_) => {}
        Ast::Flags(set) => {
            flags.push_str(pattern.get(set.span.start.offset..set.span.end.offset).unwrap_or_default());
        }
        Ast::Concat(concat) => {
            concat.asts.iter().for_each(|ast| divide(pattern, ast, depth, pieces, flags));
        }
        Ast::Group(group) if !matches!(*group.ast, Ast::Alternation(_)) && is_plain(&group.kind) => {
            divide(pattern, &group.ast, depth + 1, pieces, flags);
        }
        _ => {
            let letter = matches!(ast, Ast::Literal(literal) if !literal.c.is_whitespace());
            pieces.push(PatternPiece { start: span.start.offset, end: span.end.offset, letter, depth });
        }
    }
}

/// Whether a group has no flags, and no name: the text of a field is one piece.
fn is_plain(kind: &GroupKind) -> bool {
    match kind {
        GroupKind::NonCapturing(flags) => flags.items.is_empty(),
        GroupKind::CaptureIndex(_) => true,
        GroupKind::CaptureName { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closest(pattern: &str, lines: &[&str]) -> Option<(u64, usize, String, bool)> {
        let mut search = Search::new(pattern);
        for (number, line) in (1..).zip(lines) {
            search.add(number, line.as_bytes());
        }
        search.closest().map(|found| (found.number, found.at, found.expected.clone(), found.is_after))
    }

    #[test]
    fn the_closest_line_matches_most_of_the_pattern_from_its_beginning_or_its_end() {
        for (pattern, lines, expected) in [
            // The difference is in the middle, at the beginning, at the end.
            (
                r"step (?P<iteration>\d+) loss=(?P<loss>\S+)",
                &["epoch 1", "step 5 loss: 2"][..],
                (2, 11, "=(?P<loss>\\S+)", true),
            ),
            (r"Iteration (?P<iteration>\d+)/\d+", &["Import", "iteration 5/10"], (2, 1, "I", false)),
            (r"step (?P<iteration>\d+) done", &["step five", "step 5", "step 6"], (2, 6, " done", true)),
            // The first of several that are as close.
            (r"loss (?P<loss>\d+) nats", &["loss", "loss 3", "loss 4"], (2, 6, " nats", true)),
            (
                r"tokens=(?P<tokens>\d+)|toks=(?P<samples>\d+)",
                &["a toks: 5"],
                (1, 6, "=(?P<samples>\\d+)", true),
            ),
            (r"(?i)STEP (?P<iteration>\d+)x", &["step 7"], (1, 6, "x", true)),
            (r"(?x) step \s (?P<iteration> \d+ ) x", &["step 7"], (1, 6, " x", true)),
            (
                r"(?:(?P<samples>\d+) samples)+ read",
                &["12 sample read", "12 reads"],
                (1, 9, "(?:(?P<samples>\\d+) samples)+", false),
            ),
        ] {
            let (number, at, part, is_after) = expected;
            assert_eq!(closest(pattern, lines), Some((number, at, part.to_owned(), is_after)), "{pattern}");
        }
    }

    #[test]
    fn a_line_that_has_nothing_of_the_pattern_is_not_close() {
        for pattern in [r"step (?P<iteration>\d+)", r"^\s*(?P<iteration>\d+)%\|", r"(?:a|b)*", "", "("] {
            assert_eq!(closest(pattern, &["nothing", "12:30 see the log", ""]), None, "{pattern}");
        }
    }

    #[test]
    fn long_lines_are_cut() {
        let mut search = Search::new("step (?P<iteration>\\d+)/");
        search.add(1, &b"step ".repeat(LONGEST));
        assert_eq!(search.closest().map(|found| found.line.len()), Some(LONGEST));
    }
}
