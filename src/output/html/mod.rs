//! A report as a page that opens in any browser and needs nothing else: no network and no script.
//!
//! Several reports make one page that compares them. Whatever came from a command is escaped by the
//! template language; what a reader could not see, or what would turn the direction of writing, is
//! replaced by signs that show it.

mod chart;
mod comparison;
mod energy;
mod gpus;
mod iterations;
mod metrics;
mod run;
mod series;
mod time_axis;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::output::{RenderOptions, format};
use crate::report::{Exit, NamedReport, Report};
use crate::text::sanitize::visible;

/// The page of one report, or the page that compares several.
pub fn render(reports: &[NamedReport], _: RenderOptions) -> String {
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

/// A section of the page; `note` is beside its title, if it is not empty.
fn section(title: &str, note: &str, content: &Markup) -> Markup {
    html! {
        section {
            h2 { (title) @if !note.is_empty() { small { (note) } } }
            (content)
        }
    }
}

/// A chart or a table with the names of its axes.
fn figure(title: &str, y_name: &str, x_name: &str, content: &Markup) -> Markup {
    html! {
        figure {
            figcaption { b { (title) } " " (y_name) span { (x_name) } }
            (content)
        }
    }
}

/// The reason, in the place of something that is not known.
fn missing(why: &str) -> Markup {
    html! { p.note { "– " (why) } }
}

/// A row of a table: its class, if it has one, and its cells.
type Row = (&'static str, Vec<Markup>);

/// A table whose rows begin with their names. The last cell of a short row is as wide as the rest. Numbers
/// are in the columns whose names begin with `#`.
fn table(class: &str, columns: &[Markup], rows: impl Iterator<Item = Row>) -> Markup {
    let given = |class: &str| Some(class.to_owned()).filter(|class| !class.is_empty());
    let is_number = |column: &Markup| column.0.starts_with('#');
    html! {
        div.scroll {
            table class=[given(class)] {
                thead {
                    tr {
                        @for column in columns {
                            th.number[is_number(column)] scope="col" { (PreEscaped(column.0.trim_start_matches('#'))) }
                        }
                    }
                }
                tbody {
                    @for (class, cells) in rows {
                        tr class=[given(class)] {
                            @for (i, (cell, column)) in cells.iter().zip(columns).enumerate() {
                                @let rest = columns.len() - i;
                                @let colspan = (i + 1 == cells.len() && rest > 1).then_some(rest);
                                @if i == 0 { th scope="row" { (cell) } }
                                @else { td.number[is_number(column)] colspan=[colspan] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The heads of columns.
fn heads(names: &[&str]) -> Vec<Markup> {
    names.iter().map(|name| html! { (name) }).collect()
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
