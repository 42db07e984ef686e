//! The axis of time that the charts of a run share, with its marks.

use std::ops::Range;

use maud::{Markup, html};

use super::chart::{Ink, Shape};
use super::series::{gaps, pairs};
use crate::report::{PhaseKind, Report};
use crate::text::units::show_grouped;

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

/// The span of the charts over time, and the marks in all of them.
pub struct Timeline {
    pub unit: TimeUnit,
    pub x: Range<f64>,
    pub shapes: Vec<Shape>,
    has_gaps: bool,
}

impl Timeline {
    pub fn new(report: &Report) -> Self {
        let ends = report.series.gpus.iter().filter_map(|gpu| gpu.seconds.last().copied());
        let length = report.command.wall_seconds.unwrap_or_else(|| ends.fold(0.0, f64::max)).clamp(0.0, 1e12);
        let unit = TimeUnit::of(length.max(1.0));
        let shade = |from: f64, to: f64, ink, opacity| {
            let x = (from.clamp(0.0, length) / unit.seconds)..(to.clamp(0.0, length) / unit.seconds);
            Shape::Shade { x, ink, opacity }
        };
        let outside = report.phases.iter().filter(|(kind, _)| is_shaded(**kind));
        let episodes = outside.flat_map(|(_, phase)| &phase.longest);
        let mut shapes: Vec<Shape> = episodes
            .map(|episode| shade(episode.from_seconds, episode.to_seconds, Ink::SHADE, 0.16))
            .collect();
        let gaps = gaps(&report.series.gpus, 0.0..length);
        shapes.extend(gaps.iter().map(|gap| shade(gap.start, gap.end, Ink::GAP, 0.16)));
        shapes.extend(marks(report).into_iter().map(|(at, name)| Shape::Mark { x: at / unit.seconds, name }));
        Self { unit, x: 0.0..length / unit.seconds, shapes, has_gaps: !gaps.is_empty() }
    }

    pub fn legend(&self, report: &Report) -> Markup {
        html! {
            p.legend {
                @if report.gpus.len() > 1 {
                    span { i.line.of-gpus {} "mean of the GPUs" }
                    span { i.band {} "lowest to highest" }
                }
                @if report.phases.keys().any(|kind| is_shaded(*kind)) {
                    span { i.shade {} "not training" }
                }
                @if self.has_gaps { span { i.gap {} "nothing was sampled" } }
                @if self.shapes.iter().any(|shape| matches!(shape, Shape::Mark { .. })) {
                    span { i.mark {} "end of an iteration" }
                }
            }
        }
    }
}

/// Whether a phase is shaded: time that is no training's, in one piece.
fn is_shaded(kind: PhaseKind) -> bool {
    matches!(kind, PhaseKind::Startup | PhaseKind::Pause | PhaseKind::Suspended | PhaseKind::After)
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
            marks.push((at, format!("it {}", show_grouped(n))));
        }
    }
    marks
}
