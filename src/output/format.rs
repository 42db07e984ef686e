//! How documents word things: numbers with their units, how a run ended.

use crate::metrics::registry::{METRICS, Metric, Show};
use crate::metrics::window::Basis;
use crate::report::{Exit, PhaseKind, Report, Sourced};
use crate::text::units::{show, show_duration, show_exponent};

/// A number in the form that its metric asks for.
pub fn number(form: Show, value: f64) -> String {
    match form {
        Show::Fixed(decimals) => format!("{value:.decimals$}"),
        Show::Digits => show(value),
        Show::Exponent(decimals) => show_exponent(value, decimals),
        Show::Percent(decimals) => format!("{:.decimals$} %", 100.0 * value),
        Show::Energy => EnergyUnit::of([Some(value)]).show(Some(value)),
    }
}

/// The unit of a metric as a table shows it; of an energy that which suits the largest of these values.
pub fn unit(metric: &Metric, values: &[Option<f64>]) -> String {
    let unit = match metric.show {
        Show::Energy => EnergyUnit::of(values.iter().copied()).name,
        _ if metric.unit.is_empty() => "ratio",
        _ => metric.unit,
    };
    if metric.per_gpu { format!("{unit} per GPU") } else { unit.to_owned() }
}

/// Values of one metric without their unit, which is that of [`unit`].
pub fn numbers(metric: &Metric, values: &[Option<f64>]) -> Vec<String> {
    let energy = EnergyUnit::of(values.iter().copied());
    let shown = |value: f64| match metric.show {
        Show::Energy => energy.number(value),
        form => number(form, value),
    };
    values.iter().map(|value| value.map_or_else(dash, shown)).collect()
}

/// Why nothing is known of a kind of quantity: the reason of the first null metric that rests on it alone.
pub fn why_unknown(report: &Report, kind: fn(Basis) -> bool) -> &str {
    let mut metrics = METRICS.iter().filter(|metric| metric.is_based_on(kind));
    metrics.find_map(|metric| report.unavailable.get(metric.name)).map_or("", String::as_str)
}

/// A value, or a dash.
pub fn value(value: Option<f64>) -> String {
    value.map_or_else(dash, show)
}

pub fn duration(seconds: Option<f64>) -> String {
    seconds.map_or_else(dash, show_duration)
}

/// The unit in which energies that stand together are written, so that they can be compared at a
/// glance: that of the largest, which has four digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnergyUnit {
    joules: f64,
    name: &'static str,
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

    /// With its unit; what is too little for the digits of the largest is told to be that.
    pub fn show(&self, joules: Option<f64>) -> String {
        joules.map_or_else(dash, |joules| format!("{} {}", self.number(joules), self.name))
    }

    /// Without its unit.
    fn number(&self, joules: f64) -> String {
        let decimals = self.decimals;
        let least = 10f64.powi(-(decimals as i32));
        match joules / self.joules {
            little if little > 0.0 && little < least / 2.0 => format!("< {least}"),
            value => format!("{value:.decimals$}"),
        }
    }
}

/// A short time, as finely as it is known: `0.140 ms`, `1.231 s`; a long one as a duration.
pub fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => dash(),
        Some(s) if s < 0.5 => format!("{} ms", show(1e3 * s)),
        Some(s) if s < 60.0 => format!("{} s", show(s)),
        Some(s) => show_duration(s),
    }
}

pub fn bytes(bytes: Option<f64>) -> String {
    match bytes {
        None => dash(),
        Some(bytes) if bytes < 1e9 => format!("{:.0} MB", bytes / 1e6),
        Some(bytes) => format!("{:.1} GB", bytes / 1e9),
    }
}

pub fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(dash, |ratio| format!("{:.0} %", 100.0 * ratio))
}

pub fn dash() -> String {
    "–".to_owned()
}

/// `1 iteration`, `15 iterations`.
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(n as f64)) }
}

/// A number; a whole one with its digits in groups of three: `100 000`.
pub fn grouped(number: f64) -> String {
    if number.fract() != 0.0 || !(1e4..1e15).contains(&number) {
        return if number.fract() == 0.0 { format!("{number}") } else { show(number) };
    }
    let digits = format!("{number:.0}");
    let group = |(i, digit): (usize, char)| {
        let space = i > 0 && (digits.len() - i).is_multiple_of(3);
        space.then_some('\u{202f}').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

/// When the run started, to the second.
pub fn started(report: &Report) -> Option<String> {
    let started = report.command.started_at.as_ref()?;
    let to_the_second = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    Some(started.parse().map(to_the_second).unwrap_or_else(|_| started.clone()))
}

/// A model size with where it came from.
pub fn sourced(sourced: &Sourced) -> String {
    match (sourced.value, &sourced.source) {
        (Some(value), Some(source)) => format!("{} ({source})", grouped(value)),
        (known, _) => known.map_or_else(dash, grouped),
    }
}

/// Where a metric came from, or why it is null.
pub fn origin<'a>(report: &'a Report, name: &str) -> &'a str {
    let why = report.unavailable.get(name).or(report.provenance.get(name));
    why.map_or("", String::as_str)
}

pub fn command(report: &Report) -> String {
    report.command.argv.join(" ")
}

/// How the run ended.
pub fn ending(report: &Report) -> String {
    match &report.command.exit {
        Some(Exit::Code(code)) => format!("exit {code}"),
        Some(Exit::Signal(signal)) => format!("killed by {signal}"),
        None if report.command.started_at.is_some() => "still running".to_owned(),
        None => "read from a log".to_owned(),
    }
}

/// `8 × NVIDIA H100 80GB HBM3`, or nothing.
pub fn gpus(report: &Report) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for gpu in &report.gpus {
        let name = gpu.name.as_deref().unwrap_or("GPU");
        match kinds.iter_mut().find(|kind| kind.0 == name) {
            Some(kind) => kind.1 += 1,
            None => kinds.push((name, 1)),
        }
    }
    kinds.iter().map(|(name, n)| format!("{n} × {name}")).collect::<Vec<_>>().join(", ")
}

pub fn phase(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Startup => "start-up",
        PhaseKind::Warmup => "warm-up",
        PhaseKind::Train => "training",
        PhaseKind::Pause => "evaluation, checkpoints",
        PhaseKind::Gap => "gaps",
        PhaseKind::Generate => "generation",
        PhaseKind::Suspended => "suspended",
        PhaseKind::After => "after the last iteration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(grouped(number).starts_with(text), "{number}: {}", grouped(number));
        }
    }

    #[test]
    fn energies_that_stand_together_have_one_unit() {
        let show = |all: &[f64]| {
            let unit = EnergyUnit::of(all.iter().copied().map(Some));
            all.iter().map(|joules| unit.show(Some(*joules))).collect::<Vec<_>>()
        };
        assert_eq!(
            show(&[2968.0, 14_760.0, 1304.0, 0.9]),
            ["0.824 Wh", "4.100 Wh", "0.362 Wh", "< 0.001 Wh"]
        );
        assert_eq!(show(&[2e6, 2.9e9, 0.0]), ["0.6 kWh", "805.6 kWh", "0.0 kWh"]);
        assert_eq!(show(&[682.25, 3.0]), ["682.2 J", "3.0 J"]);
        assert_eq!(EnergyUnit::of([None]).show(None), "–");
    }
}
