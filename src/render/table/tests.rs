use crate::render::samples::{ended, training, without_gpus, without_iterations};

use super::*;

#[test]
fn with_gpus() {
    for width in [120, 100, 80] {
        insta::assert_snapshot!(
            format!("with_gpus_{width}"),
            summary(&ended(training(8)), Some(width), false)
        );
    }
}

#[test]
fn for_a_file() {
    insta::assert_snapshot!("for_a_file", summary(&ended(training(8)), None, false));
}

#[test]
fn without_a_driver() {
    for width in [100, 80] {
        let mut report = ended(without_gpus());
        report.warnings = vec!["3 lines were too long to be read\x1b[1m".to_owned()];
        insta::assert_snapshot!(format!("without_gpus_{width}"), summary(&report, Some(width), false));
    }
}

#[test]
fn without_any_iterations() {
    let report = ended(without_iterations(8));
    insta::assert_snapshot!("without_iterations", summary(&report, Some(100), false));
}

#[test]
fn killed_and_nothing_known() {
    let mut report = ended(without_iterations(0));
    report.command.exit = Some(crate::model::report::Exit::Signal("SIGTERM".to_owned()));
    report.metrics = Default::default();
    report.metrics_whole_run = Default::default();
    insta::assert_snapshot!("nothing_known", summary(&report, Some(80), false));
}
