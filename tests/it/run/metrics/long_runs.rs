//! Long runs, their history and their warm-up.

use super::{BATCH, assert_metrics, header, line, read};
use crate::harness::assert_near;

fn long_log(iterations: u64) -> String {
    let mut log = header();
    for i in 1..=iterations {
        log += &line(i, BATCH * i as f64, if i % 2 == 0 { 90.0 } else { 110.0 });
    }
    log
}

#[test]
fn throughput_does_not_grow_with_the_length_of_the_run() {
    // The original divided the tokens of the whole run by the time of its last 1000 iterations.
    let (short, long) = (read("", long_log(1000)), read("", long_log(20_000)));
    assert_metrics(&short, 1000.0, 100.0, 1000.0 * BATCH);
    assert_metrics(&long, 20_000.0, 2000.0, 20_000.0 * BATCH);
    for name in ["al_seconds", "tt_tokens_per_param_per_sec", "st_samples_per_param_per_sec"] {
        assert_near(long.metric(name), short.metric(name), 1e-9);
    }
}

#[test]
fn the_history_bounds_what_is_kept_for_plots_and_no_average() {
    let log = long_log(3000);
    let few = read("--history-size 10", &log);
    let many = read("--history-size 100000", &log);
    for (name, value) in many.at("metrics").as_object().expect("a table") {
        if name != "goodput_ratio" {
            assert_eq!(few.at("metrics")[name], *value, "{name}");
        }
    }
    assert_eq!(few.at("iterations"), many.at("iterations"));
    assert!(few.numbers("series.iterations.loss").len() <= 11);
    assert_eq!(many.numbers("series.iterations.loss").len(), 3000);
}

#[test]
fn the_warm_up_is_left_out_of_the_headline_and_is_in_the_whole_run() {
    let mut log = header();
    for i in 1..=25 {
        log += &line(i, BATCH * i as f64, if i <= 5 { 5000.0 } else { 200.0 });
    }
    let report = read("--warmup 5", &log);
    assert_metrics(&report, 20.0, 4.0, 20.0 * BATCH);
    assert_eq!(report.at("iterations.warmup"), 5);
    assert_eq!(report.at("iterations.first"), 6);
    assert_near(report.number("metrics_whole_run.al_seconds"), (25.0 + 4.0) / 25.0, 1e-9);
    let report = read("--warmup 25", &log);
    assert_eq!(report.at("iterations.count"), 0);
    assert_eq!(report.why_null("al_seconds"), "no iterations were counted: the warm-up took them all");
    assert_near(report.number("metrics_whole_run.al_seconds"), (25.0 + 4.0) / 25.0, 1e-9);
}
