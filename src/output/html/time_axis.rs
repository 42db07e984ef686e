//! The axis of time that the charts of a run share, with its marks.

use std::ops::Range;

use maud::{Markup, html};

use super::chart::{Ink, Shape, round_step};
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
    /// The time in which nothing was trained, and that in which nothing was sampled.
    shades: Vec<(Ink, Shape)>,
    /// Some moments at which iterations ended, with their names.
    marks: Vec<(f64, String)>,
}

impl Timeline {
    pub fn new(report: &Report) -> Self {
        let ends = report.series.gpus.iter().filter_map(|gpu| gpu.seconds.last().copied());
        let length = report.command.wall_seconds.unwrap_or_else(|| ends.fold(0.0, f64::max)).clamp(0.0, 1e12);
        let unit = TimeUnit::of(length.max(1.0));
        let shade = |ink, from: f64, to: f64| {
            let [from, to] = [from, to].map(|at| at.clamp(0.0, length) / unit.seconds);
            (ink, Shape::Shade(from..to))
        };
        let outside = report.phases.iter().filter(|(kind, _)| is_shaded(**kind));
        let episodes = outside.flat_map(|(_, phase)| &phase.longest);
        let outside = episodes.map(|episode| shade("shade", episode.from_seconds, episode.to_seconds));
        let gaps = gaps(&report.series.gpus, 0.0..length);
        let shades = outside.chain(gaps.iter().map(|gap| shade("gap", gap.start, gap.end))).collect();
        let marks = marks(report).into_iter().map(|(at, name)| (at / unit.seconds, name)).collect();
        Self { unit, x: 0.0..length / unit.seconds, shades, marks }
    }

    /// The marks in a chart, with their names if it is to show them.
    pub fn shapes(&self, named: bool) -> impl Iterator<Item = (Ink, Shape)> {
        let name = move |name: &String| if named { name.clone() } else { String::new() };
        let marks = self.marks.iter().map(move |(at, text)| ("quiet", Shape::Mark(*at, name(text))));
        self.shades.iter().cloned().chain(marks)
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
                @if self.shades.iter().any(|(ink, _)| *ink == "gap") { span { i.gap {} "nothing was sampled" } }
                @if !self.marks.is_empty() { span { i.mark {} "end of an iteration" } }
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
    let step = round_step((last.1 - first.1).abs(), 5).max(1.0);
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
