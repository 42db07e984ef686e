//! The requirements on a run and their verdicts.

use maud::{Markup, html};

use crate::output::gate::{got, margin, verdict, word};
use crate::report::Report;
use crate::report::gate::{Level, Verdict};

/// Nothing for a run without requirements.
pub fn gate(report: &Report) -> Markup {
    let Some(gate) = &report.gate else { return html! {} };
    html! {
        section.gate {
            h2 { "Gate" small.(class(gate.verdict, Level::Require)) { (verdict(gate)) } }
            div.scroll {
                table {
                    thead {
                        tr {
                            th scope="col" { "Requirement" }
                            th scope="col" { "Verdict" }
                            th.number scope="col" { "Got" }
                            th scope="col" { "Margin, or the reason for no verdict" }
                        }
                    }
                    tbody {
                        @for result in &gate.results {
                            tr {
                                th.code scope="row" { (result.expression) }
                                td { span.pill.(class(result.verdict, result.level)) { (word(result)) } }
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

fn class(verdict: Verdict, level: Level) -> &'static str {
    match (verdict, level) {
        (Verdict::Pass, _) => "good",
        (Verdict::Fail, Level::Require) => "bad",
        (Verdict::Fail, Level::Warn) | (Verdict::NoData, _) => "uncertain",
    }
}
