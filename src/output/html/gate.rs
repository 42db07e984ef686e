//! What was required of a run, and what came of it.

use maud::{Markup, html};

use crate::output::gate::{came_to, got, margin};
use crate::report::Report;
use crate::report::gate::{Level, Verdict};

/// Nothing where nothing was required.
pub fn gate(report: &Report) -> Markup {
    let Some(gate) = &report.gate else { return html! {} };
    html! {
        section.gate {
            h2 { "Gate" small.(class(gate.verdict, Level::Require)) { (came_to(gate)) } }
            div.scroll {
                table {
                    thead {
                        tr {
                            th scope="col" { "What is required" }
                            th scope="col" { "Verdict" }
                            th.number scope="col" { "Got" }
                            th scope="col" { "Margin, or why there is no verdict" }
                        }
                    }
                    tbody {
                        @for result in &gate.results {
                            tr {
                                th.code scope="row" { (result.expression) }
                                td { span.pill.(class(result.verdict, result.level)) { (word(result.verdict, result.level)) } }
                                td.number { (got(result)) }
                                td.origin { (margin(result)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn word(verdict: Verdict, level: Level) -> &'static str {
    match (verdict, level) {
        (Verdict::Pass, _) => "pass",
        (Verdict::Fail, Level::Require) => "fail",
        (Verdict::Fail, Level::Warn) => "warning",
        (Verdict::NoData, _) => "no data",
    }
}

fn class(verdict: Verdict, level: Level) -> &'static str {
    match (verdict, level) {
        (Verdict::Pass, _) => "good",
        (Verdict::Fail, Level::Require) => "bad",
        (Verdict::Fail, Level::Warn) | (Verdict::NoData, _) => "doubtful",
    }
}
