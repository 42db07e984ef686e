//! Where the energy of a run went.

use maud::{Markup, Render, html};

use super::{heads, missing, section, table};
use crate::metrics::window::Basis;
use crate::output::format;
use crate::report::{Phase, PhaseKind, Report};
use crate::text::units::{EnergyUnit, or_dash, show, show_count, show_duration};

const TITLE: &str = "Where the energy went";

pub fn energy_by_phase(report: &Report) -> Markup {
    let known = || report.phases.values().filter_map(Phase::energy_joules);
    let whole = whole(report);
    if report.gpus.is_empty() && known().next().is_none() {
        return html! {};
    }
    if known().all(|joules| joules <= 0.0) {
        return section(TITLE, "", &missing(why_no_phases(report)));
    }
    let unit = EnergyUnit::of(known().map(Some).chain([whole]));
    let sum = match whole {
        Some(joules) => format!("{} in {}", unit.show(joules), show_count(report.gpus.len() as u64, "GPU")),
        None => "incomplete: readings are missing where there is a –".to_owned(),
    };
    let row = |(kind, phase): (&PhaseKind, &Phase)| {
        let joules = phase.energy_joules();
        let share = joules.zip(whole).map(|(joules, whole)| 100.0 * joules / whole);
        let power = joules.map(|joules| joules / phase.sums.seconds);
        let cells = vec![
            html! { i class=(phase_class(*kind)) {} (format::phase(*kind)) },
            show_duration(phase.sums.seconds).render(),
            or_dash(joules, |joules| unit.show(joules)).render(),
            or_dash(share, |share| format!("{share:.1} %")).render(),
            or_dash(power, |power| show(power) + " W").render(),
        ];
        ("", cells)
    };
    let columns = heads(&["Phase", "#Time", "#Energy", "#Share", "#Mean power"]);
    let table = table("", &columns, report.phases.iter().map(row));
    html! { div.phases { (section(TITLE, &sum, &html! { (energy_bar(report, 1.0)) (table) })) } }
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

/// The phase's colour in the style sheet.
fn phase_class(kind: PhaseKind) -> String {
    format!("phase-{}", format::name_of(&kind))
}

/// The phases side by side, as wide as their energy, and all of them a share of the whole width;
/// nothing where that of one of them is not known.
pub fn energy_bar(report: &Report, share: f64) -> Markup {
    let known = report.phases.iter().filter_map(|(kind, phase)| Some((*kind, phase.energy_joules()?)));
    html! {
        @if let Some(whole) = whole(report) {
            div.energy aria-hidden="true" style={ "width:" (format!("{:.2}%", 100.0 * share.clamp(0.0, 1.0))) } {
                @for (kind, joules) in known {
                    div class=(phase_class(kind)) style={ "flex-grow:" (format!("{:.4}", joules.max(0.0) / whole)) } {}
                }
            }
        }
    }
}
