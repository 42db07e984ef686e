//! A report as the lines of the live table.

use std::collections::BTreeMap;

use console::measure_text_width;

use super::gpu_rows::{gpu_rows, gpus_in_one_line};
use super::line::{Paint, spread};
use super::progress::progress_line;
use super::screen::Size;
use crate::output::{self, Headline};
use crate::report::Report;
use crate::text::sanitize::{clip, plain};

/// The table for a terminal of this size: at most half of its rows, no line wider than it is.
/// Empty where the terminal is too small for a table.
pub fn frame(report: &Report, size: Size, colour: bool) -> Vec<String> {
    let room = usize::from(size.rows / 2);
    let columns = usize::from(size.columns);
    if room < 3 || columns < 20 {
        return Vec::new();
    }
    let paint = Paint { colour };
    let mut lines = vec![rule(report, columns, paint), progress_line(report, columns, paint)];
    lines.extend(metrics_line(report, columns, paint));
    lines.extend(notes(report).iter().map(|note| paint.dim(&format!(" {note}"))));
    let gpus = gpu_rows(report, columns, paint);
    if lines.len() + gpus.len() <= room {
        lines.extend(gpus);
    } else {
        lines.extend(gpus_in_one_line(report, columns, paint));
    }
    lines.truncate(room);
    lines.iter().map(|line| clip(line, columns)).collect()
}

/// The line that sets the table off from the child's output and says what is measured.
fn rule(report: &Report, columns: usize, paint: Paint) -> String {
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
    paint.dim(&format!("{text}{}", "─".repeat(columns.saturating_sub(measure_text_width(&text)))))
}

fn gpu_names(report: &Report) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for gpu in &report.gpus {
        let name = plain(gpu.name.as_deref().unwrap_or("GPU"));
        *names.entry(name.trim_start_matches("NVIDIA ").to_owned()).or_default() += 1;
    }
    names
}

/// The metrics so far, over the headline window. What can never be known here is left out.
fn metrics_line(report: &Report, columns: usize, paint: Paint) -> Option<String> {
    let with_gpus = !report.gpus.is_empty();
    let with_iterations = report.iterations.count > 0;
    let shown = [
        (output::AMU, with_gpus),
        (output::PCU, with_gpus),
        (output::AL, with_iterations),
        (output::TT, with_iterations),
        (output::ST, with_iterations),
        (output::IT, false),
        (output::AEC, with_gpus),
        (output::MFU, false),
        (output::JOULES, false),
        (output::TOKENS, false),
    ];
    let parts: Vec<String> = shown
        .into_iter()
        .filter_map(|(metric, expected)| {
            let value = (metric.value)(&report.metrics);
            (value.is_some() || expected).then(|| part(metric, value, paint))
        })
        .collect();
    (!parts.is_empty()).then(|| spread(&parts, columns))
}

fn part(metric: Headline, value: Option<f64>, paint: Paint) -> String {
    let value = value.map_or("–".to_owned(), |value| metric.show_live(value));
    format!("{} {value}", paint.dim(metric.label))
}

/// Why figures are missing, once for each reason.
fn notes(report: &Report) -> Vec<String> {
    let reason = |name: &str| report.unavailable.get(name).map(|reason| plain(reason));
    if report.gpus.is_empty() {
        let reason = reason(output::AMU.name).map_or(String::new(), |reason| format!(": {reason}"));
        return vec![format!("no GPU figures{reason}")];
    }
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    // The first seconds have no figures yet, which needs no explanation.
    let of_gpus: &[_] =
        if report.command.wall_seconds > Some(10.0) { &[output::AMU, output::PCU, output::AEC] } else { &[] };
    let of_iterations: &[_] =
        if report.iterations.count > 0 { &[output::AL, output::TT, output::ST] } else { &[] };
    for metric in of_gpus.iter().chain(of_iterations) {
        if let (None, Some(reason)) = ((metric.value)(&report.metrics), reason(metric.name)) {
            by_reason.entry(reason).or_default().push(metric.label);
        }
    }
    by_reason.iter().map(|(reason, labels)| format!("no {}: {reason}", labels.join(", "))).collect()
}

#[cfg(test)]
mod tests;
