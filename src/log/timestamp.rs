//! Timestamps of log lines, as seconds.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use regex::bytes::Regex;

use crate::event::LogTime;

use super::launcher_prefix::Line;

macro_rules! expression {
    () => {
        r"(?:(?:\d{4}[-/]\d\d[-/]\d\d|\d\d/\d\d/\d{4}|\d{8}|\d\d-\d\d|\d{4})[T\x20-])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    };
}

/// A timestamp in the forms that [`parse`] reads, or seconds.
pub const EXPRESSION: &str = concat!(expression!(), r"|\d+(?:\.\d+)?");

/// A date and time, or a time alone, at the beginning of a line; brackets, the names of log levels and
/// what other brackets hold may come before it.
static LEADING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?x-u)^ (?: [\s\[(|>:-]
            | (?i: debug | info | notice | warn(?:ing)? | error | critical | fatal | trace ) \b (?: :[\w.]+: )?
            | \[ [^\]]* \] | \( [^)]* \)
            | \[ (?: [A-Za-z]+ [\ |] ){1,3}
        )*? [IWEF]? (?P<timestamp>",
        expression!(),
        r") (?: [^\d:] | $ )",
    ))
    .ok()
});

/// Bytes at the beginning of a line in which its timestamp is looked for.
const LONGEST_LEADING: usize = 200;

/// The timestamp with which a line begins.
pub fn leading(line: Line<'_>) -> Option<LogTime> {
    let beginnings = line.texts().map(|text| text.get(..LONGEST_LEADING).unwrap_or(text));
    let mut found = beginnings.filter_map(|text| LEADING.as_ref()?.captures(text)?.name("timestamp"));
    found.next().and_then(|found| parse(std::str::from_utf8(found.as_bytes()).ok()?))
}

/// Reads `2024-09-14 19:44:19`, `2024-07-17T00:18:20.620`, with `,` or `.` before the fraction and a zone
/// or none after it; `04/28/2025-09:56:44`; `20240914 19:44:19`; `01-22 18:27:20` and `0122 18:27:20`, of
/// any year; `18:27:20`, of any day; `1723569622.5`, seconds since 1970; `1.37.495.377`, minutes to
/// microseconds of a run.
///
/// The zone is left out: only differences count.
pub fn parse(text: &str) -> Option<LogTime> {
    let text = text.trim();
    let Some(colon) = text.find(':') else { return of_numbers(text) };
    let (date, time) = text.split_at_checked(colon.checked_sub(2)?)?;
    let date = date.trim_end_matches(['T', ' ', '-']);
    let parts: Vec<&str> = date.split(['-', '/']).collect();
    let date = match parts[..] {
        [""] => "2000-01-01".to_owned(),
        [month, day, year] if year.len() == 4 => format!("{year}-{month}-{day}"),
        [year, month, day] => format!("{year}-{month}-{day}"),
        [compact] if compact.len() == 8 => compact.to_owned(),
        // A leap year, so that every day of any year is one of its days.
        [month, day] => format!("2000-{month}-{day}"),
        [compact] => format!("2000{compact}"),
        _ => return None,
    };
    let time = time.split(['Z', '+', '-']).next()?.trim_end().replacen(',', ".", 1);
    let when: DateTime = format!("{date}T{time}").parse().ok()?;
    let since_epoch = when.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Some(log_time(since_epoch.as_secs_f64(), time.split_once('.').map_or("", |(_, fraction)| fraction)))
}

/// A moment whose seconds are printed with this fraction.
fn log_time(seconds: f64, fraction: &str) -> LogTime {
    let digits = i32::try_from(fraction.len().min(9)).unwrap_or(0);
    LogTime { seconds, resolution: 10f64.powi(-digits), is_timestamp: true }
}

/// Reads a timestamp of numbers alone.
fn of_numbers(text: &str) -> Option<LogTime> {
    let parts: Vec<&str> = text.split('.').collect();
    let numbers = parts.iter().map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>()?;
    match (&numbers[..], &parts[..]) {
        ([_], _) => Some(log_time(text.parse().ok()?, "")),
        ([_, _], [_, fraction]) => Some(log_time(text.parse().ok()?, fraction)),
        ([minutes, seconds, milliseconds, microseconds], [.., first, last]) => {
            let [minutes, seconds] = [minutes, seconds].map(|part| f64::from(*part));
            let [milliseconds, microseconds] = [milliseconds, microseconds].map(|part| f64::from(*part));
            let seconds = minutes * 60.0 + seconds + milliseconds / 1e3 + microseconds / 1e6;
            Some(log_time(seconds, &format!("{first}{last}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_timestamps_are_read() {
        for (text, resolution) in [
            ("2024-09-14 19:44:19.250", 1e-3),
            ("2024-09-14T19:44:19.250", 1e-3),
            ("2024-09-14 19:44:19,250", 1e-3),
            ("2024-09-14T19:44:19.250000Z", 1e-6),
            ("2024-09-14T19:44:19.25+08:00", 1e-2),
            ("2024-09-14T19:44:19.25 +0800", 1e-2),
            ("09/14/2024-19:44:19.250", 1e-3),
            ("09/14/2024 19:44:19.250", 1e-3),
            ("2024/09/14 19:44:19.250", 1e-3),
            ("20240914 19:44:19.250", 1e-3),
            ("1726343059.25", 1e-2),
        ] {
            let read = parse(text).map(|time| (time.seconds, time.resolution));
            assert_eq!(read, Some((1_726_343_059.25, resolution)), "{text}");
        }
        let between = |before, after| Some(parse(after)?.seconds - parse(before)?.seconds);
        assert_eq!(between("02-28 23:59:50", "02-29 00:00:05"), Some(15.0));
        assert_eq!(between("0228 23:59:50", "0229 00:00:05"), Some(15.0));
        assert_eq!(between("16:43:29", "16:44:30.5"), Some(61.5));
        assert_eq!(between("1723569622", "1723569625.5"), Some(3.5));
        assert_eq!(between("1.59.999.500", "2.00.000.250"), Some(120.000_25 - 119.999_5));
        assert_eq!(parse("1.59.999.500").map(|time| time.resolution), Some(1e-6));
        for text in ["yesterday", "2024-99-14 19:44:19", "é9:44:19", "1.2.3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_timestamp_at_the_beginning_of_a_line_is_found() {
        let find = |line: &str| leading(Line::new(line.as_bytes()));
        for line in [
            "2024-09-14 19:44:19,250 - INFO - step 5",
            "[2024-09-14 19:44:19.250] step 5",
            " [2024-09-14 19:44:19.250000] iteration 5",
            "2024-09-14T19:44:19.250Z stderr F step 5",
            "[INFO|trainer.py:2414] 2024-09-14 19:44:19,250 >> step 5",
            "[rank0]:[titan] 2024-09-14 19:44:19,250 - root - INFO - step: 5",
            "node01: 2024-09-14T19:44:19.250+00:00 step 5",
            "INFO:root:2024-09-14 19:44:19.250 step 5",
            "[INFO 2024-09-14 19:44:19.250 main.py:5] step 5",
            "[20240914 19:44:19.250][rank-7/8] step 5",
            "WARNING 2024-09-14 19:44:19.250 step 5",
        ] {
            assert_eq!(find(line).map(|time| time.seconds), Some(1_726_343_059.25), "{line}");
        }
        assert_eq!(find("I0914 19:44:19.25 4711 main.cc:5] step 5"), parse("09-14 19:44:19.25"));
        assert_eq!(find("[19:44:19 TP0] Decode batch"), parse("19:44:19"));
        assert_eq!(
            find("(APIServer pid=7) INFO 09-14 19:44:19 [loggers.py:1] Engine"),
            parse("09-14 19:44:19")
        );
        for line in [
            "step 5 at 2024-09-14 19:44:19",
            "step 5 | eta 10:00:00",
            "ETA 2024-09-14 19:44:19 step 5",
            " 5%|# | 5/100 [00:00:05<00:01:35, 1.00s/it]",
            "12:30 step 5",
            "",
        ] {
            assert_eq!(find(line), None, "{line}");
        }
    }
}
