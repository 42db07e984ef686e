//! Text that came from outside, made fit to be shown.

use std::collections::{HashSet, VecDeque};

use console::{measure_text_width, truncate_str};

use crate::report::Report;
use crate::report::{Exit, Status};
use crate::text::units::show_duration;

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

/// Files by names that are short enough for the head of a column.
pub struct Names<'a> {
    full: &'a [String],
    pub shown: Vec<String>,
}

impl<'a> Names<'a> {
    /// If one does not fit, only that of the paths in which they differ, with its middle left out where
    /// that is too long still; numbers, if those are not told apart.
    pub fn within(full: &'a [String], columns: usize) -> Self {
        let fits = |name: &String| measure_text_width(name) <= columns;
        let mut shown: Vec<String> = full.iter().map(|name| plain(name)).collect();
        if !shown.iter().all(fits) {
            let short: Vec<String> =
                differing(&shown).iter().map(|name| without_middle(name, columns)).collect();
            let told_apart = |names: &[String]| names.iter().collect::<HashSet<_>>().len();
            let numbers = || (1..=short.len()).map(|n| n.to_string()).collect();
            shown = if told_apart(&short) < told_apart(&shown) { numbers() } else { short };
        }
        Self { full, shown }
    }

    /// A line for each name that is not shown in full.
    pub fn legend(&self) -> impl Iterator<Item = String> {
        let names = self.shown.iter().zip(self.full.iter().map(|name| plain(name)));
        names.filter(|(shown, full)| *shown != full).map(|(shown, full)| format!("{shown} is {full}"))
    }
}

/// The paths without the folders that all begin with and the names that all end in.
fn differing<'a>(paths: &'a [String]) -> Vec<String> {
    let mut parts: Vec<VecDeque<&'a str>> = paths.iter().map(|path| path.split('/').collect()).collect();
    let alike = |parts: &[VecDeque<&'a str>], of: fn(&VecDeque<&'a str>) -> Option<&'a str>| {
        parts.windows(2).all(|pair| pair.first().map(of) == pair.last().map(of))
            && parts.iter().all(|path| path.len() > 1)
    };
    while alike(&parts, |path| path.front().copied()) {
        for path in &mut parts {
            path.pop_front();
        }
    }
    while alike(&parts, |path| path.back().copied()) {
        for path in &mut parts {
            path.pop_back();
        }
    }
    parts.into_iter().map(|path| Vec::from(path).join("/")).collect()
}

/// `a-very-…-name`.
fn without_middle(text: &str, columns: usize) -> String {
    if measure_text_width(text) <= columns {
        return text.to_owned();
    }
    let start = clip(text, columns.div_ceil(2));
    let mut end = text;
    while measure_text_width(&start) + measure_text_width(end) > columns {
        let mut rest = end.chars();
        rest.next();
        end = rest.as_str();
    }
    start + end
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
    clip(&start, columns.saturating_sub(measure_text_width(&end)).max(20)) + &end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_that_in_which_they_differ() {
        let shown = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let names = Names::within(&paths, 12);
            (names.shown.clone(), names.legend().collect::<Vec<_>>())
        };
        assert_eq!(shown(&["a/b.json", "c.json"]), (vec!["a/b.json".into(), "c.json".into()], vec![]));
        for (paths, names) in [
            (["/data/runs/a/report.json", "/data/runs/b/report.json"], ["a", "b"]),
            (["runs/2026/x.json", "runs/2026/b/x.json"], ["x.json", "b/x.json"]),
            (["same-in-both.json", "same-in-both.json"], ["same-…h.json", "same-…h.json"]),
            (["a-very-long-name-1_of-a-run.json", "a-very-long-name-2_of-a-run.json"], ["1", "2"]),
            (["the-first-of-november.json", "b.json"], ["the-f…r.json", "b.json"]),
            (["", "runs/of/a/job.json"], ["", "runs/…b.json"]),
            (["界界界界界界界界界.json", "b"], ["界界…界.json", "b"]),
        ] {
            assert_eq!(shown(&paths).0, names);
        }
        assert_eq!(
            shown(&["runs/a.json", "runs/by-me/b.json"]).1,
            ["a.json is runs/a.json", "by-me/b.json is runs/by-me/b.json"]
        );
    }

    #[test]
    fn a_text_is_parted_between_words() {
        assert_eq!(wrapped("no test speaks for it", 12), "no test\nspeaks for\nit\n");
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
    fn nothing_in_a_text_moves_the_cursor() {
        assert_eq!(plain("a\x1b[2J\r\nb\u{9b}\u{202e}é\x07"), "a[2J bé");
    }
}
