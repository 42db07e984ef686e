//! A line's own timestamp as seconds, for logs that are read long after they were written.

use jiff::civil::DateTime;

/// Reads `2024-09-14 19:44:19`, `2024-07-17T00:18:20.620`, with `,` or `.` before the fraction and
/// a zone or none behind it; `04/28/2025-09:56:44`; `01-22 18:27:20`, of any year.
///
/// Returns seconds since 1970 of the civil time; the zone is left out and only differences count.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let (date, time) = text.split_at(text.find([':'])?.checked_sub(2)?);
    let date = date.trim_end_matches(['T', ' ', '-']);
    let date = match date.split(['-', '/']).collect::<Vec<_>>()[..] {
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
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("2024-99-14 19:44:19"), None);
    }
}
