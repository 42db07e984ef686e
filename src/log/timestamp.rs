//! A line's own timestamp as seconds, for logs that are read long after they were written.

use jiff::civil::DateTime;

/// Reads `2024-09-14 19:44:19`, `2024-07-17T00:18:20.620`, with `,` or `.` before the fraction.
///
/// Returns seconds since 1970 of the civil time; the zone is unknown and only differences count.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim().replacen(',', ".", 1).replacen(' ', "T", 1);
    let text = text.trim_end_matches('Z');
    let when: DateTime = text.parse().ok()?;
    let since_epoch = when.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Some(since_epoch.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_timestamps_are_read() {
        for text in ["2024-09-14 19:44:19.250", "2024-09-14T19:44:19.250", "2024-09-14 19:44:19,250"] {
            assert_eq!(parse(text), Some(1_726_343_059.25), "{text}");
        }
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("2024-99-14 19:44:19"), None);
    }
}
