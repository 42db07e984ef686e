//! The metrics of a run: the headline as tiles, and all of them as a table.

use maud::{Markup, Render, html};

use super::{defined, heads, section, table};
use crate::metrics::registry::{Metric, Test};
use crate::output::format;
use crate::report::Report;
use crate::report::Window;
use crate::text::units::{or_dash, show, show_count, show_time};

pub fn headline(report: &Report) -> Markup {
    let counted = show_count(report.iterations.count, "iteration");
    let window = match (report.window, report.iterations.warmup) {
        (Window::Run, _) => "over the whole run".to_owned(),
        (Window::Generate, _) => "over the time in which tokens were generated".to_owned(),
        (Window::Train, 0) => format!("over {counted} of training"),
        (Window::Train, n) => format!("over {counted} of training, without {n} of warmup"),
    };
    let content = html! {
        dl.tiles { @for metric in Metric::headline() { (tile(report, metric)) } }
    };
    section("Metrics", &window, &content)
}

fn tile(report: &Report, metric: &Metric) -> Markup {
    let long = metric.definition.split_once(": ").map_or("of the measured GPUs", |(long, _)| long);
    let values = [report.metrics.get(metric), report.metrics_whole_run.get(metric)];
    let numbers = format::numbers(metric, &values);
    let unit = values[0].map(|_| format::unit(metric, &values));
    let beside = match values {
        [None, _] => None,
        _ if metric.test == Test::IterationTimes => {
            let latency = &report.iterations.latency_seconds;
            let [p50, p99] =
                [latency.p50, latency.p99].map(|at| or_dash(at, show_time).replace(' ', "\u{a0}"));
            Some(format!("p50\u{a0}{p50} · p99\u{a0}{p99}"))
        }
        [_, Some(_)] if report.window == Window::Train => {
            numbers.last().map(|whole| format!("whole run {whole}"))
        }
        _ => None,
    };
    html! {
        div.tile.none[values[0].is_none()] {
            dt { (defined(metric.label(), metric.definition)) " " small { (long) } }
            dd {
                p.figure {
                    @if let Some(number) = numbers.first() { (number) }
                    @if let Some(unit) = unit { " " span.unit { (unit) } }
                }
                @if let Some(beside) = beside { p.beside { (beside) } }
                p.origin { (format::origin(report, metric.name)) }
            }
        }
    }
}

pub fn all_metrics(report: &Report) -> Markup {
    let trained = report.window == Window::Train;
    let mut columns = heads(&["Metric", "#Training", "#Whole run", "Unit", "Source, or the reason for null"]);
    if !trained {
        columns.remove(1);
    }
    let rows = report.metrics.each().map(|(metric, headline)| {
        let mut cells = vec![defined(metric.name, metric.definition), or_dash(headline, show).render()];
        cells.extend(trained.then(|| or_dash(report.metrics_whole_run.get(metric), show).render()));
        let origin = format::origin(report, metric.name);
        cells.extend([metric.unit.render(), html! { span.origin { (origin) } }]);
        (if headline.is_none() { "none" } else { "" }, cells)
    });
    section("All metrics", "", &table("metrics", &columns, rows))
}
