//! The metrics that people are shown first: their short names and how finely each is written.

use crate::metrics::registry::Metrics;
use crate::text::units::{show, show_exponent};

/// One metric as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Headline {
    pub label: &'static str,
    /// Its name in the report.
    pub name: &'static str,
    /// Empty where the label says it.
    pub unit: &'static str,
    pub value: fn(&Metrics) -> Option<f64>,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// Digits behind the point, in the summary and in the live table.
    Fixed { lasting: usize, live: usize, live_unit: &'static str },
    /// Four digits, and two with an exponent in the live table.
    Exponent,
    /// Four digits, wherever the point is.
    Digits,
    /// A ratio, written in percent.
    Percent,
}

impl Headline {
    /// As in the summary, without the unit.
    pub fn show(&self, value: f64) -> String {
        match self.form {
            Form::Fixed { lasting, .. } => format!("{value:.lasting$}"),
            Form::Exponent | Form::Digits => show(value),
            Form::Percent => format!("{:.1}", value * 100.0),
        }
    }

    /// As in the live table, with the unit as far as it is needed: every column counts.
    pub fn show_live(&self, value: f64) -> String {
        match self.form {
            Form::Fixed { live, live_unit, .. } => format!("{value:.live$}{live_unit}"),
            Form::Exponent => show_exponent(value, 1),
            Form::Percent => format!("{:.0} %", value * 100.0),
            Form::Digits if self.unit.is_empty() => show(value),
            Form::Digits => format!("{} {}", show(value), self.unit),
        }
    }
}

macro_rules! headline {
    ($label:literal, $name:ident, $unit:literal, $form:expr) => {
        Headline {
            label: $label,
            name: stringify!($name),
            unit: $unit,
            value: |metrics| metrics.$name,
            form: $form,
        }
    };
}

pub const AMU: Headline =
    headline!("AMU", amu_gb, "GB", Form::Fixed { lasting: 2, live: 1, live_unit: " GB" });
pub const PCU: Headline =
    headline!("PCU", pcu_ratio, "ratio", Form::Fixed { lasting: 3, live: 3, live_unit: "" });
pub const AL: Headline = headline!("AL", al_seconds, "s", Form::Digits);
pub const AL_P95: Headline = headline!("AL p95", al_p95_seconds, "s", Form::Digits);
pub const TT: Headline = headline!("TT", tt_tokens_per_param_per_sec, "tokens/param/s", Form::Exponent);
pub const ST: Headline = headline!("ST", st_samples_per_param_per_sec, "samples/param/s", Form::Exponent);
pub const IT: Headline = headline!("IT", it_tokens_per_sec, "tokens/s", Form::Digits);
pub const AEC: Headline =
    headline!("AEC", aec_watts, "W per GPU", Form::Fixed { lasting: 1, live: 0, live_unit: " W" });
pub const MFU: Headline = headline!("MFU", mfu_ratio, "%", Form::Percent);
pub const TOKENS: Headline = headline!("tokens/s", tokens_per_sec, "", Form::Digits);
pub const JOULES: Headline = headline!("J/token", joules_per_token, "", Form::Digits);
