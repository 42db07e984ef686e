//! Numbers as people and programs write them: `7.6B`, `1,048,576`, `9.9e-07`, `1h 22m 38s`.

use indicatif::HumanCount;

/// Reads a count with thousands separators and an optional suffix: `7.6B`, `494M`, `7,615,616,512`.
///
/// K, M, B or G, T and P stand for 10³ to 10¹⁵. `None` for anything else, infinities included.
pub fn parse_count(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, scale) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 1e3),
        'm' | 'M' => (&text[..text.len() - 1], 1e6),
        'b' | 'B' | 'g' | 'G' => (&text[..text.len() - 1], 1e9),
        't' | 'T' => (&text[..text.len() - 1], 1e12),
        'p' | 'P' => (&text[..text.len() - 1], 1e15),
        _ => (text, 1.0),
    };
    Some(parse_number(number.trim_end())? * scale)
}

/// Reads a finite decimal number, with thousands separators or a decimal comma.
///
/// A comma followed by exactly three digits up to the next separator or the end separates
/// thousands; any other single comma is a decimal comma.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    if !text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'+' | b'-' | b'e' | b'E' | b'_'))
    {
        return None; // keeps `inf`, `nan` and `infinity` out, which f64 would read
    }
    let value = if let Some(grouped) = without_thousands(text) {
        grouped.parse::<f64>().ok()?
    } else if text.matches(',').count() == 1 && !text.contains('.') {
        text.replacen(',', ".", 1).parse::<f64>().ok()?
    } else {
        return None;
    };
    value.is_finite().then_some(value)
}

/// The text without its thousands separators, if every comma or underscore in it is one.
fn without_thousands(text: &str) -> Option<String> {
    let (whole, rest) = text.split_at(text.find(['.', 'e', 'E']).unwrap_or(text.len()));
    if rest.contains([',', '_']) {
        return None;
    }
    let mut groups = whole.split([',', '_']);
    let first = groups.next()?;
    let grouped = groups.clone().next().is_some();
    let first_digits = first.trim_start_matches(['+', '-']).len();
    if grouped && (first_digits == 0 || first_digits > 3 || groups.any(|group| group.len() != 3)) {
        return None;
    }
    Some(whole.replace([',', '_'], "") + rest)
}

/// Reads a duration in seconds: `58.76`, `58.76s`, `820 ms`, `1h 22m 38s`, `15:19`, `1:02:03`,
/// `2 days, 1:02:03`.
pub fn parse_duration(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.contains(':') {
        return parse_clock(text);
    }
    if let Some(seconds) = parse_number(text) {
        return Some(seconds);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')))?;
        let number = parse_number(&rest[..number_end])?;
        rest = rest[number_end..].trim_start();
        let unit_end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        total += scaled(number, unit_in_seconds(&rest[..unit_end])?);
        rest = rest[unit_end..].trim_start_matches([' ', ',']);
    }
    total.is_finite().then_some(total)
}

/// Reads `m:s`, `h:m:s` or `N days, h:m:s`.
fn parse_clock(text: &str) -> Option<f64> {
    let (days, clock) = match text.split_once("day") {
        Some((days, rest)) => (parse_number(days)?, rest.trim_start_matches(['s', ',', ' '])),
        None => (0.0, text),
    };
    let mut seconds = 0.0;
    for part in clock.split(':') {
        seconds = seconds * 60.0 + parse_number(part)?;
    }
    Some(days * 86400.0 + seconds)
}

/// A number in units of a scale. By a power of ten its decimal point is shifted, which multiplying
/// does not quite do: 48.2 % are 0.482, and 48.2 × 0.01 is not.
pub fn scaled(number: f64, scale: f64) -> f64 {
    let digits = scale.log10().round();
    if scale == 10f64.powf(digits)
        && digits != 0.0
        && let Ok(shifted) = format!("{number}e{digits}").parse()
    {
        return shifted;
    }
    number * scale
}

fn unit_in_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86400.0,
        _ => return None,
    })
}

/// Half a unit in the last printed place of a number: 0.005 for `0.49`, 0 for `1,048,576`.
pub fn half_unit(text: &str) -> f64 {
    let number: &str = text.trim().trim_end_matches(|c: char| c.is_alphabetic());
    match number.split_once('.') {
        Some((_, decimals)) if decimals.bytes().all(|b| b.is_ascii_digit()) => {
            0.5 * 10f64.powi(-i32::try_from(decimals.len()).unwrap_or(i32::MAX))
        }
        _ => 0.0,
    }
}

/// A number for people: four significant digits, an exponent where plain digits would be long.
pub fn show(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // Of the rounded value: 0.09999999 is 0.1000, and not 0.10000.
    let exponent =
        format!("{value:.3e}").split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match exponent {
        Some(exponent @ -3..7) => {
            let decimals = (3 - exponent).max(0) as usize;
            format!("{value:.decimals$}")
        }
        _ => show_exponent(value, 3),
    }
}

/// `1.412 s`; a ratio has no unit.
pub fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", show(value)).trim_end().to_owned()
}

/// A number with an exponent of at least two digits, as C and Python print it: `9.90e-07`.
pub fn show_exponent(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$e}");
    match text.split_once('e').map(|(mantissa, exponent)| (mantissa, exponent.parse::<i32>())) {
        Some((mantissa, Ok(exponent))) => format!("{mantissa}e{exponent:+03}"),
        _ => text, // not finite
    }
}

/// Seconds for people: `850 ms`, `12.3 s`, `3m 12s`, `17h 02m`.
pub fn show_duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    // The bounds are where rounding would carry into the next unit: no `60.0 s`.
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s.max(0.0) * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        _ if whole < 3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ if whole < 86400 => format!("{}h {:02}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}d {:02}h", whole / 86400, whole / 3600 % 24),
    }
}

/// The unit in which energies that stand together are written, so that they can be compared at a
/// glance: that of the largest, which has four digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnergyUnit {
    joules: f64,
    pub name: &'static str,
    decimals: usize,
}

impl EnergyUnit {
    pub fn of(joules: impl IntoIterator<Item = Option<f64>>) -> Self {
        let largest = joules.into_iter().flatten().map(f64::abs).fold(0.0, f64::max);
        let (joules, name) = match largest / 3600.0 {
            wh if wh < 1.0 => (1.0, "J"),
            wh if wh < 999.95 => (3600.0, "Wh"),
            _ => (3.6e6, "kWh"),
        };
        let magnitude = (largest / joules).log10().floor();
        Self { joules, name, decimals: (3.0 - magnitude).clamp(0.0, 3.0) as usize }
    }

    /// With its unit.
    pub fn show(&self, joules: f64) -> String {
        format!("{} {}", self.number(joules), self.name)
    }

    /// Without its unit; an energy below the last decimal of the largest is `< 0.001`.
    pub fn number(&self, joules: f64) -> String {
        let decimals = self.decimals;
        let least = 10f64.powi(-(decimals as i32));
        match joules / self.joules {
            little if little > 0.0 && little < least / 2.0 => format!("< {least}"),
            value => format!("{value:.decimals$}"),
        }
    }
}

/// A short time, as finely as it is known: `0.140 ms`, `1.231 s`; a long one as a duration.
pub fn show_time(seconds: f64) -> String {
    match seconds {
        s if s < 0.5 => format!("{} ms", show(1e3 * s)),
        s if s < 60.0 => format!("{} s", show(s)),
        s => show_duration(s),
    }
}

/// `512 MB`, `85.5 GB`.
pub fn show_bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes < 1e9 { format!("{:.0} MB", bytes / 1e6) } else { format!("{:.1} GB", bytes / 1e9) }
}

/// `1 iteration`, `15 iterations`.
pub fn show_count(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", show_grouped(count as f64)) }
}

/// A number; a whole one with its digits in groups of three: `100 000`.
pub fn show_grouped(number: f64) -> String {
    match number {
        _ if number.fract() != 0.0 => show(number),
        1e4..1e15 => HumanCount(number as u64).to_string().replace(',', "\u{202f}"),
        _ => number.to_string(),
    }
}

/// The place of an unknown value.
pub const DASH: &str = "–";

/// A value in a form, or a dash.
pub fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| DASH.to_owned(), show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_with_suffixes_and_separators() {
        for (text, value) in [
            ("7.6B", 7.6e9),
            ("494M", 494e6),
            ("7615616512", 7_615_616_512.0),
            ("7,615,616,512", 7_615_616_512.0),
            ("634K", 634e3),
            ("85.8G", 85.8e9),
            ("1.258 B", 1.258e9),
        ] {
            assert_eq!(parse_count(text), Some(value), "{text}");
        }
        for text in ["", "B", "inf", "nan", "1e999", "7.6X", "seven", "-"] {
            assert_eq!(parse_count(text), None, "{text}");
        }
    }

    #[test]
    fn a_comma_separates_thousands_or_decimals() {
        assert_eq!(parse_number("1,048,576"), Some(1_048_576.0));
        assert_eq!(parse_number("31,40"), Some(31.4));
        assert_eq!(parse_number("1,024.5"), Some(1024.5));
        assert_eq!(parse_number("9.9e-07"), Some(9.9e-7));
        assert_eq!(parse_number("1,2,3"), None);
    }

    #[test]
    fn durations_are_read_in_every_common_form() {
        for (text, seconds) in [
            ("58.76", 58.76),
            ("58.76s", 58.76),
            ("820 ms", 0.82),
            ("1h 22m 38s", 4958.0),
            ("15:19", 919.0),
            ("1:02:03", 3723.0),
            ("2 days, 1:02:03", 176_523.0),
        ] {
            let read = parse_duration(text).unwrap_or(f64::NAN);
            assert!((read - seconds).abs() < 1e-9, "{text}: {read}");
        }
        assert_eq!(parse_duration("412.50 ms"), Some(0.4125));
        assert_eq!(parse_duration("?"), None);
    }

    #[test]
    fn printed_precision_is_known() {
        assert_eq!(half_unit("0.49"), 0.005);
        assert_eq!(half_unit("8.0305"), 0.00005);
        assert_eq!(half_unit("494,032,768"), 0.0);
    }

    #[test]
    fn exponents_have_two_digits() {
        assert_eq!(show_exponent(1.234e-6, 2), "1.23e-06");
        assert_eq!(show_exponent(-9.96e12, 1), "-1.0e+13");
        assert_eq!(show_exponent(0.0, 2), "0.00e+00");
        assert_eq!(show(7e-6), "7.000e-06");
    }

    #[test]
    fn people_are_shown_four_digits() {
        for (value, text) in [
            (0.014_92, "0.01492"),
            (0.001_234_5, "0.001234"),
            (81_361.4, "81361"),
            (8.25, "8.250"),
            (-0.5, "-0.5000"),
            (0.099_999_999, "0.1000"),
            (0.000_999_96, "0.001000"),
            (9.9996, "10.00"),
            (9_999_999.7, "1.000e+07"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(show(value), text);
        }
    }

    #[test]
    fn a_duration_that_rounds_up_takes_the_next_unit() {
        for (seconds, text) in [
            (0.9996, "1.0 s"),
            (59.94, "59.9 s"),
            (59.97, "1m 00s"),
            (3599.6, "1h 00m"),
            (61_320.0, "17h 02m"),
            (90_000.0, "1d 01h"),
        ] {
            assert_eq!(show_duration(seconds), text);
        }
    }

    #[test]
    fn digits_stand_in_groups() {
        for (number, text) in [
            (0.0, "0"),
            (4096.0, "4096"),
            (100_000.0, "100\u{202f}000"),
            (7_615_616_512.0, "7\u{202f}615\u{202f}616\u{202f}512"),
            (0.25, "0.2500"),
            (1e300, "1"),
        ] {
            assert!(show_grouped(number).starts_with(text), "{number}: {}", show_grouped(number));
        }
    }

    #[test]
    fn energies_that_stand_together_have_one_unit() {
        let show = |all: &[f64]| {
            let unit = EnergyUnit::of(all.iter().copied().map(Some));
            all.iter().map(|joules| unit.show(*joules)).collect::<Vec<_>>()
        };
        assert_eq!(
            show(&[2968.0, 14_760.0, 1304.0, 0.9]),
            ["0.824 Wh", "4.100 Wh", "0.362 Wh", "< 0.001 Wh"]
        );
        assert_eq!(show(&[2e6, 2.9e9, 0.0]), ["0.6 kWh", "805.6 kWh", "0.0 kWh"]);
        assert_eq!(show(&[682.25, 3.0]), ["682.2 J", "3.0 J"]);
    }
}
