//! Values of a report in words: a metric with its unit, a model size with its source, the GPUs.

use serde::Serialize;

use crate::metrics::registry::{METRICS, Metric, Show};
use crate::metrics::window::Basis;
use crate::report::{PhaseKind, Report, Sourced};
use crate::text::units::{EnergyUnit, or_dash, show, show_exponent, show_grouped};

/// The reason of a report without one.
pub const NO_REASON: &str = "no reason was recorded";

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

/// The metrics that are known over the headline window or the whole run, with both values.
pub fn known_metrics(report: &Report) -> impl Iterator<Item = (&'static Metric, [Option<f64>; 2])> {
    let values = |metric| [report.metrics.get(metric), report.metrics_whole_run.get(metric)];
    let metrics = METRICS.iter().map(move |metric| (metric, values(metric)));
    metrics.filter(|(_, values)| values.iter().any(Option::is_some))
}

/// The metrics of a kind that are null over both, by their reason.
pub fn null_metrics(report: &Report, is_of_kind: fn(&Metric) -> bool) -> Vec<(&str, Vec<&'static Metric>)> {
    let mut by_reason: Vec<(&str, Vec<&Metric>)> = Vec::new();
    let is_null = |metric: &&Metric| {
        report.metrics.get(metric).or(report.metrics_whole_run.get(metric)).is_none() && is_of_kind(metric)
    };
    for metric in METRICS.iter().filter(is_null) {
        let why = report.unavailable.get(metric.name).map_or(NO_REASON, String::as_str);
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
            Some((_, metrics)) => metrics.push(metric),
            None => by_reason.push((why, vec![metric])),
        }
    }
    by_reason
}

/// When the run started, to the second.
pub fn started(report: &Report) -> Option<String> {
    let started = report.command.started_at.as_ref()?;
    let to_the_second = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    Some(started.parse().map(to_the_second).unwrap_or_else(|_| started.clone()))
}

/// A model size with where it came from.
pub fn sourced(sourced: &Sourced) -> String {
    with_source(sourced.value.map(show_grouped), sourced.source.as_deref())
}

/// `megatron (--profile)`, or a dash.
pub fn with_source(value: Option<String>, source: Option<&str>) -> String {
    or_dash(value, |value| match source {
        Some(source) => format!("{value} ({source})"),
        None => value,
    })
}

/// The name of a variant in the report's JSON.
pub fn name_of(variant: &impl Serialize) -> String {
    serde_json::to_value(variant).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
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
