//! A report as a page that opens in any browser and needs nothing else: no network and no script.
//!
//! Several reports make one page that compares them. Whatever came from a command is escaped by the
//! template language; what a reader could not see, or what would turn the direction of writing, is
//! replaced by signs that show it.

mod chart;
mod comparison;
mod energy;
mod environment;
mod gate;
mod gpus;
mod iterations;
mod metrics;
mod run;
mod series;
mod time_axis;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{About, Render, RenderOptions, ReportFormat};
use crate::output::format;
use crate::report::{Exit, NamedReport, Report};
use crate::text::sanitize::visible;

/// The page of one report, or the page that compares several.
#[derive(Debug)]
pub struct Html;

impl ReportFormat for Html {
    fn about(&self) -> About {
        About { name: "html", help: "A web page in one file", extensions: &["html", "htm"] }
    }

    fn render(&self, reports: &[NamedReport], _: RenderOptions) -> String {
        html(reports)
    }

    fn comparison(&self) -> Option<Render> {
        Some(|reports, _| html(reports))
    }
}

fn html(reports: &[NamedReport]) -> String {
    let page = match reports {
        [(_, report)] => page(&format::command(report), &run::body(report)),
        reports => page("Comparison of runs", &comparison::body(reports)),
    };
    page.into_string().chars().map(visible).collect()
}

/// Nothing may be fetched, and no script may run, whatever got into the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

fn page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) " · effllm" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main { (body) }
                footer { "effllm " (env!("CARGO_PKG_VERSION")) " · This page is one file; it fetches nothing." }
            }
        }
    }
}

/// A word whose definition shows by pointer, focus or tap.
fn defined(word: &str, definition: &str) -> Markup {
    html! {
        span.term tabindex="0" {
            // A name may be broken after its underscores.
            @for part in word.split_inclusive('_') { (part) wbr; }
            span.tip role="tooltip" { (definition) }
        }
    }
}

/// How the run ended, in its colour.
fn ending(report: &Report) -> Markup {
    let class = match &report.command.exit {
        Some(Exit::Code(0)) => "good",
        Some(_) => "bad",
        None => "",
    };
    html! { span.pill.(class) { (format::ending(report)) } }
}
