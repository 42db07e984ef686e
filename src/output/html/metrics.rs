//! The metrics of a run: the headline as tiles, and all of them as a table.

use maud::{Markup, html};

use super::defined;
use crate::metrics::registry::{METRICS, Metrics};
use crate::output::format::{self, EnergyUnit, count, time, value};
use crate::output::{AEC, AL, AMU, IT, PCU, ST, TT};
use crate::report::Report;
use crate::report::Window;

pub fn headline(report: &Report) -> Markup {
    let counted = count(report.iterations.count, "iteration");
    let window = match (report.window, report.iterations.warmup) {
        (Window::Run, _) => "over the whole run".to_owned(),
        (Window::Generate, _) => "over the time in which tokens were generated".to_owned(),
        (Window::Train, 0) => format!("over {counted} of training"),
        (Window::Train, n) => format!("over {counted} of training, without {n} of warm-up"),
    };
    let energy = EnergyUnit::of([&report.metrics, &report.metrics_whole_run].map(|m| m.energy_joules));
    html! {
        section {
            h2 { "Metrics" small { (window) } }
            dl.tiles {
                @for headline in [AMU, PCU, AL, TT, ST, IT, AEC] {
                    @let show = |metrics: &Metrics| (headline.value)(metrics).map(|value| headline.show(value));
                    (tile(report, headline.label, headline.name, headline.unit, show))
                }
                (tile(report, "Energy", "energy_joules", "", |metrics| metrics.energy_joules.map(|joules| energy.show(Some(joules)))))
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
        ("al_seconds", _) => {
            let [p50, p99] = [latency.p50, latency.p99].map(|at| time(at).replace(' ', "\u{a0}"));
            Some(format!("p50\u{a0}{p50} · p99\u{a0}{p99}"))
        }
        (_, Some(whole)) if report.window == Window::Train => Some(format!("whole run {whole}")),
        _ => None,
    };
    html! {
        div.tile.none[shown.is_none()] {
            dt { (defined(label, definition)) " " small { (long) } }
            dd {
                p.figure { (number) @if !unit.is_empty() { " " span.unit { (unit) } } }
                @if let Some(beside) = beside { p.beside { (beside) } }
                p.origin { (format::origin(report, name)) }
            }
        }
    }
}

pub fn all_metrics(report: &Report) -> Markup {
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
                                td.origin { (format::origin(report, metric.name)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
