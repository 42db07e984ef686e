//! The page that compares several runs; the first one is what the others are compared to.

use maud::{Markup, html};

use crate::metrics::registry::METRICS;
use crate::report::Report;

use super::chart::{Chart, Ink, Shape, Width};
use super::energy::{energy_bar, whole};
use super::iterations::{bins, extent, iterations_in};
use super::series::{pairs, plot_points, quantile, thinned};
use super::time_axis::TimeUnit;
use super::{defined, ending};
use crate::compare::{Change, Direction, compare};
use crate::output::comparison::{UNTESTED, meaning, ratio, word};
use crate::output::format;
use crate::output::gate::verdict;
use crate::output::names::Names;
use crate::text::units::{EnergyUnit, or_dash, show, show_count, show_duration, show_grouped};

type Runs<'a> = &'a [(String, Report)];

/// The longest name above a column, in characters.
const NAME: usize = 24;

/// With more runs than this each change is below its value.
const BESIDE: usize = 3;

pub fn body(runs: Runs<'_>) -> Markup {
    let full: Vec<String> = runs.iter().map(|(name, _)| name.clone()).collect();
    let names = Names::within(&full, NAME).shown;
    html! {
        header {
            h1 { "Comparison of " (show_count(runs.len() as u64, "run")) }
            ol.runs {
                @for (i, ((full, report), name)) in runs.iter().zip(&names).enumerate() {
                    li {
                        (dot(i))
                        b { (name) }
                        @if full != name { span.note { (full) } }
                        (ending(report))
                        details.command { summary { (format::command(report)) } }
                    }
                }
            }
        }
        (metrics(runs, &names))
        (curves(runs, &names))
        (energies(runs, &names))
        (setups(runs, &names))
    }
}

fn dot(run: usize) -> Markup {
    html! { i.dot style={ "background:var(--run-" (run % Ink::RUNS.len()) ")" } {} }
}

fn heads(names: &[String]) -> Markup {
    html! {
        @for (i, name) in names.iter().enumerate() {
            th.number scope="col" { (dot(i)) (name) }
        }
    }
}

fn metrics(runs: Runs<'_>, names: &[String]) -> Markup {
    let value = |report: &Report, i: usize| report.metrics.each().nth(i).and_then(|(_, value)| value);
    let compared = compare(runs);
    html! {
        section {
            h2 {
                "Metrics"
                small {
                    "with the change from the first run: " span.better { "better" } " or " span.worse { "worse" }
                    " where a rank test of these runs' iteration times shows it"
                }
            }
            div.scroll {
                table.metrics.comparison.many[runs.len() > BESIDE] {
                    thead { tr { th scope="col" { "Metric" } th scope="col" { "Unit" } (heads(names)) } }
                    tbody {
                        @for (i, metric) in METRICS.iter().enumerate() {
                            @let row = compared.metrics.iter().find(|row| row.name == metric.name);
                            @let why = unknown_in_all(runs, metric.name);
                            tr.none[why.is_some()] {
                                th scope="row" { (defined(metric.name, metric.definition)) }
                                td { (metric.unit) }
                                @if let Some(why) = why {
                                    td.number colspan=(runs.len()) { "– " span.origin { (why) } }
                                } @else {
                                @for (n, (_, report)) in runs.iter().enumerate() {
                                    td.number {
                                        @match value(report, i) {
                                            Some(value) => {
                                                (show(value))
                                                @if let Some(change) = row.and_then(|row| *row.changes.get(n.checked_sub(1)?)?) {
                                                    (changed(change))
                                                }
                                            }
                                            None => (defined("–", format::origin(report, metric.name))),
                                        }
                                    }
                                }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A change with its colour. Its meaning shows by pointer, and in a word beside it where it has a colour.
fn changed(change: Change) -> Markup {
    let class = match change.direction {
        Direction::Better | Direction::Worse => word(change),
        Direction::Same | Direction::Undecided | Direction::Untested => "",
    };
    let title = match change.direction {
        Direction::Untested => UNTESTED.to_owned(),
        _ => meaning(change),
    };
    html! {
        span.change.(class) title=(title) {
            (ratio(Some(change))) " " span { (class) }
        }
    }
}

/// Why no run knows a metric, where the reason is one for all.
fn unknown_in_all<'a>(runs: Runs<'a>, name: &str) -> Option<&'a str> {
    let mut reasons = runs.iter().map(|(_, report)| report.unavailable.get(name));
    let first = reasons.next()??;
    reasons.all(|reason| reason == Some(first)).then_some(first)
}

fn curves(runs: Runs<'_>, names: &[String]) -> Markup {
    html! {
        section {
            h2 { "Curves" }
            p.legend {
                @for (i, name) in names.iter().enumerate() { span { (dot(i)) (name) } }
            }
            div.pair { (latency(runs)) (iteration_time(runs)) (loss(runs)) (power(runs)) }
        }
    }
}

/// One line a run, or nothing where no run has one.
struct Overlay {
    title: &'static str,
    y_name: String,
    x_name: String,
    lines: Vec<(usize, Vec<(f64, f64)>)>,
    /// Where the y axis ends, if not at the highest point.
    top: Option<f64>,
}

impl Overlay {
    fn draw(self) -> Markup {
        let points: Vec<_> = self.lines.iter().flat_map(|(_, line)| line.iter().copied()).collect();
        if points.is_empty() {
            return html! { figure { figcaption { b { (self.title) } } p.note { "– no run has values" } } };
        }
        let low = points.iter().map(|point| point.1).fold(0.0, f64::min);
        let high = self.top.unwrap_or(points.iter().map(|point| point.1).fold(1e-6, f64::max));
        let chart = Chart {
            width: Width::Half,
            title: self.title,
            description: format!("{} of {}.", self.title, show_count(self.lines.len() as u64, "run")),
            x: extent(&points),
            y: low..1.05 * high,
            shapes: self
                .lines
                .into_iter()
                .map(|(run, line)| Shape::Line { points: thinned(line), ink: Ink::of_run(run) })
                .collect(),
        };
        html! {
            figure {
                figcaption { b { (self.title) } " " (self.y_name) span { (self.x_name) } }
                (chart.draw())
            }
        }
    }
}

/// The share of the iterations that took no longer than a time.
fn latency(runs: Runs<'_>) -> Markup {
    let curve = |report: &Report| {
        let bins = bins(report);
        let total = iterations_in(bins.iter().copied());
        let mut below = 0.0;
        let mut points: Vec<(f64, f64)> =
            bins.first().map(|bin| (bin.from_seconds, 0.0)).into_iter().collect();
        points.extend(bins.iter().map(|bin| {
            below += bin.iterations as f64;
            (bin.to_seconds, below / total as f64)
        }));
        points
    };
    let curves: Vec<Vec<(f64, f64)>> = runs.iter().map(|(_, report)| curve(report)).collect();
    // A few very long ones would leave no room for the rest.
    let p99s = curves.iter().filter_map(|curve| curve.iter().find(|point| point.1 >= 0.99));
    let end = p99s.map(|point| point.0).fold(0.0, f64::max);
    let unit = TimeUnit::of(end);
    let line = |curve: Vec<(f64, f64)>| {
        let shown = curve.into_iter().filter(|point| point.0 <= end);
        shown.map(|(at, share)| (at / unit.seconds, share)).collect()
    };
    Overlay {
        title: "Latency",
        y_name: "share of the iterations within a time".to_owned(),
        x_name: format!("{}, to the p99", unit.name),
        lines: curves.into_iter().map(line).enumerate().collect(),
        top: Some(1.0),
    }
    .draw()
}

fn iteration_time(runs: Runs<'_>) -> Markup {
    let line = |report: &Report| {
        let series = &report.series.iterations;
        pairs(&series.iteration, &series.latency_seconds)
    };
    let lines: Vec<_> = runs.iter().map(|(_, report)| line(report)).collect();
    let end = quantile(lines.iter().flatten().map(|point| point.1), 0.98).unwrap_or(1.0);
    let unit = TimeUnit::of(end);
    let scaled = |line: Vec<(f64, f64)>| line.into_iter().map(|(x, y)| (x, y / unit.seconds)).collect();
    Overlay {
        title: "Iteration time",
        y_name: unit.name.to_owned(),
        x_name: "iteration".to_owned(),
        lines: lines.into_iter().map(scaled).enumerate().collect(),
        top: Some(1.2 * end / unit.seconds),
    }
    .draw()
}

fn loss(runs: Runs<'_>) -> Markup {
    let line = |report: &Report| pairs(&report.series.iterations.iteration, &report.series.iterations.loss);
    Overlay {
        title: "Loss",
        y_name: String::new(),
        x_name: "iteration".to_owned(),
        lines: runs.iter().map(|(_, report)| line(report)).enumerate().collect(),
        top: None,
    }
    .draw()
}

fn power(runs: Runs<'_>) -> Markup {
    let longest = runs.iter().filter_map(|(_, report)| report.command.wall_seconds).fold(1.0, f64::max);
    let unit = TimeUnit::of(longest);
    let stretches = |report: &Report| plot_points(&report.series.gpus, |gpu| &gpu.power_watts, 360);
    let lines = runs.iter().enumerate().flat_map(|(run, (_, report))| {
        let line = move |stretch: Vec<super::series::PlotPoint>| {
            (run, stretch.iter().map(|point| (point.at / unit.seconds, point.mean)).collect())
        };
        stretches(report).into_iter().map(line)
    });
    Overlay {
        title: "Power",
        y_name: "W, mean of the GPUs".to_owned(),
        x_name: format!("{} since the start", unit.name),
        lines: lines.collect(),
        top: None,
    }
    .draw()
}

fn energies(runs: Runs<'_>, names: &[String]) -> Markup {
    html! {
        @if runs.iter().any(|(_, report)| whole(report).is_some()) {
            section {
                h2 { "Where the energy went" small { "on the measured GPUs of each run" } }
                p.legend {
                    span { i.startup {} "start-up" } span { i.training {} "training" } span { i.after {} "after training" }
                }
                @let most = runs.iter().filter_map(|(_, report)| whole(report)).fold(0.0, f64::max);
                @let unit = EnergyUnit::of([Some(most)]);
                @for (name, (_, report)) in names.iter().zip(runs) {
                    div.run-energy {
                        span { (name) }
                        div { (energy_bar(report, whole(report).unwrap_or(0.0) / most)) }
                        span.number { (or_dash(whole(report), |joules| unit.show(joules))) }
                    }
                }
            }
        }
    }
}

/// The text of a row for a run.
type Show<'a> = &'a dyn Fn(&Report) -> String;

fn setups(runs: Runs<'_>, names: &[String]) -> Markup {
    let number = |number: Option<u64>| or_dash(number, |number| number.to_string());
    let size = |size: Option<f64>| or_dash(size, show_grouped);
    // With whether a difference makes the metrics incomparable.
    let rows: [(bool, &str, Show<'_>); 14] = [
        (true, "GPUs", &|report| {
            or_dash(Some(format::gpus(report)).filter(|gpus| !gpus.is_empty()), String::from)
        }),
        (true, "World size", &|report| number(report.job.world_size)),
        (true, "Nodes", &|report| number(report.job.nodes)),
        (true, "Parameters", &|report| size(report.model.parameters.value)),
        (true, "Sequence length", &|report| size(report.model.sequence_length.value)),
        (true, "Global batch size", &|report| size(report.model.global_batch_size.value)),
        (true, "Log profile", &|report| or_dash(report.log.profile.clone(), String::from)),
        (false, "Iterations", &|report| show_grouped(report.iterations.count as f64)),
        (false, "Wall time", &|report| or_dash(report.command.wall_seconds, show_duration)),
        (false, "Host", &|report| or_dash(report.job.host.clone(), String::from)),
        (false, "Started", &|report| or_dash(format::started(report), String::from)),
        (false, "Gate", &|report| or_dash(report.gate.as_ref(), verdict)),
        (false, "Warnings", &|report| report.warnings.len().to_string()),
        (false, "effllm", &|report| report.effllm_version.clone()),
    ];
    html! {
        section {
            h2 { "Runs" small { "differences are highlighted" } }
            div.scroll {
                table.comparison.many[runs.len() > BESIDE] {
                    thead { tr { th scope="col" {} (heads(names)) } }
                    tbody {
                        @for (matters, name, show) in rows {
                            @let texts: Vec<String> = runs.iter().map(|(_, report)| show(report)).collect();
                            tr.differs[matters && texts.windows(2).any(|pair| pair.first() != pair.last())] {
                                th scope="row" { (name) }
                                @for text in &texts { td.number { (text) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
