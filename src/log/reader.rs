//! From a log's bytes to events.

use crate::event::{Event, Stream};

use super::detect::Detector;
use super::launcher_prefix::{Line, without_escapes};
use super::lines::{Arrival, LineSplitter};
use super::parser::Parser;
use super::profiles;
use super::rules::Rules;

#[derive(Debug, Clone)]
enum Profile {
    Chosen(Box<Parser>),
    Undecided(Detector),
}

/// Whether another framework may follow in the same log: of a script that trains twice, say.
#[derive(Debug, Clone)]
enum Others {
    Unwatched,
    /// A profile was detected; once its training is over, others are looked for.
    Expected,
    Watched(Detector),
}

/// Reads a command's output, or a log that it wrote, for progress.
#[derive(Debug, Clone)]
pub struct LogReader {
    splitters: [LineSplitter; 2],
    bytes: u64,
    lines: Lines,
}

#[derive(Debug, Clone)]
struct Lines {
    profile: Profile,
    others: Others,
    /// Lines read.
    count: u64,
    /// Who or what chose the profile.
    because: String,
    /// Whether the times at which lines arrive are known.
    live: bool,
}

impl LogReader {
    /// Reads by one set of rules; `because` says what chose them.
    pub fn with_rules(rules: Rules, because: &str) -> Self {
        Self::new(Profile::Chosen(Box::new(Parser::new(rules))), because)
    }

    /// Reads by the first of these profiles that is sure of the log.
    pub fn detecting(profiles: Vec<Rules>) -> Self {
        Self::new(Profile::Undecided(Detector::new(profiles)), "")
    }

    /// The log comes from a file: when its lines are read says nothing about iteration times.
    pub fn of_a_file(mut self) -> Self {
        self.lines.live = false;
        self
    }

    fn new(profile: Profile, because: &str) -> Self {
        let lines =
            Lines { profile, others: Others::Unwatched, count: 0, because: because.to_owned(), live: true };
        Self { splitters: Default::default(), bytes: 0, lines }
    }

    /// Takes bytes that arrived at a moment.
    pub fn push(&mut self, stream: Stream, bytes: &[u8], at: f64, out: &mut Vec<Event>) {
        self.bytes += bytes.len() as u64;
        let Self { splitters: [stdout, stderr], lines, .. } = self;
        let splitter = if stream == Stream::Stdout { stdout } else { stderr };
        splitter.push(bytes, at, |line, at| lines.take(line, at, out));
    }

    /// Nothing has come for a while: hands over the record that later lines might have joined.
    pub fn pause(&mut self, out: &mut Vec<Event>) {
        if let Profile::Chosen(parser) = &mut self.lines.profile {
            parser.flush(out);
        }
    }

    /// The streams have ended.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        let Self { splitters, lines, .. } = self;
        for splitter in splitters {
            splitter.finish(|line, at| lines.take(line, at, out));
        }
        if let Profile::Undecided(detector) = &mut lines.profile
            && let Some(chosen) = detector.finish()
        {
            lines.choose(chosen, "the facts that the log states", out);
        }
        if let Profile::Chosen(parser) = &mut self.lines.profile {
            parser.finish(out);
        }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lines read so far.
    pub fn lines(&self) -> u64 {
        self.lines.count
    }

    /// The profile in use and why, once one is.
    pub fn profile(&self) -> Option<(&str, &str)> {
        match &self.lines.profile {
            Profile::Chosen(parser) => Some((&parser.rules().name, &self.lines.because)),
            Profile::Undecided(_) => None,
        }
    }
}

impl Lines {
    fn take(&mut self, line: &[u8], at: Arrival, out: &mut Vec<Event>) {
        self.count += 1;
        let whole = without_escapes(line);
        let line = Line::new(&whole);
        let at = self.live.then_some(at);
        match &mut self.profile {
            Profile::Chosen(parser) => {
                parser.line(line, at, out);
                if parser.is_over() {
                    self.others.look(line, parser, self.count, out);
                }
            }
            Profile::Undecided(detector) => {
                if let Some(chosen) = detector.line(line, at) {
                    self.choose(chosen, &format!("detected by line {}", self.count), out);
                }
            }
        }
    }

    fn choose(&mut self, (parser, backlog): (Parser, Vec<Event>), because: &str, out: &mut Vec<Event>) {
        out.extend(backlog);
        because.clone_into(&mut self.because);
        self.others = Others::Expected;
        self.profile = Profile::Chosen(Box::new(parser));
    }
}

impl Others {
    /// Looks at a line that follows a training which is over. Another framework's is told once.
    fn look(&mut self, line: Line<'_>, parser: &Parser, count: u64, out: &mut Vec<Event>) {
        let own = &parser.rules().name;
        if matches!(self, Self::Expected) {
            let others =
                profiles::load_all().unwrap_or_default().into_iter().filter(|rules| rules.name != *own);
            *self = Self::Watched(Detector::new(others.collect()));
        }
        let Self::Watched(detector) = self else { return };
        if let Some((other, _)) = detector.line(line, None) {
            let other = &other.rules().name;
            out.push(Event::Warning(format!(
                "from line {count} on this is a log of {other}, which is not counted: a log is read by one profile, \
                 here {own}; 'effllm run' for each of the two counts both"
            )));
            *self = Self::Unwatched;
        }
    }
}
