//! The iterations of a run: their times one by one and as a distribution, and the loss.

use std::ops::Range;

use maud::{Markup, html};

use super::chart::{Chart, HALF, Ink, Shape, Xy};
use super::series::{FEW, pairs, quantile, scaled, thinned};
use super::time_axis::TimeUnit;
use super::{figure, missing, section};
use crate::metrics::window::Basis;
use crate::output::format;
use crate::report::{Latency, LatencyBin, Report};
use crate::text::units::{or_dash, show, show_count, show_duration, show_grouped, show_time};

pub fn iterations(report: &Report) -> Markup {
    let iterations = &report.iterations;
    if iterations.count == 0 {
        let why = html! { p.note { "No iterations: " (why_no_times(report)) } };
        return section("Iterations", "", &why);
    }
    let series = &report.series.iterations;
    let records: Vec<Option<f64>> = (1..=series.iteration.len()).map(|n| Some(n as f64)).collect();
    let numbered = series.iteration.iter().any(Option::is_some);
    let (x, x_name) = if numbered { (&series.iteration, "iteration") } else { (&records, "record") };
    let times = time_of_iterations(pairs(x, &series.latency_seconds), x_name, series.records_per_point);
    let content = html! {
        div.pair { (times) (histogram(report)) (loss(report, &pairs(x, &series.loss), x_name)) (percentiles(report)) }
    };
    section("Iterations", &range_of(report), &content)
}

fn why_no_times(report: &Report) -> &str {
    format::why_unknown(report, |basis| basis == Basis::IterationTime)
}

fn range_of(report: &Report) -> String {
    let iterations = &report.iterations;
    let grouped = |n: u64| show_grouped(n as f64);
    let of_total = iterations.total.map(|total| format!(" of {}", grouped(total))).unwrap_or_default();
    match (iterations.first, iterations.last) {
        (Some(first), Some(last)) => format!("{} to {}{of_total}", grouped(first), grouped(last)),
        _ => show_count(iterations.count, "iteration"),
    }
}

/// The end of an axis of times on which a few that are far longer than most are cut off.
fn axis_end(most: Option<f64>, longest: f64) -> f64 {
    let end = most.map(|most| 1.6 * most);
    end.filter(|end| *end > 0.0 && 2.0 * end < longest).unwrap_or(longest)
}

fn time_of_iterations(points: Vec<Xy>, x_name: &str, each: u64) -> Markup {
    if points.is_empty() {
        return figure("Iteration time", "", "", &missing("no record has a time"));
    }
    let longest = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let end = axis_end(quantile(points.iter().map(|point| point.1), 0.9), longest);
    let unit = TimeUnit::of(end);
    let cut = points.iter().filter(|point| point.1 > end).count();
    let points = scaled(points, 1.0, unit.seconds);
    let chart = Chart {
        size: HALF,
        title: "Iteration time over the iterations",
        description: format!("The longest is {}.", show_time(longest)),
        x: extent(&points),
        y: 0.0..1.08 * end / unit.seconds,
        shapes: if points.len() <= FEW {
            line(&points, "blue")
        } else {
            // One slow iteration has no line to its neighbours: many of them would fill the chart.
            vec![("blue", Shape::Dots(thinned(points), 1.5))]
        },
    };
    let content = html! {
        (chart.draw())
        @if cut > 0 { p.note { (show_count(cut as u64, "point")) " beyond the top; the longest is " (show_time(longest)) ". " } }
        @if each > 1 { p.note { "Each point is the longest of " (each) " records." } }
    };
    figure("Iteration time", unit.name, x_name, &content)
}

fn loss(report: &Report, points: &[Xy], x_name: &str) -> Markup {
    let no_number = format::origin(report, "iterations.loss_last");
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        let why = if no_number.is_empty() { "the log states no loss" } else { no_number };
        return figure("Loss", "", "", &missing(why));
    };
    let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.1).fold(1e-6, f64::max);
    let chart = Chart {
        size: HALF,
        title: "Loss over the iterations",
        description: format!("From {} to {}; the lowest is {}.", show(first.1), show(last.1), show(low)),
        x: extent(points),
        y: low.min(0.0)..1.08 * high,
        shapes: line(points, "plum"),
    };
    let last = format!("last {}", or_dash(report.iterations.loss_last, show));
    let content = html! {
        (chart.draw())
        @if !no_number.is_empty() { p.note { (no_number) } }
    };
    figure("Loss", &last, x_name, &content)
}

/// A line; of few points each is shown.
fn line(points: &[Xy], ink: Ink) -> Vec<(Ink, Shape)> {
    let dots = if points.len() <= FEW { points.to_vec() } else { Vec::new() };
    vec![(ink, Shape::Line(thinned(points.to_vec()))), (ink, Shape::Dots(dots, 3.0))]
}

/// From the leftmost to the rightmost of some points.
pub fn extent(points: &[Xy]) -> Range<f64> {
    let x = || points.iter().map(|point| point.0);
    x().fold(f64::INFINITY, f64::min)..x().fold(f64::NEG_INFINITY, f64::max)
}

fn histogram(report: &Report) -> Markup {
    let bins = bins(report);
    let latency = &report.iterations.latency_seconds;
    let (Some(shortest), Some(longest)) = (bins.first(), bins.last()) else {
        return figure("Distribution", "", "", &missing(why_no_times(report)));
    };
    // Room for the shape of the rest, where that is narrower still.
    let shape = latency.p99.map(|p99| p99 + 0.6 * (p99 - shortest.from_seconds));
    let shape = shape.filter(|end| *end > shortest.to_seconds).unwrap_or(longest.to_seconds);
    let end = axis_end(latency.p95, longest.to_seconds).min(shape);
    let (shown, beyond): (Vec<_>, Vec<_>) = bins.iter().partition(|bin| bin.to_seconds <= end);
    let beyond = iterations_in(beyond);
    let unit = TimeUnit::of(end);
    let (width, bars) = bars(&shown);
    let edge = |bar: f64| bar * width / unit.seconds;
    let [first, last] = [bars.first(), bars.last()].map(|bar| bar.map_or(0.0, |bar| bar.0));
    let highest = bars.iter().map(|bar| bar.1).max().unwrap_or(0);
    let bar = |(bar, n): &(f64, u64)| (edge(*bar)..edge(bar + 1.0), *n as f64);
    let chart = Chart {
        size: HALF,
        title: "Distribution of the iteration times",
        description: format!(
            "Half of {} took no longer than {}, 99 % no longer than {}.",
            show_count(iterations_in(&bins), "iteration"),
            or_dash(latency.p50, show_time),
            or_dash(latency.p99, show_time)
        ),
        x: edge(first - 1.0).max(0.0)..edge(last + 2.0),
        y: 0.0..1.08 * highest as f64,
        shapes: std::iter::once(("blue", Shape::Bars(bars.iter().map(bar).collect())))
            .chain(percentile_marks(latency, end, unit.seconds))
            .collect(),
    };
    let content = html! {
        (chart.draw())
        @if beyond > 0 {
            p.note {
                (show_count(beyond, "iteration")) " took longer than the axis, up to " (or_dash(latency.max, show_time)) "."
            }
        }
    };
    figure("Distribution", "iterations", &format!("iteration time, {}", unit.name), &content)
}

/// The percentiles on an axis that ends somewhere; those that are the same share a mark.
fn percentile_marks(latency: &Latency, end: f64, unit: f64) -> Vec<(Ink, Shape)> {
    let mut marks: Vec<(String, f64)> = Vec::new();
    for (name, at) in [("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99)] {
        let Some(at) = at.filter(|at| *at <= end) else { continue };
        match marks.last_mut().filter(|mark| mark.1 == at) {
            Some(mark) => mark.0 = format!("{}, {name}", mark.0),
            None => marks.push((name.to_owned(), at)),
        }
    }
    marks.into_iter().map(|(name, at)| ("quiet", Shape::Mark(at / unit, name))).collect()
}

/// The bars of a histogram: their width in seconds; and their places, counted in widths, with the iterations
/// in each. A bar is as wide as several bins, so that each bin lies in one of them whole, and each can hold
/// as many of the times that the log can print.
fn bars(bins: &[&LatencyBin]) -> (f64, Vec<(f64, u64)>) {
    let finest = bins.iter().map(|bin| bin.to_seconds - bin.from_seconds).fold(1e-9, f64::max);
    let [from, to] = [bins.first().map(|bin| bin.from_seconds), bins.last().map(|bin| bin.to_seconds)];
    let total = iterations_in(bins.iter().copied()) as f64;
    let wish = (to.unwrap_or(0.0) - from.unwrap_or(0.0)) / total.sqrt().clamp(8.0, 48.0);
    let width = finest * (wish / finest).ceil().max(1.0);
    let mut bars: Vec<(f64, u64)> = Vec::new();
    for bin in bins {
        let at = ((bin.from_seconds + bin.to_seconds) / 2.0 / width).floor();
        match bars.last_mut() {
            Some(bar) if bar.0 == at => bar.1 = bar.1.saturating_add(bin.iterations),
            _ => bars.push((at, bin.iterations)),
        }
    }
    (width, bars)
}

/// The bins of the histogram that have a place on an axis.
pub fn bins(report: &Report) -> Vec<LatencyBin> {
    let has_place = |bin: &&LatencyBin| 0.0 <= bin.from_seconds && bin.from_seconds < bin.to_seconds;
    let bins = report.iterations.latency_histogram.iter().filter(has_place);
    bins.filter(|bin| bin.to_seconds < 1e12).copied().collect()
}

pub fn iterations_in<'a>(bins: impl IntoIterator<Item = &'a LatencyBin>) -> u64 {
    bins.into_iter().fold(0, |sum, bin| sum.saturating_add(bin.iterations))
}

fn percentiles(report: &Report) -> Markup {
    let latency = &report.iterations.latency_seconds;
    let rows = [
        ("Mean", or_dash(latency.mean, show_time)),
        ("Median", or_dash(latency.p50, show_time)),
        ("95th percentile", or_dash(latency.p95, show_time)),
        ("99th percentile", or_dash(latency.p99, show_time)),
        ("Longest", or_dash(latency.max, show_time)),
        ("Sum", or_dash(report.iterations.seconds, show_duration)),
    ];
    let content = html! {
        table {
            tbody { @for (name, time) in rows { tr { th scope="row" { (name) } td.number { (time) } } } }
        }
    };
    figure("Percentiles", "of the iteration times", "", &content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Distribution;
    use proptest::prelude::*;

    proptest! {
        /// Times that are printed with so many digits, each as often as any other: so are the bars.
        #[test]
        fn even_times_on_any_decimal_grid_make_even_bars(
            step in prop::sample::select(vec![1u64, 10, 100, 1000, 10_000, 100_000]),
            first in 100u64..20_000,
            values in 30u64..2000,
            times in 1u64..20,
        ) {
            // The first and the last may be filled in part.
            let mut latencies = Distribution::default();
            (first..first + values).for_each(|value| latencies.add(times, (value * step) as f64 / 1e6));
            let bins = latencies.bins(256);
            let (width, bars) = bars(&bins.iter().collect::<Vec<_>>());
            let steps = width * 1e6 / step as f64;
            prop_assert!((steps - steps.round()).abs() < 1e-6, "{steps} steps wide");
            let whole = (steps * times as f64).round() as u64;
            for (bar, iterations) in bars.iter().skip(1).rev().skip(1) {
                prop_assert_eq!(*iterations, whole, "bar {} of {} steps", bar, steps);
            }
        }
    }
}
