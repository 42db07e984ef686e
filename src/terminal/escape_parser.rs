//! Parses the escape sequences in the child's bytes: whether effllm may write between them now, and how
//! they change the screen that the table shares with them.
//!
//! Only what the table depends on is understood; the bytes themselves pass by untouched.

use anstyle_parse::state::{Action, State, state_change};
use memchr::{memchr, memrchr2};

/// An act of the child's that concerns the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenAct {
    /// It entered or left the alternate screen, where full-screen programs draw.
    AlternateScreen(bool),
    /// It set the scroll region, and so moved the cursor home; 0 is the last row.
    Region { bottom: u16 },
    /// It moved the cursor to a row below its own rows.
    BelowItsRows,
    /// A soft reset (DECSTR): the scroll region is the whole screen.
    SoftReset,
    /// A full reset (RIS): the screen is empty.
    Reset,
}

/// The place on its line where the child left the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorLine {
    /// On a new line.
    Fresh,
    /// Back at the beginning of a line that has text.
    Returned,
    /// Somewhere within a line.
    Within,
}

#[derive(Debug)]
pub struct EscapeParser {
    state: State,
    /// Continuation bytes that the last character still lacks.
    missing: u8,
    /// The parameters and intermediate bytes of the sequence so far.
    parameters: Vec<u8>,
    /// The child saved the cursor and has not restored it: ours would overwrite its position.
    pub cursor_saved: bool,
    pub line: CursorLine,
}

/// No sequence that concerns the table is longer.
const LONGEST_PARAMETERS: usize = 64;
const ESC: u8 = 0x1b;

impl EscapeParser {
    /// A command starts at the beginning of a line, where the shell left the cursor.
    pub fn new() -> Self {
        let (state, line) = (State::Ground, CursorLine::Fresh);
        Self { state, missing: 0, parameters: Vec::new(), cursor_saved: false, line }
    }

    /// Whether the bytes so far end neither within a sequence nor within a character.
    pub fn is_at_rest(&self) -> bool {
        self.state == State::Ground && self.missing == 0
    }

    /// Parses up to the end of the bytes or the end of the first act. `rows` is the number of the child's
    /// rows.
    pub fn scan(&mut self, bytes: &[u8], rows: u16) -> (usize, Option<ScreenAct>) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..) {
            if self.state == State::Ground {
                let text = memchr(ESC, rest).unwrap_or(rest.len());
                self.text(rest.get(..text).unwrap_or_default());
                at += text;
            }
            let Some(byte) = bytes.get(at) else { break };
            at += 1;
            if let Some(act) = self.step(*byte, rows) {
                return (at, Some(act));
            }
        }
        (bytes.len(), None)
    }

    fn text(&mut self, text: &[u8]) {
        // An incomplete character is at most three bytes long, so older bytes do not matter.
        if text.len() > 3 {
            self.missing = 0;
        }
        for byte in text.iter().skip(text.len().saturating_sub(3)) {
            self.missing = match byte {
                0x80..=0xbf => self.missing.saturating_sub(1),
                0xc2..=0xdf => 1,
                0xe0..=0xef => 2,
                0xf0..=0xf4 => 3,
                _ => 0,
            };
        }
        match memrchr2(b'\n', b'\r', text) {
            Some(end) if end + 1 == text.len() => {
                self.line = if text.ends_with(b"\n") { CursorLine::Fresh } else { CursorLine::Returned };
            }
            None if text.is_empty() => {}
            _ => self.line = CursorLine::Within,
        }
    }

    /// Takes a byte of a sequence. The terminal executes a control character within one.
    fn step(&mut self, byte: u8, rows: u16) -> Option<ScreenAct> {
        let (state, action) = state_change(self.state, byte);
        match state {
            State::Anywhere => {}
            State::Escape => {
                (self.state, self.missing) = (state, 0);
                self.parameters.clear();
            }
            _ => self.state = state,
        }
        match action {
            Action::Collect | Action::Param if self.parameters.len() < LONGEST_PARAMETERS => {
                self.parameters.push(byte);
            }
            Action::CsiDispatch => return self.control(byte, rows),
            Action::EscDispatch if self.parameters.is_empty() => match byte {
                b'7' => self.cursor_saved = true,
                b'8' => self.cursor_saved = false,
                b'c' => {
                    self.cursor_saved = false;
                    return Some(ScreenAct::Reset);
                }
                _ => {}
            },
            _ => {}
        }
        None
    }

    /// The end of a control sequence.
    fn control(&mut self, last: u8, rows: u16) -> Option<ScreenAct> {
        let text = std::str::from_utf8(&self.parameters).ok()?;
        let (private, text) = text.strip_prefix('?').map_or((false, text), |text| (true, text));
        if (text, last) == ("!", b'p') {
            return Some(ScreenAct::SoftReset);
        }
        if text.bytes().any(|byte| !matches!(byte, b'0'..=b'9' | b';')) {
            return None;
        }
        let mut numbers = text.split(';').map(|number| number.parse::<u16>().unwrap_or(0));
        match (private, last) {
            (true, b'h' | b'l') if numbers.any(|mode| matches!(mode, 47 | 1047 | 1049)) => {
                return Some(ScreenAct::AlternateScreen(last == b'h'));
            }
            (false, b'r') => return Some(ScreenAct::Region { bottom: numbers.nth(1).unwrap_or(0) }),
            // Programs that save the cursor first only ask how large the screen is.
            (false, b'H' | b'f' | b'd') if numbers.next() > Some(rows) && !self.cursor_saved => {
                return Some(ScreenAct::BelowItsRows);
            }
            (false, b's') if text.is_empty() => self.cursor_saved = true,
            (false, b'u') if text.is_empty() => self.cursor_saved = false,
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(bytes: &[u8]) -> (EscapeParser, Vec<ScreenAct>) {
        let (mut parser, mut acts, mut rest) = (EscapeParser::new(), Vec::new(), bytes);
        while !rest.is_empty() {
            let (used, act) = parser.scan(rest, 20);
            acts.extend(act);
            rest = &rest[used..];
        }
        (parser, acts)
    }

    #[test]
    fn bytes_are_at_rest_only_between_characters_and_sequences() {
        let whole =
            "a é € 𝄞 \x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b]8;;x\x1b\\ \x1bPq\x07\x1b\\\x1b(B\x1b#8 z"
                .as_bytes();
        let mut rest_ends = Vec::new();
        for end in 0..=whole.len() {
            let (parser, _) = acts(&whole[..end]);
            let mut one_by_one = EscapeParser::new();
            for byte in &whole[..end] {
                one_by_one.scan(&[*byte], 20);
            }
            assert_eq!(parser.is_at_rest(), one_by_one.is_at_rest(), "after {end}");
            if parser.is_at_rest() {
                rest_ends.push(end);
            }
        }
        let spans = |from: usize, to: usize| (from + 1..to).all(|end| !rest_ends.contains(&end));
        for sequence in
            ["é", "€", "𝄞", "\x1b[1;31m", "\x1b]0;title\x07", "\x1b]8;;x\x1b\\", "\x1bPq\x07\x1b\\", "\x1b(B"]
        {
            let from = whole.windows(sequence.len()).position(|w| w == sequence.as_bytes()).unwrap();
            assert!(spans(from, from + sequence.len()), "{sequence:?}");
            assert!(rest_ends.contains(&(from + sequence.len())), "{sequence:?}");
        }
    }

    #[test]
    fn acts_that_concern_the_table_are_found() {
        for (bytes, act) in [
            ("\x1b[?1049h", Some(ScreenAct::AlternateScreen(true))),
            ("\x1b[?25;1049l", Some(ScreenAct::AlternateScreen(false))),
            ("\x1b[?47h", Some(ScreenAct::AlternateScreen(true))),
            ("\x1b[?25l", None),
            ("\x1b[r", Some(ScreenAct::Region { bottom: 0 })),
            ("\x1b[0;23r", Some(ScreenAct::Region { bottom: 23 })),
            ("\x1b[?1r", None),
            ("\x1b[H\x1b[2J", None),
            ("\x1b[20;5H", None),
            ("\x1b[21;5H", Some(ScreenAct::BelowItsRows)),
            ("\x1b[99d", Some(ScreenAct::BelowItsRows)),
            ("\x1b[s\x1b[999;999H\x1b[6n\x1b[u", None),
            ("\x1b7\x1b[999;999H\x1b8", None),
            ("\x1b[!p", Some(ScreenAct::SoftReset)),
            ("\x1bc", Some(ScreenAct::Reset)),
        ] {
            assert_eq!(acts(bytes.as_bytes()).1, Vec::from_iter(act), "{bytes:?}");
        }
    }

    #[test]
    fn the_end_of_the_line_is_known() {
        for (bytes, line) in [
            ("", CursorLine::Fresh),
            ("a\n", CursorLine::Fresh),
            ("a\r\n", CursorLine::Fresh),
            ("a\n\x1b[0m", CursorLine::Fresh),
            ("\r 10%", CursorLine::Within),
            ("a\r", CursorLine::Returned),
        ] {
            assert_eq!(acts(bytes.as_bytes()).0.line, line, "{bytes:?}");
        }
    }
}
