//! Detection of the profile of a log.

use std::sync::Arc;

use crate::event::Event;

use super::launcher_prefix::Line;
use super::lines::Arrival;
use super::parser::{Parser, Signs};
use super::pattern::bit;
use super::prefilter::Prefilter;
use super::rules::Rules;

/// Events kept of a profile that may yet be chosen.
const LONGEST_BACKLOG: usize = 2_000;
/// Weak signs that count as a sure one.
const ENOUGH_WEAK_SIGNS: u64 = 20;

/// Tries profiles side by side. The first one with a sure sign is chosen, and stays. Weak signs are lines
/// that logs of other profiles have too: they count only if many come without a sure one, or at the end
/// of the log.
#[derive(Debug, Clone)]
pub struct Detector {
    candidates: Vec<(Parser, Vec<Event>)>,
    prefilter: Arc<Prefilter>,
}

impl Detector {
    pub fn new(profiles: Vec<Rules>) -> Self {
        let prefilter = Prefilter::new(profiles.iter().map(Rules::openers));
        let candidates = profiles.into_iter().map(|rules| (Parser::new(rules), Vec::new())).collect();
        Self { candidates, prefilter: Arc::new(prefilter) }
    }

    /// Takes a line. Returns the profile that is chosen by it, with the events that it has recognised.
    pub fn line(&mut self, line: Line<'_>, at: Option<Arrival>) -> Option<(Parser, Vec<Event>)> {
        let concerned = self.prefilter.groups(line.whole);
        for (i, (parser, backlog)) in self.candidates.iter_mut().enumerate() {
            if concerned & bit(i) != 0 || parser.expects_more() {
                parser.line(line, at, backlog);
                shorten(backlog, parser);
            }
        }
        if concerned == 0 {
            return None;
        }
        let sure = self.candidates.iter().position(|(parser, _)| parser.signs().sure > 0);
        let enough = |(parser, _): &(Parser, _)| parser.signs().weak >= ENOUGH_WEAK_SIGNS;
        let chosen = sure.or_else(|| self.candidates.iter().position(enough))?;
        Some(self.candidates.swap_remove(chosen))
    }

    /// The log has ended without a sure sign: the profile with most weak ones, else the one with most
    /// facts, if any has one.
    pub fn finish(&mut self) -> Option<(Parser, Vec<Event>)> {
        let signs = self.candidates.iter().map(|(parser, _)| parser.signs()).enumerate();
        let (best, most) = signs.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        (most > Signs::default()).then(|| self.candidates.swap_remove(best))
    }
}

/// Forgets the older half of a backlog that has grown too long, but not the facts.
fn shorten(backlog: &mut Vec<Event>, parser: &Parser) {
    if backlog.len() > LONGEST_BACKLOG {
        backlog.drain(..LONGEST_BACKLOG / 2);
        backlog.insert(0, Event::Facts(Box::new(parser.facts().clone())));
    }
}
