//! Text that came from outside, made fit to be shown.

use std::fmt::Write;

use console::{AnsiCodeIterator, measure_text_width, truncate_str};

/// The beginning of effllm's own annotations, after the command's name.
pub const OWN_ANNOTATION: &str = " title=effllm gate::";

/// A text for people to read, as it may be printed: it moves no cursor, and is no command to a CI service.
/// `colour`: whether sequences that colour are left in it.
///
/// GitHub obeys a line that begins with `::`; GitHub and Azure Pipelines obey `##[…]` and `##vso[…]` within a
/// line. Only effllm's own annotations pass.
pub fn message(text: &str, colour: bool) -> String {
    let is_colour = |sequence: &str| colour && sequence.starts_with("\x1b[") && sequence.ends_with('m');
    let shown = |(part, is_sequence): (&str, bool)| -> String {
        match is_sequence {
            true if is_colour(part) => part.to_owned(),
            true => String::new(),
            false => part.chars().filter(|c| visible(*c) == *c).collect(),
        }
    };
    let parts = AnsiCodeIterator::new(text).map(shown);
    let text = apart(&parts.collect::<String>(), ' ');
    let line = |line: &str| {
        let begun = line.trim_start();
        let is_own = ["error", "warning", "notice"].iter().any(|command| {
            begun
                .strip_prefix("::")
                .and_then(|line| line.strip_prefix(command)?.strip_prefix(OWN_ANNOTATION))
                .is_some()
        });
        if begun.starts_with("::") && !is_own { line.replacen("::", ": :", 1) } else { line.to_owned() }
    };
    text.split_inclusive('\n').map(line).collect()
}

/// The text with something between any two `#` in a row.
fn apart(text: &str, between: char) -> String {
    let mut before = ' ';
    let mut apart = String::with_capacity(text.len());
    for c in text.chars() {
        apart.extend(Some(between).filter(|_| before == '#' && c == '#'));
        apart.push(c);
        before = c;
    }
    apart
}

/// The text on one line, without what a terminal would act on: control characters, and marks that
/// turn the direction of writing.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\t' => Some(' '),
            c => Some(c).filter(|c| visible(*c) == *c),
        })
        .collect()
}

/// A control character as its picture, and a mark that turns the direction of writing as `�`.
pub fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            '\u{fffd}'
        }
        c => c,
    }
}

/// The text as a field of a CSV file: what cannot be seen is shown by signs, and what a spreadsheet
/// would take for a formula gets an apostrophe before it, by which spreadsheets know text.
///
/// Numbers do not come this way: `-1.5` is to stay one.
pub fn field(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && text.len() > 1;
    is_formula.then_some('\'').into_iter().chain(text.chars().map(visible)).collect()
}

/// The text as part of a line or a cell of Markdown: nothing in it is markup.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '@' => {
                escaped.extend(['\\', c]);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// The text as code in Markdown, fenced by more backquotes than it has in a row.
pub fn markdown_code(text: &str) -> String {
    let text = apart(&plain(text), ' ');
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// JSON in which also those characters are escaped that a terminal would act on and JSON may hold as
/// they are (DEL, C1, marks that turn the direction of writing), and the second `#` of `##`, which begins a
/// command to a CI service: they can stand in its strings alone.
pub fn json(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut text, c| {
        if visible(c) == c && !(c == '#' && text.ends_with('#')) {
            text.push(c);
        } else {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        }
        text
    })
}

/// The text as the message of a workflow command of GitHub's.
pub fn workflow_message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The text cut to a number of columns, with `…` where something is cut off.
pub fn clip(text: &str, columns: usize) -> String {
    truncate_str(text, columns, "…").into_owned()
}

/// The text in lines of a number of columns, parted between words; each ends with a line feed.
pub fn wrapped(text: &str, columns: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= columns => {
                let space = if line.is_empty() { "" } else { " " };
                line.extend([space, word]);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_parted_between_words() {
        assert_eq!(wrapped("not significant at all", 12), "not\nsignificant\nat all\n");
        assert_eq!(wrapped("\x1b[33mnot alike:\x1b[0m exit", 15), "\x1b[33mnot alike:\x1b[0m exit\n");
        assert_eq!(wrapped("a /path/that/is/too/long", 8), "a\n/path/that/is/too/long\n");
    }

    #[test]
    fn a_field_of_text_is_seen_and_is_no_formula() {
        for (text, shown) in [
            ("sh -c 'a\nb'", "sh -c 'a\nb'"),
            ("a\x1b[2J\0\r\x7f\u{9b}\u{202e}é", "a␛[2J␀␍␡\u{fffd}\u{fffd}é"),
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("+1", "'+1"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("-", "-"),
            ("", ""),
        ] {
            assert_eq!(field(text), shown);
        }
    }

    #[test]
    fn a_message_is_no_command() {
        for (text, shown) in [
            ("a\n::add-mask::b\n \t::x::\n::error title=effllm gate::no\n", None),
            ("::add-mask::b", Some(": :add-mask::b")),
            ("a ##[x] ###vso[y]", Some("a # #[x] # # #vso[y]")),
            ("\x1b[31mred\x1b[0m\x1b[2J\r\u{9b}", Some("\x1b[31mred\x1b[0m")),
        ] {
            let masked = "a\n: :add-mask::b\n \t: :x::\n::error title=effllm gate::no\n";
            assert_eq!(message(text, true), shown.unwrap_or(masked));
        }
        assert_eq!(message("\x1b[31mred\x1b[0m", false), "red");
        assert_eq!(json("\"###[\""), "\"#\\u0023#[\"");
    }

    #[test]
    fn nothing_in_a_text_moves_the_cursor() {
        assert_eq!(plain("a\x1b[2J\r\nb\u{9b}\u{202e}é\x07"), "a[2J bé");
    }

    #[test]
    fn a_text_is_no_markup_and_no_command() {
        assert_eq!(workflow_message("5 %\n::error::x"), "5 %25%0A::error::x");
        assert_eq!(markdown("a|b<img>`c`"), r"a\|b&lt;img&gt;\`c\`");
        assert_eq!(markdown_code("a``b`"), "``` a``b` ```");
    }
}
