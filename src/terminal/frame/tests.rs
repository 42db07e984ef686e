use console::measure_text_width;

use super::*;
use crate::report::samples::{training, without_gpus, without_iterations};

fn show(report: &Report, rows: u16, columns: u16) -> String {
    let lines = frame(report, Size { rows, columns }, false);
    for line in &lines {
        assert!(measure_text_width(line) <= usize::from(columns), "{line:?} is wider than {columns}");
    }
    lines.join("\n")
}

#[test]
fn eight_gpus() {
    for columns in [100, 80, 50] {
        insta::assert_snapshot!(format!("eight_gpus_{columns}"), show(&training(8), 40, columns));
    }
}

#[test]
fn one_gpu() {
    for columns in [100, 80, 50] {
        insta::assert_snapshot!(format!("one_gpu_{columns}"), show(&training(1), 40, columns));
    }
}

#[test]
fn no_gpus() {
    for columns in [100, 80, 50] {
        insta::assert_snapshot!(format!("no_gpus_{columns}"), show(&without_gpus(), 40, columns));
    }
}

#[test]
fn a_low_terminal_has_one_line_for_all_gpus_then_none_then_no_table() {
    let heights = [22, 10, 6, 5].map(|rows| show(&training(8), rows, 100));
    insta::assert_snapshot!("low_terminals", heights.join("\n\n"));
}

#[test]
fn before_the_first_iteration() {
    let mut report = without_iterations(1);
    report.command.wall_seconds = Some(12.0);
    let waiting = show(&report, 40, 100);
    report.command.wall_seconds = Some(75.0);
    let lost = show(&report, 40, 100);
    insta::assert_snapshot!("before_the_first_iteration", format!("{waiting}\n\n{lost}"));
}

#[test]
fn no_total_is_known() {
    let mut report = training(0);
    report.iterations.total = None;
    insta::assert_snapshot!("no_total", show(&report, 40, 100));
}

#[test]
fn a_missing_figure_has_its_reason() {
    let mut report = training(2);
    report.metrics.tt_tokens_per_param_per_sec = None;
    report.metrics.st_samples_per_param_per_sec = None;
    for name in ["tt_tokens_per_param_per_sec", "st_samples_per_param_per_sec"] {
        let why = "the log states no parameter count; --params 7.6B gives it";
        report.unavailable.insert(name.to_owned(), why.to_owned());
    }
    report.gpus[1].now = Default::default();
    insta::assert_snapshot!("missing_figures", show(&report, 40, 100));
}

#[test]
fn text_from_outside_cannot_move_the_cursor() {
    let mut report = training(1);
    report.log.profile = Some("evil\x1b[2J\r\n".to_owned());
    report.gpus[0].name = Some("H\x1b]0;x\x07100".to_owned());
    report.gpus.push(report.gpus[0].clone());
    let text = show(&report, 40, 100);
    assert!(text.contains("evil[2J") && !text.contains(['\x1b', '\r', '\x07']), "{text}");
}

#[test]
fn colours_do_not_change_the_width() {
    let lines = frame(&training(8), Size { rows: 40, columns: 80 }, true);
    assert!(lines.iter().any(|line| line.contains('\x1b')));
    assert!(lines.iter().all(|line| measure_text_width(line) <= 80));
}
