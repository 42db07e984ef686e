//! Values of a report in words: a metric with its unit, a model size with its source, the GPUs.

use crate::metrics::registry::{METRICS, Metric, Show};
use crate::metrics::window::Basis;
use crate::report::{PhaseKind, Report, Sourced};
use crate::text::units::{EnergyUnit, or_dash, show, show_exponent, show_grouped};

/// A number in the form that its metric asks for.
pub fn number(form: Show, value: f64) -> String {
    match form {
        Show::Fixed(decimals) => format!("{value:.decimals$}"),
        Show::Digits => show(value),
        Show::Exponent(decimals) => show_exponent(value, decimals),
        Show::Percent(decimals) => format!("{:.decimals$} %", 100.0 * value),
        Show::Energy => EnergyUnit::of([Some(value)]).show(value),
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

/// Values of one metric without their unit, which is that of [`unit()`].
pub fn numbers(metric: &Metric, values: &[Option<f64>]) -> Vec<String> {
    let energy = EnergyUnit::of(values.iter().copied());
    let shown = |value: f64| match metric.show {
        Show::Energy => energy.number(value),
        form => number(form, value),
    };
    values.iter().map(|value| or_dash(*value, shown)).collect()
}

/// Why nothing is known of a kind of quantity: the reason of the first null metric that rests on it alone.
pub fn why_unknown(report: &Report, kind: fn(Basis) -> bool) -> &str {
    let mut metrics = METRICS.iter().filter(|metric| metric.is_based_on(kind));
    metrics.find_map(|metric| report.unavailable.get(metric.name)).map_or("", String::as_str)
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
        (Some(value), Some(source)) => format!("{} ({source})", show_grouped(value)),
        (known, _) => or_dash(known, show_grouped),
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

/// How the command ended, or that there was none.
pub fn ending(report: &Report) -> String {
    let without_command = match report.command.started_at {
        Some(_) => "not started by effllm",
        None => "parsed from a log",
    };
    report.ending().unwrap_or_else(|| without_command.to_owned())
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
