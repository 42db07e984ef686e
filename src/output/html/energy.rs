//! Where the energy of a run went.

use maud::{Markup, html};

use crate::metrics::window::Basis;
use crate::output::format;
use crate::report::{Phase, PhaseKind, Report};
use crate::text::units::{EnergyUnit, or_dash, show, show_count, show_duration};

pub fn energy_by_phase(report: &Report) -> Markup {
    let known = || report.phases.values().filter_map(Phase::energy_joules);
    let whole = whole(report);
    if known().all(|joules| joules <= 0.0) {
        return html! {
            @if !report.gpus.is_empty() {
                section {
                    h2 { "Where the energy went" }
                    p.note { "– " (why_no_phases(report)) }
                }
            }
        };
    }
    let unit = EnergyUnit::of(known().map(Some).chain([whole]));
    html! {
        section.phases {
            h2 {
                "Where the energy went"
                small {
                    @match whole {
                        Some(_) => { (or_dash(whole, |joules| unit.show(joules))) " in " (show_count(report.gpus.len() as u64, "GPU")) },
                        None => "incomplete: readings are missing where there is a –",
                    }
                }
            }
            (energy_bar(report, 1.0))
            div.scroll {
                table {
                    thead {
                        tr {
                            th scope="col" { "Phase" }
                            th.number scope="col" { "Time" }
                            th.number scope="col" { "Energy" }
                            th.number scope="col" { "Share" }
                            th.number scope="col" { "Mean power" }
                        }
                    }
                    tbody {
                        @for (kind, phase) in &report.phases {
                            @let seconds = phase.sums.seconds;
                            @let joules = phase.energy_joules();
                            @let share = joules.zip(whole).map(|(joules, whole)| 100.0 * joules / whole);
                            @let power = joules.map(|joules| joules / seconds);
                            tr {
                                th scope="row" { i.(phase_class(*kind)) {} (format::phase(*kind)) }
                                td.number { (show_duration(seconds)) }
                                td.number { (or_dash(joules, |joules| unit.show(joules))) }
                                td.number { (or_dash(share, |share| format!("{share:.1} %"))) }
                                td.number { (or_dash(power, |power| show(power) + " W")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The energy of all phases; `None` where that of one of them is not known, or there was none.
pub fn whole(report: &Report) -> Option<f64> {
    let joules = report.phases.values().map(Phase::energy_joules).sum::<Option<f64>>();
    joules.filter(|joules| *joules > 0.0 && joules.is_finite())
}

fn why_no_phases(report: &Report) -> &str {
    match report.metrics.energy_joules {
        None => format::why_unknown(report, |basis| basis == Basis::Power),
        Some(_) => "without iterations there are no phases",
    }
}

fn phase_class(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Startup => "startup",
        PhaseKind::Warmup => "warmup",
        PhaseKind::Train => "training",
        PhaseKind::Pause => "pause",
        PhaseKind::Gap => "interval",
        PhaseKind::Generate => "generate",
        PhaseKind::Suspended => "suspended",
        PhaseKind::After => "after",
    }
}

/// The phases side by side, as wide as their energy, and all of them a share of the whole width;
/// nothing where that of one of them is not known.
pub fn energy_bar(report: &Report, share: f64) -> Markup {
    let known = report.phases.iter().filter_map(|(kind, phase)| Some((*kind, phase.energy_joules()?)));
    html! {
        @if let Some(whole) = whole(report) {
            div.energy aria-hidden="true" style={ "width:" (format!("{:.2}%", 100.0 * share.clamp(0.0, 1.0))) } {
                @for (name, joules) in known {
                    div.(phase_class(name)) style={ "flex-grow:" (format!("{:.4}", joules.max(0.0) / whole)) } {}
                }
            }
        }
    }
}
