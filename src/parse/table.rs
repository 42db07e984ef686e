//! An explanation as text.

use console::measure_text_width;
use jiff::SignedDuration;
use jiff::civil::DateTime;

use super::explain::{Explainer, WatchedPattern, WatchedProfile};
use crate::event::LogTime;
use crate::event::field::Value;
use crate::log::binding::as_written;
use crate::log::closest_match::ClosestMatch;
use crate::log::rules::Purpose;
use crate::output::layout::{Column, Grid};
use crate::text::sanitize::{clip, plain};
use crate::text::units::show;

/// Profiles whose closest line is shown if none was chosen.
const CLOSEST_PROFILES: usize = 5;
/// Columns that are shown of a log's line before the place where a match broke off, and after it.
const BEFORE: usize = 40;
const AFTER: usize = 30;
const LONGEST_RULE: usize = 98;
const LONGEST_EXPECTED: usize = 40;
const LONGEST_VALUE: usize = 30;

/// The explanation of a log of this name.
pub fn explanation(name: &str, explainer: &Explainer) -> String {
    let (lines, records) = (explainer.lines(), explainer.records);
    let heading = format!("{}: {lines} lines, {records} progress records\n", plain(name));
    heading
        + &match explainer.chosen() {
            Some((profile, because)) => {
                format!("profile: {}, {}\n\n{}", profile.name, because, of_profile(profile))
            }
            None => {
                let unknown = "profile: none recognised this log; the lines that each matched:\n\n";
                unknown.to_owned() + &of_all(&explainer.profiles)
            }
        }
}

fn of_profile(profile: &WatchedProfile) -> String {
    let columns = [Column::LEFT, Column::LEFT, Column::RIGHT, Column::RIGHT, Column::LEFT];
    let (matched, unmatched): (Vec<_>, Vec<_>) =
        profile.patterns.iter().partition(|pattern| pattern.lines > 0);
    let mut rows = vec![["rule", "place", "lines", "last", "its values there"].map(str::to_owned).to_vec()];
    rows.extend(matched.iter().map(|pattern| {
        let [lines, last] = [pattern.lines, pattern.last_line].map(|number| number.to_string());
        let place = pattern.pattern.place().to_owned();
        vec![label(pattern.purpose).to_owned(), place, lines, last, values(pattern)]
    }));
    let mut text =
        if matched.is_empty() { "No rule matched a line.\n".to_owned() } else { table(&columns, &rows) };
    let near: Vec<_> = unmatched.iter().filter_map(|rule| Some((*rule, rule.closest()?))).collect();
    if !near.is_empty() {
        text += "\nThese never matched; the line closest to a match:\n";
    }
    text.extend(near.into_iter().map(|(pattern, line)| format!("\n {}\n{}", rule(pattern), closest(line))));
    let far: Vec<_> = unmatched.into_iter().filter(|pattern| pattern.closest().is_none()).collect();
    if !far.is_empty() {
        text += "\nThese never matched, and no line comes close:\n\n";
    }
    text.extend(far.into_iter().map(|pattern| format!(" {}\n", rule(pattern))));
    text
}

fn rule(pattern: &WatchedPattern) -> String {
    let purpose = label(pattern.purpose).trim_start();
    clip(&format!("{} {purpose}: {}", pattern.pattern.place(), plain(pattern.pattern.text())), LONGEST_RULE)
}

fn of_all(profiles: &[WatchedProfile]) -> String {
    let heading = ["profile", "records", "facts", "hints"].map(str::to_owned).to_vec();
    let mut rows = vec![heading];
    rows.extend(profiles.iter().map(|profile| {
        let count = |purpose| profile.lines(purpose).to_string();
        vec![profile.name.clone(), count(Purpose::Record), count(Purpose::Fact), count(Purpose::Hint)]
    }));
    let mut text = table(&[Column::LEFT, Column::RIGHT, Column::RIGHT, Column::RIGHT], &rows);
    let mut of_profiles: Vec<(&WatchedPattern, &ClosestMatch)> = profiles
        .iter()
        .filter_map(|profile| {
            let rules = profile.patterns.iter().filter_map(|rule| Some((rule, rule.closest()?)));
            rules.max_by_key(|(_, near)| near.letters)
        })
        .collect();
    of_profiles.sort_by_key(|(_, near)| std::cmp::Reverse(near.letters));
    if !of_profiles.is_empty() {
        text += "\nThe lines closest to a record:\n";
    }
    for (pattern, near) in of_profiles.into_iter().take(CLOSEST_PROFILES) {
        text += &format!("\n {}\n{}", rule(pattern), closest(near));
    }
    text + "\nRules of your own: 'effllm profiles show NAME > own.toml' prints some to start from,\n\
            '--rules own.toml' reads by them, and effllm-rules(5) describes them.\n"
}

/// A line, the place in it where the match broke off, and the part of the rule that was expected there.
fn closest(near: &ClosestMatch) -> String {
    let (before, after) = near.line.split_at_checked(near.at).unwrap_or((&near.line, &[]));
    let [before, after] = [before, after].map(|part| plain(&String::from_utf8_lossy(part)));
    let cut = before.chars().count().saturating_sub(BEFORE);
    let before: String = before.chars().skip(cut).collect();
    let start = format!("   line {}: {}{before}", near.number, if cut > 0 { "…" } else { "" });
    let column = measure_text_width(&start);
    let (indent, side) =
        if near.is_after { (column, "then") } else { (column.saturating_sub(1), "before it") };
    let expected = clip(&plain(&as_written(&near.expected)), LONGEST_EXPECTED);
    format!("{start}{}\n{}^ {side}: {expected}\n", clip(&after, AFTER), " ".repeat(indent))
}

/// The key of a rule; the rules of a record are indented below it.
fn label(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Record => "record",
        Purpose::Field => "  field",
        Purpose::More => "  more",
        Purpose::End => "  end",
        Purpose::By => "  by",
        Purpose::Fact => "fact",
        Purpose::Hint => "hint",
        Purpose::Sign => "sign",
        Purpose::Ignore => "ignore",
        Purpose::Pause => "pause",
        Purpose::Restart => "restart",
    }
}

fn values(pattern: &WatchedPattern) -> String {
    let one = |(name, value): (&str, Value)| match value {
        Value::Flag => name.to_owned(),
        Value::NotFinite => format!("{name} not finite"),
        Value::Rate(rate, _) => format!("{name} {}", show(rate)),
        Value::Time(time) => format!("{name} {}", moment(time)),
        Value::Text(text) => format!("{name} '{}'", clip(&plain(&text), LONGEST_VALUE)),
        Value::Number(stated) if stated.value.fract() == 0.0 && stated.value.abs() < 1e15 => {
            format!("{name} {:.0}", stated.value)
        }
        Value::Number(stated) => format!("{name} {}", show(stated.value)),
    };
    pattern.watch.seen().last.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A date and time or a time of day as the log prints it, or seconds since the start.
fn moment(time: LogTime) -> String {
    let since_epoch = SignedDuration::try_from_secs_f64(time.seconds).ok();
    let date =
        since_epoch.and_then(|since| DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).ok());
    match date.filter(|_| time.is_timestamp) {
        Some(date) => format!("'{}'", date.to_string().replace('T', " ")),
        None => format!("{} s", show(time.seconds)),
    }
}

/// A table as wide as its cells need it to be.
fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    Grid { columns, indent: 1, gap: 2 }.lines(rows, None).join("\n") + "\n"
}
