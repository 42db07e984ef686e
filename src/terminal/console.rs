//! The console lines of `--live log`, in the form of the original EfficientLLM monitor, for those
//! who read them by script.

use std::fmt::Write as _;

use crate::report::Report;
use crate::text::units::show_exponent;

/// The lines for the report's last iteration; the caller decides when they are due.
pub fn console_lines(report: &Report) -> String {
    let metrics = &report.metrics;
    let iteration = report.iterations.last.map_or("n/a".to_owned(), |last| last.to_string());
    let mut lines = format!("[EfficientLLM Metrics] Iteration {iteration}:\n");
    let fixed = |decimals: usize| move |value: f64| format!("{value:.decimals$}");
    let exponent = |value: f64| show_exponent(value, 2);
    let mut line = |name: &str, value: Option<f64>, show: &dyn Fn(f64) -> String| {
        let _ = writeln!(lines, "  {name}: {}", value.map_or("n/a".to_owned(), show));
    };
    line("Loss", report.iterations.loss_last, &fixed(6));
    line("AMU (GB)", metrics.amu_gb, &fixed(2));
    line("PCU (Ratio)", metrics.pcu_ratio, &fixed(3));
    line("AL (Seconds)", metrics.al_seconds, &fixed(4));
    line("TT (Tokens/Param/Sec)", metrics.tt_tokens_per_param_per_sec, &exponent);
    line("ST (Samples/Param/Sec)", metrics.st_samples_per_param_per_sec, &exponent);
    if metrics.it_tokens_per_sec.is_some() {
        line("IT (Tokens/Sec)", metrics.it_tokens_per_sec, &fixed(2));
    }
    line("AEC (Watts)", metrics.aec_watts, &fixed(2));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::samples::{training, without_gpus};

    #[test]
    fn the_lines_have_the_originals_form() {
        let mut inference = without_gpus();
        inference.metrics.it_tokens_per_sec = Some(1234.5);
        inference.iterations.loss_last = None;
        let lines = console_lines(&training(8)) + "\n" + &console_lines(&inference);
        insta::assert_snapshot!("console_lines", lines);
    }
}
