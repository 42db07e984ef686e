use crate::report::samples::{ended, training, without_gpus, without_iterations};

use super::*;

#[test]
fn with_gpus() {
    for width in [120, 100, 80] {
        insta::assert_snapshot!(
            format!("with_gpus_{width}"),
            summary(&ended(training(8)), RenderOptions { width: Some(width), colour: false })
        );
    }
}

#[test]
fn a_narrow_terminal_shows_less_and_wraps_no_number_and_no_word() {
    let mut of_a_node = ended(without_gpus());
    of_a_node.unavailable.values_mut().for_each(|why| *why += " or could not be loaded from where it is");
    for report in [ended(training(8)), ended(without_iterations(8)), of_a_node] {
        let wide = summary(&report, RenderOptions { width: Some(100), colour: false });
        for width in 40..100 {
            let shown = summary(&report, RenderOptions { width: Some(width), colour: false });
            assert!(shown.lines().count() <= 2 * wide.lines().count(), "{width}:\n{shown}");
            for line in shown.lines() {
                assert!(console::measure_text_width(line) <= width, "{width}: {line}\n{shown}");
                for word in line.split_whitespace() {
                    let is_whole = wide.contains(word) || word.ends_with('…') || word == "·";
                    assert!(is_whole, "{width}: {word} is none\n{shown}");
                }
            }
        }
    }
    for width in [70, 60, 45, 40] {
        insta::assert_snapshot!(
            format!("with_gpus_{width}"),
            summary(&ended(training(8)), RenderOptions { width: Some(width), colour: false })
        );
    }
    insta::assert_snapshot!(
        "without_gpus_45",
        summary(&ended(without_gpus()), RenderOptions { width: Some(45), colour: false })
    );
}

#[test]
fn for_a_file() {
    insta::assert_snapshot!("for_a_file", summary(&ended(training(8)), RenderOptions::default()));
}

#[test]
fn without_a_driver() {
    for width in [100, 80] {
        let mut report = ended(without_gpus());
        report.warnings = vec!["3 lines were too long to be read\x1b[1m".to_owned()];
        insta::assert_snapshot!(
            format!("without_gpus_{width}"),
            summary(&report, RenderOptions { width: Some(width), colour: false })
        );
    }
}

#[test]
fn without_any_iterations() {
    let report = ended(without_iterations(8));
    insta::assert_snapshot!(
        "without_iterations",
        summary(&report, RenderOptions { width: Some(100), colour: false })
    );
}

#[test]
fn killed_and_nothing_known() {
    let mut report = ended(without_iterations(0));
    report.command.exit = Some(crate::report::Exit::Signal("SIGTERM".to_owned()));
    report.metrics = Default::default();
    report.metrics_whole_run = Default::default();
    insta::assert_snapshot!(
        "nothing_known",
        summary(&report, RenderOptions { width: Some(80), colour: false })
    );
}
