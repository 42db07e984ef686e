//! The page of one run.

use maud::{Markup, html};

use super::ending;
use super::energy::energy_by_phase;
use super::environment::environment;
use super::gate::gate;
use super::gpus::{each_gpu, over_time};
use super::iterations::iterations;
use super::metrics::{all_metrics, headline};
use crate::output::format;
use crate::report::Report;
use crate::text::units::{show_count, show_duration};

pub fn body(report: &Report) -> Markup {
    html! {
        (header(report))
        (gate(report))
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
        report.command.wall_seconds.map(show_duration),
        (report.iterations.count > 0).then(|| show_count(report.iterations.count, "iteration")),
        Some(format::gpus(report)).filter(|gpus| !gpus.is_empty()),
        report.job.host.clone(),
        format::started(report),
    ];
    html! {
        header {
            h1.command { (format::command(report)) }
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
