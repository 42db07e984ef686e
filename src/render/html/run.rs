//! The page of one run.

use std::ops::Range;

use maud::{Markup, html};

use crate::model::Report;
use crate::model::metric::{METRICS, Metrics};
use crate::model::report::{EnergySource, Gpu, GpuSeries, LatencyBin, MeanMax, PhaseName, Window};
use crate::model::units::{show, show_energy};
use crate::render::{AEC, AL, AMU, IT, PCU, ST, TT};

use super::chart::{Chart, Ink, Shape, Width, sparkline};
use super::series::{Quantity, Spread, gaps, pairs, quantile, spread, thinned};
use super::{defined, ending};
use crate::render::words::{self, count, duration, energy, percent, time, value};

pub fn body(report: &Report) -> Markup {
    html! {
        (header(report))
        (headline(report))
        (over_time(report))
        (each_gpu(report))
        (iterations(report))
        (energy_by_phase(report))
        (all_metrics(report))
        (environment(report))
    }
}

fn header(report: &Report) -> Markup {
    let facts = [
        report.command.wall_seconds.map(|_| duration(report.command.wall_seconds)),
        (report.iterations.count > 0).then(|| count(report.iterations.count, "iteration")),
        Some(words::gpus(report)).filter(|gpus| !gpus.is_empty()),
        report.job.host.clone(),
        words::started(report),
    ];
    html! {
        header {
            h1.command { (words::command(report)) }
            p.facts {
                (ending(report))
                @for fact in facts.iter().flatten() { span { (fact) } }
            }
        }
        @if !report.warnings.is_empty() {
            section.warnings aria-label="Warnings" {
                @for warning in &report.warnings { p { strong { "Warning" } " " (warning) } }
            }
        }
    }
}

fn headline(report: &Report) -> Markup {
    let counted = count(report.iterations.count, "iteration");
    let window = match (report.window, report.iterations.warmup) {
        (Window::Run, _) => "over the whole run".to_owned(),
        (Window::Train, 0) => format!("over {counted} of training"),
        (Window::Train, n) => format!("over {counted} of training, without {n} of warm-up"),
    };
    html! {
        section {
            h2 { "Metrics" small { (window) } }
            dl.tiles {
                @for headline in [AMU, PCU, AL, TT, ST, IT, AEC] {
                    @let show = |metrics: &Metrics| (headline.value)(metrics).map(|value| headline.show(value));
                    (tile(report, headline.label, headline.name, headline.unit, show))
                }
                (tile(report, "Energy", "energy_joules", "", |metrics| metrics.energy_joules.map(show_energy)))
            }
        }
    }
}

fn tile(
    report: &Report,
    label: &str,
    name: &str,
    unit: &str,
    show: impl Fn(&Metrics) -> Option<String>,
) -> Markup {
    let definition = METRICS.iter().find(|metric| metric.name == name).map_or("", |metric| metric.definition);
    let long = definition.split_once(": ").map_or("of the measured GPUs", |(long, _)| long);
    let shown = show(&report.metrics);
    let (number, unit) = match shown.as_deref() {
        Some(text) if unit.is_empty() => text.rsplit_once(' ').unwrap_or((text, "")),
        Some(text) => (text, unit),
        None => ("–", ""),
    };
    let latency = &report.iterations.latency_seconds;
    let beside = match (name, show(&report.metrics_whole_run)) {
        _ if shown.is_none() => None,
        ("al_seconds", _) => Some(format!("p50 {} · p99 {}", time(latency.p50), time(latency.p99))),
        (_, Some(whole)) if report.window == Window::Train => Some(format!("whole run {whole}")),
        _ => None,
    };
    html! {
        div.tile.none[shown.is_none()] {
            dt { (defined(label, definition)) " " small { (long) } }
            dd {
                p.figure { (number) @if !unit.is_empty() { " " span.unit { (unit) } } }
                @if let Some(beside) = beside { p.beside { (beside) } }
                p.origin { (words::origin(report, name)) }
            }
        }
    }
}

/// Seconds in a unit in which a run of some length is easily read.
#[derive(Clone, Copy)]
pub struct TimeUnit {
    pub seconds: f64,
    pub name: &'static str,
}

impl TimeUnit {
    pub fn of(length: f64) -> Self {
        let (seconds, name) = match length {
            s if s < 0.5 => (1e-3, "ms"),
            s if s < 180.0 => (1.0, "s"),
            s if s < 3.0 * 3600.0 => (60.0, "min"),
            s if s < 3.0 * 86400.0 => (3600.0, "h"),
            _ => (86400.0, "d"),
        };
        Self { seconds, name }
    }
}

/// The time that the charts over time span, and what is marked in all of them.
struct Timeline {
    unit: TimeUnit,
    x: Range<f64>,
    shapes: Vec<Shape>,
    has_gaps: bool,
}

impl Timeline {
    fn new(report: &Report) -> Self {
        let ends = report.series.gpus.iter().filter_map(|gpu| gpu.seconds.last().copied());
        let length = report.command.wall_seconds.unwrap_or_else(|| ends.fold(0.0, f64::max)).clamp(0.0, 1e12);
        let unit = TimeUnit::of(length.max(1.0));
        let shade = |from: f64, to: f64, ink, opacity| {
            let x = (from.clamp(0.0, length) / unit.seconds)..(to.clamp(0.0, length) / unit.seconds);
            Shape::Shade { x, ink, opacity }
        };
        let outside = report.phases.iter().filter(|phase| phase.name != PhaseName::Training);
        let mut shapes: Vec<Shape> =
            outside.map(|phase| shade(phase.from_seconds, phase.to_seconds, Ink::SHADE, 0.16)).collect();
        let gaps = gaps(&report.series.gpus, 0.0..length);
        shapes.extend(gaps.iter().map(|gap| shade(gap.start, gap.end, Ink::GAP, 0.16)));
        shapes.extend(marks(report).into_iter().map(|(at, name)| Shape::Mark { x: at / unit.seconds, name }));
        Self { unit, x: 0.0..length / unit.seconds, shapes, has_gaps: !gaps.is_empty() }
    }

    fn legend(&self, report: &Report) -> Markup {
        let has = |name| report.phases.iter().any(|phase| phase.name == name);
        html! {
            p.legend {
                @if report.gpus.len() > 1 {
                    span { i.line {} "mean of the GPUs" }
                    span { i.band {} "lowest to highest" }
                }
                @if has(PhaseName::Startup) || has(PhaseName::After) {
                    span { i.shade {} "before and after training" }
                }
                @if self.has_gaps { span { i.gap {} "nothing was sampled" } }
                @if self.shapes.iter().any(|shape| matches!(shape, Shape::Mark { .. })) {
                    span { i.mark {} "end of an iteration" }
                }
            }
        }
    }
}

/// Some five moments at which iterations with round numbers ended.
fn marks(report: &Report) -> Vec<(f64, String)> {
    let series = &report.series.iterations;
    let ended = pairs(&series.seconds, &series.iteration);
    let (Some(first), Some(last)) = (ended.first(), ended.last()) else { return Vec::new() };
    let rough = (last.1 - first.1).abs().max(1.0) / 5.0;
    let power = 10f64.powf(rough.log10().floor()).max(1.0);
    let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(power);
    let mut marks = Vec::new();
    for pair in ended.windows(2) {
        if let [before, after] = pair
            && (before.1 / step).floor() < (after.1 / step).floor()
        {
            let n = (after.1 / step).floor() * step;
            // The records may be too few for each round number to have one.
            let at = before.0 + (after.0 - before.0) * (n - before.1) / (after.1 - before.1);
            marks.push((at, format!("it {}", words::grouped(n))));
        }
    }
    marks
}

/// A quantity of the GPUs as it is shown: in a unit, with its colour.
struct Shown {
    name: &'static str,
    unit: &'static str,
    ink: Ink,
    scale: f64,
    decimals: usize,
    series: Quantity,
    mean_max: fn(&Gpu) -> MeanMax,
    /// Its name in `unavailable` of a GPU.
    key: &'static str,
}

const SHOWN: [Shown; 3] = [
    Shown {
        name: "Power",
        unit: "W",
        ink: Ink::RUST,
        scale: 1.0,
        decimals: 0,
        series: |gpu| &gpu.power_watts,
        mean_max: |gpu| gpu.power_watts,
        key: "power_watts",
    },
    Shown {
        name: "Utilisation",
        unit: "%",
        ink: Ink::GREEN,
        scale: 100.0,
        decimals: 1,
        series: |gpu| &gpu.utilization_ratio,
        mean_max: |gpu| gpu.utilization_ratio,
        key: "utilization_ratio",
    },
    Shown {
        name: "Memory",
        unit: "GB",
        ink: Ink::BLUE,
        scale: 1e-9,
        decimals: 1,
        series: |gpu| &gpu.memory_used_bytes,
        mean_max: |gpu| gpu.memory_used_bytes,
        key: "memory_used_bytes",
    },
];

impl Shown {
    /// From zero to a little more than the highest reading.
    fn y(&self, gpus: &[GpuSeries]) -> Range<f64> {
        let readings = gpus.iter().flat_map(|gpu| (self.series)(gpu)).flatten().copied();
        let highest = readings.filter(|value| value.abs() < 1e15).fold(0.0, f64::max);
        0.0..(1.06 * highest * self.scale).max(1e-3)
    }

    fn shapes(&self, gpus: &[GpuSeries], unit: TimeUnit, most: usize) -> Vec<Shape> {
        let stretches = spread(gpus, self.series, most);
        stretches.iter().flat_map(|stretch| self.stretch(stretch, unit)).collect()
    }

    fn stretch(&self, stretch: &[Spread], unit: TimeUnit) -> Vec<Shape> {
        let line = |value: fn(&Spread) -> f64| {
            stretch
                .iter()
                .map(|point| (point.at / unit.seconds, value(point) * self.scale))
                .collect::<Vec<_>>()
        };
        vec![
            Shape::Band { upper: line(|point| point.high), lower: line(|point| point.low), ink: self.ink },
            Shape::Line { points: line(|point| point.mean), ink: self.ink },
        ]
    }

    fn show(&self, value: Option<f64>) -> String {
        let show = |value: f64| format!("{:.*} {}", self.decimals, value * self.scale, self.unit);
        value.map_or_else(words::dash, show)
    }
}

/// How many readings a point of a GPU's series stands for.
fn readings_a_point(report: &Report) -> Option<u64> {
    let merged = report.gpus.iter().zip(&report.series.gpus);
    merged.filter_map(|(gpu, series)| gpu.samples.checked_div(series.seconds.len() as u64)).max()
}

fn over_time(report: &Report) -> Markup {
    let gpus = &report.series.gpus;
    if report.gpus.is_empty() {
        return html! {
            section {
                h2 { "GPUs" }
                p.note { "No GPU figures: " (words::origin(report, "aec_watts")) }
            }
        };
    }
    let timeline = Timeline::new(report);
    html! {
        section {
            h2 { "GPUs over time" small { (words::gpus(report)) } }
            (timeline.legend(report))
            @for (i, shown) in SHOWN.iter().enumerate() {
                figure {
                    figcaption { b { (shown.name) } " " (shown.unit) span { (timeline.unit.name) " since the start" } }
                    (in_time(report, &timeline, shown, i == 0))
                }
            }
            @if let Some(n) = readings_a_point(report).filter(|n| *n > 1) {
                p.note {
                    "The plots keep peaks: each point is the highest of about " (n) " readings of a GPU. "
                    "The averages in the tables are over all of them."
                }
            }
        }
        @if gpus.iter().all(|gpu| gpu.seconds.is_empty()) { p.note { "No reading was kept for a plot." } }
    }
}

/// One quantity over time. The marks have names in the first chart only: the others stand below it.
fn in_time(report: &Report, timeline: &Timeline, shown: &Shown, named: bool) -> Markup {
    let gpus = &report.series.gpus;
    let lines = shown.shapes(gpus, timeline.unit, 360);
    if lines.is_empty() {
        let why = report.gpus.iter().find_map(|gpu| gpu.unavailable.get(shown.key));
        return html! { p.note { "– " (why.map_or("no readings", String::as_str)) } };
    }
    let means = report.gpus.iter().map(|gpu| (shown.mean_max)(gpu));
    let highest = means.filter_map(|gpu| gpu.max).reduce(f64::max);
    let chart = Chart {
        width: Width::Full,
        title: shown.name,
        description: format!("{} of the GPUs over time; the highest is {}.", shown.name, shown.show(highest)),
        x: timeline.x.clone(),
        y: shown.y(gpus),
        shapes: timeline.shapes.iter().map(|shape| shape.named(named)).chain(lines).collect(),
    };
    chart.draw()
}

/// A row for each GPU: small charts of equal scale, and figures.
fn each_gpu(report: &Report) -> Markup {
    if report.gpus.is_empty() {
        return html! {};
    }
    let timeline = Timeline::new(report);
    html! {
        section {
            h2 { "Each GPU" small { "over the whole run; the small charts share their scales" } }
            div.gpus {
                @for gpu in &report.gpus { (gpu_row(report, &timeline, gpu)) }
            }
        }
    }
}

fn gpu_row(report: &Report, timeline: &Timeline, gpu: &Gpu) -> Markup {
    let all = &report.series.gpus;
    let own: Vec<GpuSeries> = all.iter().filter(|series| series.index == gpu.index).cloned().collect();
    let source = match gpu.energy_source {
        Some(EnergySource::Counter) => "energy counter",
        Some(EnergySource::Power) => "integral of power",
        None => "not measured",
    };
    html! {
        article.gpu {
            div.id {
                h3 { "GPU " (gpu.index) }
                p { (gpu.name.as_deref().unwrap_or("–")) }
            }
            @for shown in &SHOWN {
                @let figures = (shown.mean_max)(gpu);
                div {
                    p.label { (shown.name) }
                    p { b { (shown.show(figures.mean)) } " " span { "max " (shown.show(figures.max)) } }
                    @match gpu.unavailable.get(shown.key) {
                        Some(why) if figures.mean.is_none() => p.note { (why) },
                        _ => (sparkline(shown.name, &timeline.x, &shown.y(all), &shown.shapes(&own, timeline.unit, 120))),
                    }
                }
            }
            dl {
                dt { "Energy" } dd title=(source) { (energy(gpu.energy_joules)) }
                dt { "Hottest" } dd { (gpu.temperature_celsius.max.map_or_else(words::dash, |t| format!("{t:.0} °C"))) }
                dt { "Covered" } dd { (percent(gpu.coverage_ratio)) }
            }
        }
    }
}

fn iterations(report: &Report) -> Markup {
    let iterations = &report.iterations;
    if iterations.count == 0 {
        return html! {
            section {
                h2 { "Iterations" }
                p.note { "None: " (words::origin(report, "al_seconds")) }
            }
        };
    }
    let series = &report.series.iterations;
    let records: Vec<Option<f64>> = (1..=series.iteration.len()).map(|n| Some(n as f64)).collect();
    let numbered = series.iteration.iter().any(Option::is_some);
    let (x, x_name) = if numbered { (&series.iteration, "iteration") } else { (&records, "record") };
    let each = (report.log.records / (series.iteration.len() as u64).max(1)).max(1);
    html! {
        section {
            h2 { "Iterations" small { (range_of(report)) } }
            div.pair {
                (time_of_iterations(pairs(x, &series.latency_seconds), x_name, each))
                (histogram(report))
                (loss(pairs(x, &series.loss), x_name))
                (percentiles(report))
            }
        }
    }
}

fn range_of(report: &Report) -> String {
    let iterations = &report.iterations;
    let grouped = |n: u64| words::grouped(n as f64);
    let of_total = iterations.total.map(|total| format!(" of {}", grouped(total))).unwrap_or_default();
    match (iterations.first, iterations.last) {
        (Some(first), Some(last)) => format!("{} to {}{of_total}", grouped(first), grouped(last)),
        _ => count(iterations.count, "iteration"),
    }
}

/// The end of an axis of times on which a few that are far longer than the rest are cut off.
fn axis_end(p90: Option<f64>, longest: f64) -> f64 {
    p90.map(|p90| 1.6 * p90).filter(|end| 2.0 * end < longest).unwrap_or(longest)
}

fn time_of_iterations(points: Vec<(f64, f64)>, x_name: &str, each: u64) -> Markup {
    let longest = points.iter().map(|point| point.1).fold(0.0, f64::max);
    if points.is_empty() {
        return html! { figure { figcaption { b { "Iteration time" } } p.note { "– no record has a time" } } };
    }
    let end = axis_end(quantile(points.iter().map(|point| point.1), 0.9), longest);
    let unit = TimeUnit::of(end);
    let cut = points.iter().filter(|point| point.1 > end).count();
    let points: Vec<_> = points.into_iter().map(|(x, time)| (x, time / unit.seconds)).collect();
    let chart = Chart {
        width: Width::Half,
        title: "Iteration time over the iterations",
        description: format!("The longest is {}.", time(Some(longest))),
        x: extent(&points),
        y: 0.0..1.08 * end / unit.seconds,
        shapes: line(points, Ink::BLUE),
    };
    html! {
        figure {
            figcaption { b { "Iteration time" } " " (unit.name) span { (x_name) } }
            (chart.draw())
            @if cut > 0 { p.note { (count(cut as u64, "point")) " beyond the top; the longest is " (time(Some(longest))) ". " } }
            @if each > 1 { p.note { "Each point is the longest of about " (each) " records." } }
        }
    }
}

fn loss(points: Vec<(f64, f64)>, x_name: &str) -> Markup {
    let (low, high) =
        points.iter().fold((f64::INFINITY, 0f64), |(low, high), point| (low.min(point.1), high.max(point.1)));
    let Some(last) = points.last().copied() else {
        return html! { figure { figcaption { b { "Loss" } } p.note { "– the log states none" } } };
    };
    let chart = Chart {
        width: Width::Half,
        title: "Loss over the iterations",
        description: format!(
            "From {} to {}; the lowest is {}.",
            value(points.first().map(|p| p.1)),
            show(last.1),
            show(low)
        ),
        x: extent(&points),
        y: low.min(0.0)..1.08 * high.max(1e-6),
        shapes: line(points, Ink::PLUM),
    };
    html! {
        figure {
            figcaption { b { "Loss" } " last " (show(last.1)) span { (x_name) } }
            (chart.draw())
        }
    }
}

/// A line; of few points each is shown.
pub fn line(points: Vec<(f64, f64)>, ink: Ink) -> Vec<Shape> {
    let dots = if points.len() <= 60 { points.clone() } else { Vec::new() };
    vec![Shape::Line { points: thinned(points), ink }, Shape::Dots { points: dots, ink }]
}

/// From the leftmost to the rightmost of some points.
pub fn extent(points: &[(f64, f64)]) -> Range<f64> {
    let x = || points.iter().map(|point| point.0);
    x().fold(f64::INFINITY, f64::min)..x().fold(f64::NEG_INFINITY, f64::max)
}

fn histogram(report: &Report) -> Markup {
    let bins = bins(report);
    let latency = &report.iterations.latency_seconds;
    let total = iterations_in(bins.iter().copied());
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else {
        return html! {
            figure { figcaption { b { "Distribution" } } p.note { "– " (words::origin(report, "al_seconds")) } }
        };
    };
    let mut below = 0.0;
    let p90 = bins.iter().find(|bin| {
        below += bin.iterations as f64;
        below >= 0.9 * total as f64
    });
    let end = axis_end(p90.map(|bin| bin.to_seconds), last.to_seconds);
    let shown = || bins.iter().filter(|bin| bin.to_seconds <= end);
    // Bars as wide as several bins, so that each bin lies in one of them whole.
    let finest = shown().map(|bin| bin.to_seconds - bin.from_seconds).fold(1e-9, f64::max);
    let farthest = shown().map(|bin| bin.to_seconds).fold(first.to_seconds, f64::max);
    let wish = (farthest - first.from_seconds) / (total as f64).sqrt().clamp(8.0, 48.0);
    let width = finest * (wish / finest).ceil().max(1.0);
    let bar_of = |seconds: f64| (seconds / width).floor();
    let mut bars: Vec<(f64, u64)> = Vec::new();
    for bin in shown() {
        let at = bar_of((bin.from_seconds + bin.to_seconds) / 2.0);
        match bars.last_mut() {
            Some(bar) if bar.0 == at => bar.1 = bar.1.saturating_add(bin.iterations),
            _ => bars.push((at, bin.iterations)),
        }
    }
    let highest = bars.iter().map(|bar| bar.1).max().unwrap_or(0) as f64;
    let beyond = iterations_in(bins.iter().copied().filter(|bin| bin.to_seconds > end));
    let unit = TimeUnit::of(end);
    let edge = |bar: f64| bar * width / unit.seconds;
    let marks = [("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99)];
    let marks = marks.into_iter().filter_map(|(name, at)| Some((name, at.filter(|at| *at <= end)?)));
    let x = bars.iter().fold(f64::INFINITY..0f64, |x, bar| x.start.min(bar.0 - 1.0)..x.end.max(bar.0 + 2.0));
    let chart = Chart {
        width: Width::Half,
        title: "Distribution of the iteration times",
        description: format!(
            "Half of {} took no longer than {}, 99 % no longer than {}.",
            count(total, "iteration"),
            time(latency.p50),
            time(latency.p99)
        ),
        x: edge(x.start).max(0.0)..edge(x.end),
        y: 0.0..1.08 * highest,
        shapes: std::iter::once(Shape::Bars {
            bars: bars.iter().map(|(bar, n)| (edge(*bar)..edge(bar + 1.0), *n as f64)).collect(),
            ink: Ink::BLUE,
        })
        .chain(marks.map(|(name, at)| Shape::Mark { x: at / unit.seconds, name: name.to_owned() }))
        .collect(),
    };
    html! {
        figure {
            figcaption { b { "Distribution" } " iterations" span { "iteration time, " (unit.name) } }
            (chart.draw())
            @if beyond > 0 {
                p.note {
                    (count(beyond, "iteration")) " took longer than the axis, up to " (time(latency.max)) "."
                }
            }
        }
    }
}

/// The bins of the histogram that have a place on an axis.
pub fn bins(report: &Report) -> Vec<LatencyBin> {
    let has_place = |bin: &&LatencyBin| 0.0 <= bin.from_seconds && bin.from_seconds < bin.to_seconds;
    let bins = report.iterations.latency_histogram.iter().filter(has_place);
    bins.filter(|bin| bin.to_seconds < 1e12).copied().collect()
}

pub fn iterations_in(bins: impl IntoIterator<Item = LatencyBin>) -> u64 {
    bins.into_iter().fold(0, |sum, bin| sum.saturating_add(bin.iterations))
}

fn percentiles(report: &Report) -> Markup {
    let latency = &report.iterations.latency_seconds;
    let rows = [
        ("Mean", latency.mean),
        ("Median", latency.p50),
        ("95th percentile", latency.p95),
        ("99th percentile", latency.p99),
        ("Longest", latency.max),
    ];
    html! {
        figure {
            figcaption { b { "Percentiles" } " of the iteration times" }
            table {
                tbody {
                    @for (name, seconds) in rows { tr { th scope="row" { (name) } td.number { (time(seconds)) } } }
                    tr { th scope="row" { "Sum" } td.number { (duration(report.iterations.seconds)) } }
                }
            }
        }
    }
}

fn energy_by_phase(report: &Report) -> Markup {
    let phases: Vec<_> = report.phases.iter().filter(|phase| phase.energy_joules.is_some()).collect();
    let whole: f64 = phases.iter().filter_map(|phase| phase.energy_joules).sum();
    if phases.is_empty() || whole <= 0.0 {
        return html! {
            @if !report.gpus.is_empty() {
                section {
                    h2 { "Where the energy went" }
                    p.note { "– " (why_no_phases(report)) }
                }
            }
        };
    }
    html! {
        section {
            h2 { "Where the energy went" small { (energy(Some(whole))) " in the measured GPUs" } }
            (energy_bar(report, 1.0))
            div.scroll {
                table {
                    thead {
                        tr {
                            th scope="col" { "Phase" }
                            th.number scope="col" { "Time" }
                            th.number scope="col" { "Energy" }
                            th.number scope="col" { "Share" }
                            th.number scope="col" { "Mean power" }
                        }
                    }
                    tbody {
                        @for phase in phases {
                            @let seconds = phase.to_seconds - phase.from_seconds;
                            @let joules = phase.energy_joules.unwrap_or(0.0);
                            tr {
                                th scope="row" { i.(phase_class(phase.name)) {} (words::phase(phase.name)) }
                                td.number { (duration(Some(seconds))) }
                                td.number { (energy(phase.energy_joules)) }
                                td.number { (format!("{:.1} %", 100.0 * joules / whole)) }
                                td.number { (show(joules / seconds)) " W" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn why_no_phases(report: &Report) -> &str {
    match words::origin(report, "energy_joules") {
        why if report.metrics.energy_joules.is_none() => why,
        _ => "no iterations tell the training from what came before and after it",
    }
}

fn phase_class(name: PhaseName) -> &'static str {
    match name {
        PhaseName::Startup => "startup",
        PhaseName::Training => "training",
        PhaseName::After => "after",
    }
}

/// The phases side by side, as wide as their energy, and all of them a share of the whole width;
/// nothing where the energy is not known.
pub fn energy_bar(report: &Report, share: f64) -> Markup {
    let known = || report.phases.iter().filter_map(|phase| Some((phase.name, phase.energy_joules?)));
    let whole: f64 = known().map(|(_, joules)| joules).sum();
    html! {
        @if whole > 0.0 && whole.is_finite() {
            div.energy aria-hidden="true" style={ "width:" (format!("{:.2}%", 100.0 * share.clamp(0.0, 1.0))) } {
                @for (name, joules) in known() {
                    div.(phase_class(name)) style={ "flex-grow:" (format!("{:.4}", joules.max(0.0) / whole)) } {}
                }
            }
        }
    }
}

fn all_metrics(report: &Report) -> Markup {
    let trained = report.window == Window::Train;
    let rows = METRICS.iter().zip(report.metrics.each().zip(report.metrics_whole_run.each()));
    html! {
        section {
            h2 { "All metrics" }
            div.scroll {
                table.metrics {
                    thead {
                        tr {
                            th scope="col" { "Metric" }
                            th.number scope="col" { (if trained { "Training" } else { "Whole run" }) }
                            @if trained { th.number scope="col" { "Whole run" } }
                            th scope="col" { "Unit" }
                            th scope="col" { "From, or why there is none" }
                        }
                    }
                    tbody {
                        @for (metric, ((_, headline), (_, whole))) in rows {
                            tr.none[headline.is_none()] {
                                th scope="row" { (defined(metric.name, metric.definition)) }
                                td.number { (value(headline)) }
                                @if trained { td.number { (value(whole)) } }
                                td { (metric.unit) }
                                td.origin { (words::origin(report, metric.name)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn environment(report: &Report) -> Markup {
    let command = &report.command;
    let text = |text: &Option<String>| text.clone().unwrap_or_else(words::dash);
    let number = |number: Option<u64>| number.map_or_else(words::dash, |number| number.to_string());
    let mut rows: Vec<(&str, String)> = vec![
        ("Command", words::command(report)),
        ("Folder", text(&command.cwd)),
        ("Started", words::started(report).unwrap_or_else(words::dash)),
        ("Ended", words::ending(report)),
        ("Wall time", duration(command.wall_seconds)),
        ("Stopped for", duration(command.suspended_seconds)),
        ("CPU time", duration(command.cpu_seconds)),
        ("Largest process", words::bytes(command.max_rss_bytes.map(|bytes| bytes as f64))),
        ("Host", text(&report.job.host)),
        ("World size", number(report.job.world_size)),
        ("Nodes", number(report.job.nodes)),
        ("Rank", number(report.job.rank)),
    ];
    rows.extend(report.job.scheduler.iter().map(|(name, id)| (name.as_str(), id.clone())));
    rows.extend([
        ("Parameters", words::sourced(&report.model.parameters)),
        ("Sequence length", words::sourced(&report.model.sequence_length)),
        ("Global batch size", words::sourced(&report.model.global_batch_size)),
        ("Log profile", profile(report)),
        ("Log lines", {
            let [lines, records] = [report.log.lines, report.log.records].map(|n| words::grouped(n as f64));
            format!("{lines} of which {records} state progress")
        }),
        ("effllm", report.effllm_version.clone()),
    ]);
    html! {
        section {
            h2 { "Environment" }
            dl.environment { @for (name, value) in rows { dt { (name) } dd { (value) } } }
            @if !report.gpus.is_empty() {
                div.scroll {
                    table {
                        thead {
                            tr {
                                th.number scope="col" { "GPU" }
                                th scope="col" { "Name" }
                                th scope="col" { "UUID" }
                                th.number scope="col" { "Memory" }
                                th.number scope="col" { "Power limit" }
                                th scope="col" { "Measured because" }
                            }
                        }
                        tbody {
                            @for gpu in &report.gpus {
                                tr {
                                    td.number { (gpu.index) }
                                    td { (text(&gpu.name)) }
                                    td.code { (text(&gpu.uuid)) }
                                    td.number { (words::bytes(gpu.memory_total_bytes.map(|bytes| bytes as f64))) }
                                    td.number { (gpu.power_limit_watts.map_or_else(words::dash, |w| format!("{w:.0} W"))) }
                                    td { (gpu.selected_because) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn profile(report: &Report) -> String {
    match (&report.log.profile, &report.log.profile_source) {
        (Some(name), Some(source)) => format!("{name} ({source})"),
        (Some(name), None) => name.clone(),
        _ => words::dash(),
    }
}
