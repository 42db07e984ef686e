//! The page that compares several runs; the first one is what the others are compared to.

use maud::{Markup, Render, html};

use super::chart::{Chart, HALF, Shape, Xy, ink_of_run};
use super::energy::{energy_bar, whole};
use super::iterations::{bins, extent, iterations_in};
use super::series::{pairs, plot_points, quantile, scaled, thinned};
use super::time_axis::TimeUnit;
use super::{Row, defined, ending, figure, heads, missing, section, table};
use crate::compare::{Change, Direction, PROPERTIES, Property, compare};
use crate::metrics::registry::METRICS;
use crate::output::comparison::{UNTESTED, meaning, ratio, word};
use crate::output::format;
use crate::output::gate::verdict;
use crate::output::report_names::Names;
use crate::report::{NamedReport, Report};
use crate::text::units::{EnergyUnit, or_dash, show, show_count, show_duration, show_grouped};

/// The longest name above a column, in characters.
const NAME: usize = 24;

/// With more runs than this each change is below its value.
const BESIDE: usize = 3;

pub fn body(runs: &[NamedReport]) -> Markup {
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
    html! { i.dot style={ "background:var(--" (ink_of_run(run)) ")" } {} }
}

/// A table with a column for each run, which all stand close together if they are many.
fn run_table(columns: &[&str], names: &[String], class: &str, rows: impl Iterator<Item = Row>) -> Markup {
    let runs = names.iter().enumerate().map(|(i, name)| html! { "#" (dot(i)) (name) });
    let columns: Vec<Markup> = heads(columns).into_iter().chain(runs).collect();
    let many = if names.len() > BESIDE { " many" } else { "" };
    table(&format!("{class}{many}"), &columns, rows)
}

fn metrics(runs: &[NamedReport], names: &[String]) -> Markup {
    let compared = compare(runs);
    let rows = METRICS.iter().map(|metric| {
        let row = compared.metrics.iter().find(|row| row.name == metric.name);
        let mut cells = vec![defined(metric.name, metric.definition), metric.unit.render()];
        if let Some(why) = unknown_in_all(runs, metric.name) {
            cells.push(html! { "– " span.origin { (why) } });
            return ("none", cells);
        }
        cells.extend(runs.iter().enumerate().map(|(n, (_, report))| {
            let change = || *row?.changes.get(n.checked_sub(1)?)?;
            match report.metrics.get(metric) {
                Some(value) => html! { (show(value)) @if let Some(change) = change() { (changed(change)) } },
                None => defined("–", format::origin(report, metric.name)),
            }
        }));
        ("", cells)
    });
    html! {
        section {
            h2 {
                "Metrics"
                small {
                    "with the change from the first run: " span.better { "better" } " or " span.worse { "worse" }
                    " where a rank test of these runs' iteration times shows it"
                }
            }
            (run_table(&["Metric", "Unit"], names, "metrics comparison", rows))
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
fn unknown_in_all<'a>(runs: &'a [NamedReport], name: &str) -> Option<&'a str> {
    let mut reasons = runs.iter().map(|(_, report)| report.unavailable.get(name));
    let first = reasons.next()??;
    reasons.all(|reason| reason == Some(first)).then_some(first)
}

fn curves(runs: &[NamedReport], names: &[String]) -> Markup {
    let legend = html! {
        p.legend {
            @for (i, name) in names.iter().enumerate() { span { (dot(i)) (name) } }
        }
    };
    let content = html! {
        (legend)
        div.pair { (latency(runs)) (iteration_time(runs)) (loss(runs)) (power(runs)) }
    };
    section("Curves", "", &content)
}

/// A run's line, or one of them.
type RunLine = (usize, Vec<Xy>);

/// The lines of the runs, in their colours. The y axis ends at `top`, or else at the highest point.
fn overlay(title: &'static str, y_name: &str, x_name: &str, lines: Vec<RunLine>, top: Option<f64>) -> Markup {
    let points: Vec<Xy> = lines.iter().flat_map(|(_, line)| line).copied().collect();
    if points.is_empty() {
        return figure(title, "", "", &missing("no run has values"));
    }
    let low = points.iter().map(|point| point.1).fold(0.0, f64::min);
    let high = top.unwrap_or(points.iter().map(|point| point.1).fold(1e-6, f64::max));
    let chart = Chart {
        size: HALF,
        title,
        description: format!("{title} of {}.", show_count(lines.len() as u64, "run")),
        x: extent(&points),
        y: low..1.05 * high,
        shapes: lines.into_iter().map(|(run, line)| (ink_of_run(run), Shape::Line(thinned(line)))).collect(),
    };
    figure(title, y_name, x_name, &chart.draw())
}

/// A line of each run.
fn lines(runs: &[NamedReport], line: impl Fn(&Report) -> Vec<Xy>) -> Vec<RunLine> {
    runs.iter().map(|(_, report)| line(report)).enumerate().collect()
}

/// The share of the iterations that took no longer than a time.
fn latency(runs: &[NamedReport]) -> Markup {
    let curves = lines(runs, |report| {
        let bins = bins(report);
        let total = iterations_in(&bins) as f64;
        let mut below = 0.0;
        let mut points: Vec<Xy> = bins.first().map(|bin| (bin.from_seconds, 0.0)).into_iter().collect();
        points.extend(bins.iter().map(|bin| {
            below += bin.iterations as f64;
            (bin.to_seconds, below / total)
        }));
        points
    });
    // A few very long ones would leave no room for the rest.
    let p99s = curves.iter().filter_map(|(_, curve)| curve.iter().find(|point| point.1 >= 0.99));
    let end = p99s.map(|point| point.0).fold(0.0, f64::max);
    let unit = TimeUnit::of(end);
    let shown = curves.into_iter().map(|(run, mut curve)| {
        curve.retain(|point| point.0 <= end);
        (run, scaled(curve, unit.seconds, 1.0))
    });
    let x_name = format!("{}, to the p99", unit.name);
    overlay("Latency", "share of the iterations within a time", &x_name, shown.collect(), Some(1.0))
}

fn iteration_time(runs: &[NamedReport]) -> Markup {
    let times = |report: &Report| {
        pairs(&report.series.iterations.iteration, &report.series.iterations.latency_seconds)
    };
    let all = runs.iter().flat_map(|(_, report)| times(report)).map(|point| point.1);
    let end = quantile(all, 0.98).unwrap_or(1.0);
    let unit = TimeUnit::of(end);
    let lines = lines(runs, |report| scaled(times(report), 1.0, unit.seconds));
    overlay("Iteration time", unit.name, "iteration", lines, Some(1.2 * end / unit.seconds))
}

fn loss(runs: &[NamedReport]) -> Markup {
    let losses =
        lines(runs, |report| pairs(&report.series.iterations.iteration, &report.series.iterations.loss));
    overlay("Loss", "", "iteration", losses, None)
}

fn power(runs: &[NamedReport]) -> Markup {
    let longest = runs.iter().filter_map(|(_, report)| report.command.wall_seconds).fold(1.0, f64::max);
    let unit = TimeUnit::of(longest);
    let stretches = runs.iter().enumerate().flat_map(|(run, (_, report))| {
        let stretches = plot_points(&report.series.gpus, |gpu| &gpu.power_watts, 360);
        stretches.into_iter().map(move |stretch| {
            (run, stretch.iter().map(|point| (point.at / unit.seconds, point.mean)).collect())
        })
    });
    let x_name = format!("{} since the start", unit.name);
    overlay("Power", "W, mean of the GPUs", &x_name, stretches.collect(), None)
}

fn energies(runs: &[NamedReport], names: &[String]) -> Markup {
    let most = runs.iter().filter_map(|(_, report)| whole(report)).fold(0.0, f64::max);
    if most <= 0.0 {
        return html! {};
    }
    let unit = EnergyUnit::of([Some(most)]);
    let content = html! {
        p.legend {
            span { i.phase-startup {} "start-up" } span { i.phase-train {} "training" } span { i.phase-after {} "after training" }
        }
        @for (name, (_, report)) in names.iter().zip(runs) {
            div.run-energy {
                span { (name) }
                div { (energy_bar(report, whole(report).unwrap_or(0.0) / most)) }
                span.number { (or_dash(whole(report), |joules| unit.show(joules))) }
            }
        }
    };
    section("Where the energy went", "on the measured GPUs of each run", &content)
}

fn setups(runs: &[NamedReport], names: &[String]) -> Markup {
    let others: [Property; 8] = [
        ("Nodes", |report| report.job.nodes.map(|nodes| nodes.to_string())),
        ("Iterations", |report| Some(show_grouped(report.iterations.count as f64))),
        ("Wall time", |report| report.command.wall_seconds.map(show_duration)),
        ("Host", |report| report.job.host.clone()),
        ("Started", format::started),
        ("Gate", |report| report.gate.as_ref().map(verdict)),
        ("Warnings", |report| Some(report.warnings.len().to_string())),
        ("effllm", |report| Some(report.effllm_version.clone())),
    ];
    let row = |name: String, of: fn(&Report) -> Option<String>, matters: bool| {
        let values: Vec<_> = runs.iter().map(|(_, report)| of(report)).collect();
        let differs = matters && values.windows(2).any(|pair| pair.first() != pair.last());
        let cells = values.into_iter().map(|value| or_dash(value, String::from).render());
        let cells = std::iter::once(name.render()).chain(cells).collect();
        (if differs { "differs" } else { "" }, cells)
    };
    let compared = PROPERTIES.iter().map(|(name, of)| row(capitalised(name), *of, true));
    let rows = compared.chain(others.iter().map(|(name, of)| row((*name).to_owned(), *of, false)));
    section("Runs", "differences are highlighted", &run_table(&[""], names, "comparison", rows))
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
