//! A line's own timestamp as seconds, for logs that are read long after they were written.

use jiff::civil::DateTime;

/// Reads `2024-09-14 19:44:19`, `2024-07-17T00:18:20.620`, with `,` or `.` before the fraction and
/// a zone or none behind it; `04/28/2025-09:56:44`; `01-22 18:27:20`, of any year; `18:27:20`, of any
/// day; `1723569622.5`, seconds since 1970; `1.37.495.377`, minutes to microseconds of a run.
///
/// Returns seconds since 1970 of the civil time; the zone is left out and only differences count.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let Some(colon) = text.find(':') else { return of_numbers(text) };
    let (date, time) = text.split_at(colon.checked_sub(2)?);
    let date = date.trim_end_matches(['T', ' ', '-']);
    let date = match date.split(['-', '/']).collect::<Vec<_>>()[..] {
        [""] => "2000-01-01".to_owned(),
        [month, day, year] if year.len() == 4 => format!("{year}-{month}-{day}"),
        // A leap year, so that every day of any year is one of its days.
        [month, day] => format!("2000-{month}-{day}"),
        _ => date.to_owned(),
    };
    let time = time.split(['Z', '+', '-']).next()?.replacen(',', ".", 1);
    let when: DateTime = format!("{date}T{time}").parse().ok()?;
    let since_epoch = when.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Some(since_epoch.as_secs_f64())
}

/// The step in which a timestamp is printed, in seconds: 1 without a fraction, 0.001 for three digits of it.
pub fn resolution(text: &str) -> f64 {
    let time = text.rsplit(':').next().unwrap_or(text).trim();
    let fraction = time.find(['.', ',']).and_then(|point| time.get(point + 1..)).unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count().min(9);
    10f64.powi(-i32::try_from(digits).unwrap_or(0))
}

/// Reads a timestamp of numbers alone.
fn of_numbers(text: &str) -> Option<f64> {
    let numbers = text.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>()?;
    match numbers[..] {
        [_] | [_, _] => text.parse().ok(),
        [minutes, seconds, milliseconds, microseconds] => {
            let [minutes, seconds] = [minutes, seconds].map(f64::from);
            let [milliseconds, microseconds] = [milliseconds, microseconds].map(f64::from);
            Some(minutes * 60.0 + seconds + milliseconds / 1e3 + microseconds / 1e6)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_timestamps_are_read() {
        for text in [
            "2024-09-14 19:44:19.250",
            "2024-09-14T19:44:19.250",
            "2024-09-14 19:44:19,250",
            "2024-09-14T19:44:19.250000Z",
            "2024-09-14T19:44:19.250+08:00",
            "09/14/2024-19:44:19.250",
            "09/14/2024 19:44:19.250",
        ] {
            assert_eq!(parse(text), Some(1_726_343_059.25), "{text}");
        }
        let between = |before, after| Some(parse(after)? - parse(before)?);
        assert_eq!(between("02-28 23:59:50", "02-29 00:00:05"), Some(15.0));
        assert_eq!(between("16:43:29", "16:44:30.5"), Some(61.5));
        assert_eq!(between("1723569622", "1723569625.5"), Some(3.5));
        assert_eq!(between("1.59.999.500", "2.00.000.250"), Some(120.000_25 - 119.999_5));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("2024-99-14 19:44:19"), None);
    }
}
