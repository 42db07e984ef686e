//! The GPUs of a run: their readings over time, and each of them by itself.

use std::ops::Range;

use maud::{Markup, html};

use super::chart::{Chart, FULL, Ink, Shape, sparkline};
use super::series::{FEW, MOST, PlotPoint, Quantity, plot_points};
use super::time_axis::{TimeUnit, Timeline};
use super::{figure, missing, section};
use crate::metrics::window::Basis;
use crate::output::format;
use crate::report::{EnergySource, Gpu, GpuSeries, MeanMax, Report};
use crate::text::units::{EnergyUnit, or_dash};

pub fn over_time(report: &Report) -> Markup {
    if report.gpus.is_empty() {
        let why = format::why_unknown(report, Basis::is_of_gpus);
        return section("GPUs", "", &html! { p.note { "No GPU figures: " (why) } });
    }
    let timeline = Timeline::new(report);
    let x_name = format!("{} since the start", timeline.unit.name);
    let content = html! {
        (timeline.legend(report))
        @for (i, shown) in SHOWN.iter().enumerate() {
            (figure(shown.name, shown.unit, &x_name, &in_time(report, &timeline, shown, i == 0)))
        }
        @if let Some(n) = readings_a_point(report).filter(|n| *n > 1) {
            p.note {
                "The plots keep peaks: each point is the highest of about " (n) " readings of a GPU. "
                "The averages in the tables are over all of them."
            }
        }
    };
    section("GPUs over time", &report.gpu_models(), &content)
}

/// One quantity over time. The marks have names in the first chart only: the others are below it.
fn in_time(report: &Report, timeline: &Timeline, shown: &Shown, named: bool) -> Markup {
    let gpus = &report.series.gpus;
    let lines = shown.shapes(gpus, timeline.unit, MOST, true);
    if lines.is_empty() {
        let why = report.gpus.iter().find_map(|gpu| gpu.unavailable.get(shown.key));
        return missing(why.map_or("no readings", String::as_str));
    }
    let means = report.gpus.iter().map(|gpu| (shown.mean_max)(gpu));
    let highest = means.filter_map(|gpu| gpu.max).reduce(f64::max);
    let chart = Chart {
        size: FULL,
        title: shown.name,
        description: format!("{} of the GPUs over time; the highest is {}.", shown.name, shown.show(highest)),
        x: timeline.x.clone(),
        y: shown.y(gpus),
        shapes: timeline.shapes(named).chain(lines).collect(),
    };
    chart.draw()
}

/// A row for each GPU: small charts of equal scale, and figures.
pub fn each_gpu(report: &Report) -> Markup {
    if report.gpus.is_empty() {
        return html! {};
    }
    let timeline = Timeline::new(report);
    let energy = EnergyUnit::of(report.gpus.iter().map(|gpu| gpu.energy_joules));
    let content = html! {
        div.gpus {
            @for gpu in &report.gpus { (gpu_row(report, &timeline, energy, gpu)) }
        }
    };
    section("Each GPU", "over the whole run; the small charts share their scales", &content)
}

fn gpu_row(report: &Report, timeline: &Timeline, energy: EnergyUnit, gpu: &Gpu) -> Markup {
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
                        _ => (sparkline(shown.name, &timeline.x, &shown.y(all), &shown.shapes(&own, timeline.unit, 120, false))),
                    }
                }
            }
            dl {
                dt { "Energy" } dd title=(source) { (or_dash(gpu.energy_joules, |joules| energy.show(joules))) }
                dt { "Max temperature" } dd { (or_dash(gpu.temperature_celsius.max, |t| format!("{t:.0} °C"))) }
                dt { "Coverage" } dd { (or_dash(gpu.coverage_ratio, |ratio| format!("{ratio:.3}"))) }
            }
        }
    }
}

/// A quantity of the GPUs as it is shown: in a unit, with its colour.
struct Shown {
    name: &'static str,
    unit: &'static str,
    ink: Ink,
    scale: f64,
    /// The least that its axis goes up to, in its unit.
    to: f64,
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
        ink: "rust",
        scale: 1.0,
        to: 0.0,
        decimals: 0,
        series: |gpu| &gpu.power_watts,
        mean_max: |gpu| gpu.power_watts,
        key: "power_watts",
    },
    Shown {
        name: "Utilization",
        unit: "",
        ink: "green",
        scale: 1.0,
        to: 1.0,
        decimals: 3,
        series: |gpu| &gpu.utilization_ratio,
        mean_max: |gpu| gpu.utilization_ratio,
        key: "utilization_ratio",
    },
    Shown {
        name: "Memory",
        unit: "GB",
        ink: "blue",
        scale: 1e-9,
        to: 0.0,
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
        0.0..1.06 * (highest * self.scale).max(self.to).max(1e-3)
    }

    /// Of few points each is shown, if `dotted`; a single one always is.
    fn shapes(&self, gpus: &[GpuSeries], unit: TimeUnit, most: usize, dotted: bool) -> Vec<(Ink, Shape)> {
        let stretches = plot_points(gpus, self.series, most);
        let dotted = dotted && stretches.iter().map(Vec::len).sum::<usize>() <= FEW;
        let shapes = stretches.iter().flat_map(|stretch| {
            let line = |value: fn(&PlotPoint) -> f64| -> Vec<_> {
                stretch.iter().map(|point| (point.at / unit.seconds, value(point) * self.scale)).collect()
            };
            let dots = if dotted || stretch.len() == 1 { line(|point| point.mean) } else { Vec::new() };
            let band = Shape::Band(line(|point| point.high), line(|point| point.low));
            [band, Shape::Line(line(|point| point.mean)), Shape::Dots(dots, 3.0)]
        });
        shapes.map(|shape| (self.ink, shape)).collect()
    }

    fn show(&self, value: Option<f64>) -> String {
        let show = |value: f64| format!("{:.*} {}", self.decimals, value * self.scale, self.unit);
        or_dash(value, show).trim_end().to_owned()
    }
}

/// The readings that a point of a GPU's series represents.
fn readings_a_point(report: &Report) -> Option<u64> {
    let merged = report.gpus.iter().zip(&report.series.gpus);
    merged.filter_map(|(gpu, series)| gpu.samples.checked_div(series.seconds.len() as u64)).max()
}
