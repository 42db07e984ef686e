//! The units in which a limit may be written, by the unit of its metric.

use crate::metrics::registry::Metric;
use crate::text::units::scaled;

/// A quantity's name and its units: the spelling of each, and how many base units it is.
type Family = (&'static str, &'static [(&'static str, f64)]);

const FAMILIES: &[Family] = &[
    (
        "time",
        &[("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0)],
    ),
    ("power", &[("mW", 1e-3), ("W", 1.0), ("kW", 1e3), ("MW", 1e6)]),
    ("energy", ENERGY),
    ("memory", MEMORY),
    ("ratios", &[("%", 1e-2), ("", 1.0)]),
];

const ENERGY: &[(&str, f64)] = &[
    ("mJ", 1e-3),
    ("J", 1.0),
    ("kJ", 1e3),
    ("MJ", 1e6),
    ("GJ", 1e9),
    ("Wh", 3600.0),
    ("kWh", 3.6e6),
    ("MWh", 3.6e9),
];

const MEMORY: &[(&str, f64)] = &[
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

/// Prefixes of a count, which has no unit of its own.
const PREFIXES: &[(&str, f64)] = &[("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("B", 1e9), ("T", 1e12)];

/// A number of `unit`, in the metric's own unit; `None` if it is not a unit of the metric.
///
/// A number without a unit is in the metric's own. Rates take a prefix too: `12 k`, `12 k tokens/s`.
pub fn in_metric_unit(number: f64, unit: &str, metric: &Metric) -> Option<f64> {
    if unit.is_empty() || unit == metric.unit {
        return Some(number);
    }
    let (own, per) = split(metric.unit);
    let Some((_, units)) = family(own) else {
        let (prefix, rest) = unit.split_at(unit.chars().next()?.len_utf8());
        let factor = scale(PREFIXES, prefix)?;
        return (rest.is_empty() || rest.trim_start() == metric.unit).then_some(number * factor);
    };
    let (written, written_per) = split(unit);
    let ratio = scale(units, written)? / scale(units, own)?;
    (per == written_per).then(|| scaled(number, ratio))
}

fn scale(units: &[(&str, f64)], name: &str) -> Option<f64> {
    units.iter().find(|(known, _)| *known == name).map(|(_, scale)| *scale)
}

/// Why a text is not a unit of a metric, and the units of the metric.
pub fn explain(unit: &str, name: &str, metric: &Metric) -> (String, String) {
    let message = match (family(split(unit).0), metric.unit) {
        (Some((quantity, _)), "") => format!("'{unit}' is a unit of {quantity}; {name} is a ratio"),
        (Some((quantity, _)), own) => format!("'{unit}' is a unit of {quantity}; {name} is in {own}"),
        (None, "") => format!("'{unit}' is not a unit of {name}, which is a ratio"),
        (None, own) => format!("'{unit}' is not a unit of {name}, which is in {own}"),
    };
    let (own, per) = split(metric.unit);
    let per = per.map(|per| format!("/{per}")).unwrap_or_default();
    let known: Vec<String> = match family(own) {
        Some((_, units)) => {
            units.iter().filter(|unit| !unit.0.is_empty()).map(|unit| format!("{}{per}", unit.0)).collect()
        }
        None => ["k", "M", "G", "T", metric.unit].map(str::to_owned).to_vec(),
    };
    (message, format!("{name} takes a plain number, or one with {}", list(&known)))
}

/// Why a ratio cannot be a number, and the number that was likely meant: the percent sign is easily left
/// out. `None` for a number that a ratio can be.
pub fn explain_beyond(number: f64, unit: &str, name: &str, metric: &Metric) -> Option<(String, String)> {
    let beyond = metric.unit.is_empty() && in_metric_unit(number, unit, metric)?.abs() > 1.0;
    let (number, most) = (number.abs(), if unit == "%" { "100 %" } else { "1" });
    let help = match unit {
        "" if (2.0..=100.0).contains(&number) => format!("write {number} %, or {}", number / 100.0),
        _ => "write a share, as in 90 % or 0.9".to_owned(),
    };
    beyond.then(|| (format!("{name} is between 0 and {most}"), help))
}

/// Each kind of quantity and its units, as they are written.
pub fn families() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    FAMILIES.iter().map(|(quantity, units)| {
        (*quantity, units.iter().map(|unit| unit.0).filter(|unit| !unit.is_empty()).collect())
    })
}

fn family(unit: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|(_, units)| scale(units, unit).is_some())
}

/// `J/token` is J per token.
fn split(unit: &str) -> (&str, Option<&str>) {
    unit.split_once('/').map_or((unit, None), |(unit, per)| (unit, Some(per)))
}

/// `a, b or c`.
fn list(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::registry::METRICS;

    #[test]
    fn a_unit_is_converted_to_the_metrics_own() {
        for (metric, number, unit, value) in [
            ("al", 820.0, "ms", 0.82),
            ("al", 250.0, "µs", 0.000_25),
            ("al", 2.0, "min", 120.0),
            ("aec", 0.65, "kW", 650.0),
            ("energy_joules", 3.0, "kWh", 10.8e6),
            ("energy_joules", 5.0, "MJ", 5e6),
            ("amu", 1.0, "GiB", 1.073_741_824),
            ("amu_gib", 1.0, "GiB", 1.0),
            ("amu_gib", 512.0, "MiB", 0.5),
            ("amu", 71_200.0, "MB", 71.2),
            ("pcu", 85.0, "%", 0.85),
            ("tokens_per_sec", 12.0, "k", 12_000.0),
            ("tokens_per_sec", 1.5, "M tokens/s", 1.5e6),
            ("tokens_per_sec", 12.0, "tokens/s", 12.0),
            ("it", 3.0, "K", 3000.0),
            ("joules_per_token", 740.0, "mJ/token", 0.74),
            ("joules_per_iteration", 2.0, "kJ/iteration", 2000.0),
            ("joules_per_token", 0.74, "", 0.74),
        ] {
            let metric = Metric::named(metric).unwrap();
            assert_eq!(
                in_metric_unit(number, unit, metric),
                Some(value),
                "{number} {unit} of {}",
                metric.name
            );
        }
    }

    #[test]
    fn a_unit_of_something_else_is_none() {
        for (metric, unit) in [
            ("al", "W"),
            ("al", "M"), // a million seconds is nobody's limit; a typing error for ms is
            ("al", "m"),
            ("al", "%"),
            ("aec", "Wh"),
            ("energy_joules", "W"),
            ("amu", "G"),
            ("pcu", "k"),
            ("tokens_per_sec", "ms"),
            ("tokens_per_sec", "k samples/s"),
            ("joules_per_token", "mJ"),
            ("joules_per_token", "J/iteration"),
            ("tokens_per_sec", "é"),
        ] {
            let metric = Metric::named(metric).unwrap();
            assert_eq!(in_metric_unit(1.0, unit, metric), None, "{unit} of {}", metric.name);
        }
    }

    #[test]
    fn every_metric_is_known_to_be_of_a_family_or_a_count() {
        for metric in METRICS {
            let (own, _) = split(metric.unit);
            assert!(family(own).is_some() || ["tokens", "samples"].contains(&own), "{}", metric.unit);
        }
    }
}
