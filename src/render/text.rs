//! Text that came from outside, made fit to be shown.

use console::truncate_str;

use crate::model::Report;
use crate::model::report::{Exit, Status};
use crate::model::units::show_duration;

/// The text on one line, without what a terminal would act on: control characters, and marks that
/// turn the direction of writing.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\t' => Some(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            c if c.is_control() => None,
            c => Some(c),
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

/// The text cut to a number of columns, with `…` where something is cut off.
pub fn clip(text: &str, columns: usize) -> String {
    truncate_str(text, columns, "…").into_owned()
}

/// What was run, how it ended and how long it took, within a number of columns.
pub fn title(report: &Report, columns: usize) -> String {
    let command = &report.command;
    let exit = match &command.exit {
        // A log that was read, or a process that was not effllm's.
        None if command.wall_seconds.is_none() || report.status != Status::Running => String::new(),
        None => " · running".to_owned(),
        Some(Exit::Code(code)) => format!(" · exit {code}"),
        Some(Exit::Signal(signal)) => format!(" · killed by {}", plain(signal)),
    };
    let wall = command.wall_seconds.map(|wall| format!(" · {}", show_duration(wall)));
    let end = exit + &wall.unwrap_or_default();
    let what = match (&command.argv[..], &report.job.host) {
        ([], Some(host)) => format!("GPUs of {}", plain(host)), // nothing else was measured
        (argv, _) => plain(&argv.join(" ")),
    };
    let start = format!("effllm · {what}");
    clip(&start, columns.saturating_sub(console::measure_text_width(&end)).max(20)) + &end
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn nothing_in_a_text_moves_the_cursor() {
        assert_eq!(plain("a\x1b[2J\r\nb\u{9b}\u{202e}é\x07"), "a[2J bé");
    }
}
