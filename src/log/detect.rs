//! Which profile a log is written in: the first one that recognises a record for sure.

use crate::model::Event;

use super::lines::Arrival;
use super::parser::Parser;
use super::rules::Rules;

/// Events kept of a profile that may yet be chosen.
const LONGEST_BACKLOG: usize = 10_000;

/// Tries profiles side by side until one is sure.
#[derive(Debug, Clone)]
pub struct Detector {
    candidates: Vec<(Parser, Vec<Event>)>,
}

impl Detector {
    pub fn new(profiles: Vec<Rules>) -> Self {
        Self { candidates: profiles.into_iter().map(|rules| (Parser::new(rules), Vec::new())).collect() }
    }

    /// Takes a line; the first profile that is sure is returned with all that it has recognised.
    pub fn line(&mut self, line: &[u8], at: Option<Arrival>) -> Option<(Parser, Vec<Event>)> {
        for (parser, backlog) in &mut self.candidates {
            parser.line(line, at, backlog);
            if backlog.len() > LONGEST_BACKLOG {
                backlog.drain(..LONGEST_BACKLOG / 2);
            }
        }
        let sure = self.candidates.iter().position(|(parser, _)| parser.is_convinced())?;
        Some(self.candidates.swap_remove(sure))
    }

    /// The log has ended without a record: the profile that knew most facts, if any knew one.
    pub fn finish(&mut self) -> Option<(Parser, Vec<Event>)> {
        let facts = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Facts(_))).count();
        let (best, most) = self
            .candidates
            .iter()
            .enumerate()
            .map(|(i, (_, backlog))| (i, facts(backlog)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        (most > 0).then(|| self.candidates.swap_remove(best))
    }
}
