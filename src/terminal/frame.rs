//! A report as the lines of the live table.

use std::collections::BTreeMap;

use console::measure_text_width;

use super::gpu_rows::{gpu_rows, gpus_in_one_line};
use super::progress::progress_line;
use super::screen::Size;
use crate::metrics::registry::{Headline, METRICS, Metric, Show};
use crate::metrics::window::Basis;
use crate::output::layout::line_of_parts;
use crate::output::{RenderOptions, format};
use crate::report::Report;
use crate::text::sanitize::{clip, plain};
use crate::text::units::DASH;

/// The table for a terminal of this size: at most half of its rows, no line wider than it is.
/// Empty where the terminal is too small for a table.
pub fn frame(report: &Report, size: Size, colour: bool) -> Vec<String> {
    let room = usize::from(size.rows / 2);
    let columns = usize::from(size.columns);
    if room < 3 || columns < 20 {
        return Vec::new();
    }
    let options = RenderOptions { width: Some(columns), colour };
    let mut lines = vec![rule(report, columns, options), progress_line(report, columns, options)];
    lines.extend(metrics_line(report, columns, options));
    lines.extend(notes(report).iter().map(|note| options.dim(&format!(" {note}"))));
    let gpus = gpu_rows(report, options);
    if lines.len() + gpus.len() <= room {
        lines.extend(gpus);
    } else {
        lines.extend(gpus_in_one_line(report, columns, options));
    }
    lines.truncate(room);
    lines.iter().map(|line| clip(line, columns)).collect()
}

/// The line above the table: the profile and the GPUs.
fn rule(report: &Report, columns: usize, options: RenderOptions) -> String {
    let mut text = "── effllm".to_owned();
    if let Some(profile) = &report.log.profile {
        let source = report.log.profile_source.as_deref().unwrap_or_default();
        let why = match source.split_whitespace().next() {
            Some(flag) if flag.starts_with("--") => flag,
            _ => "detected",
        };
        text.push_str(&plain(&format!(" · {profile} ({why})")));
    }
    for (name, count) in gpu_names(report) {
        text.push_str(&format!(" · {count} × {name}"));
    }
    let text = clip(&text, columns.saturating_sub(3)) + " ";
    options.dim(&format!("{text}{}", "─".repeat(columns.saturating_sub(measure_text_width(&text)))))
}

fn gpu_names(report: &Report) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for gpu in &report.gpus {
        let name = plain(gpu.name.as_deref().unwrap_or("GPU"));
        *names.entry(name.trim_start_matches("NVIDIA ").to_owned()).or_default() += 1;
    }
    names
}

/// The metrics so far, over the headline window, without those that cannot be known.
fn metrics_line(report: &Report, columns: usize, options: RenderOptions) -> Option<String> {
    let expected = |metric: &Metric| {
        metric.headline == Headline::Always
            && (metric.is_based_on(Basis::is_of_gpus) && !report.gpus.is_empty()
                || metric.is_based_on(Basis::is_of_training) && report.iterations.count > 0)
    };
    let parts = METRICS.iter().filter_map(|metric| {
        let form = metric.live?;
        let value = match report.metrics.get(metric) {
            Some(value) => format::number(form, value),
            None if expected(metric) => DASH.to_owned(),
            None => return None,
        };
        // Every column counts: no unit that the number or the label states.
        let states_unit =
            metric.label() == metric.unit || matches!(form, Show::Exponent(_) | Show::Percent(_));
        let unit = if states_unit || value == DASH { "" } else { metric.unit };
        Some(format!("{} {value} {unit}", options.dim(metric.label())).trim_end().to_owned())
    });
    let parts: Vec<String> = parts.collect();
    line_of_parts(&parts, columns - 1).map(|line| format!(" {line}"))
}

/// Why headline metrics are null, a line for each reason.
fn notes(report: &Report) -> Vec<String> {
    if report.gpus.is_empty() {
        let reason = plain(format::why_unknown(report, Basis::is_of_gpus));
        let separator = if reason.is_empty() { "" } else { ": " };
        return vec![format!("no GPU figures{separator}{reason}")];
    }
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for metric in Metric::headline().filter(|metric| metric.live.is_some()) {
        // In the first seconds no value is known yet, which needs no explanation.
        let of_gpus = metric.is_based_on(Basis::is_of_gpus) && report.command.wall_seconds > Some(10.0);
        let of_training = metric.is_based_on(Basis::is_of_training) && report.iterations.count > 0;
        let reason = report.unavailable.get(metric.name).filter(|_| of_gpus || of_training);
        if let (None, Some(reason)) = (report.metrics.get(metric), reason) {
            by_reason.entry(plain(reason)).or_default().push(metric.label());
        }
    }
    by_reason.iter().map(|(reason, labels)| format!("no {}: {reason}", labels.join(", "))).collect()
}

#[cfg(test)]
mod tests;
