//! The console lines of `--live log`, in the form of the original EfficientLLM monitor, for those
//! who read them by script.

use std::fmt::Write as _;

use crate::metrics::registry::{Metric, Show};
use crate::metrics::window::Basis;
use crate::output::format;
use crate::report::Report;

/// The lines for the report's last iteration; the caller decides when they are due.
pub fn console_lines(report: &Report) -> String {
    let known =
        |form: Show, value: Option<f64>| value.map_or("n/a".to_owned(), |value| format::number(form, value));
    let iteration = report.iterations.last.map_or("n/a".to_owned(), |last| last.to_string());
    let loss = known(Show::Fixed(6), report.iterations.loss_last);
    let mut lines = format!("[EfficientLLM Metrics] Iteration {iteration}:\n  Loss: {loss}\n");
    for (metric, label, form) in Metric::originals() {
        let value = report.metrics.get(metric);
        if value.is_some() || !metric.basis.contains(&Basis::GeneratedTokens) {
            let _ = writeln!(lines, "  {label}: {}", known(form, value));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{training, without_gpus};

    #[test]
    fn the_lines_have_the_originals_form() {
        let mut inference = without_gpus();
        inference.metrics.it_tokens_per_sec = Some(1234.5);
        inference.iterations.loss_last = None;
        let lines = console_lines(&training(8)) + "\n" + &console_lines(&inference);
        insta::assert_snapshot!("console_lines", lines);
    }
}
