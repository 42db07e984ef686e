//! Lines for several iterations each, and jobs that resume or restart.

use super::{BATCH, argument, assert_metrics, core_line, header, line, read};
use crate::harness::assert_near;

#[test]
fn a_line_speaks_for_all_iterations_of_its_log_interval() {
    let ms = [900.0, 110.0, 105.0, 120.0];
    let lines: String = (1..=4u64).zip(ms).map(|(i, ms)| line(10 * i, 160.0 * i as f64, ms)).collect();
    let seconds = ms.iter().sum::<f64>() / 100.0;
    // Told by the arguments, or by the distance to the second line.
    for arguments in [argument("log_interval", 10.0), String::new()] {
        let report = read("", header() + &arguments + &lines);
        assert_metrics(&report, 40.0, seconds, 640.0);
        assert_eq!(report.at("iterations.first"), 1);
        assert_eq!(report.at("iterations.last"), 40);
    }
}

#[test]
fn a_single_line_speaks_for_its_log_interval_if_that_is_known() {
    let only = line(10, 160.0, 300.0);
    assert_metrics(&read("", header() + &argument("log_interval", 10.0) + &only), 10.0, 3.0, 160.0);
    let report = read("", header() + &only);
    assert_near(report.metric("al_seconds"), 0.3, 1e-9);
    assert_eq!(report.at("iterations.count"), 1);
}

#[test]
fn the_line_after_the_first_iteration_is_not_counted_twice() {
    // The second line's mean is over the first iteration, too: the timer was not reset.
    let every_ten = core_line(1, 16.0, 9000.0) + &core_line(10, 160.0, 1000.0) + &core_line(20, 320.0, 100.0);
    assert_metrics(&read("", header() + &every_ten), 20.0, 10.0 + 1.0, 320.0);
    let every_one = core_line(1, 16.0, 9000.0) + &core_line(2, 32.0, 4600.0) + &core_line(3, 48.0, 100.0);
    assert_metrics(&read("", header() + &every_one), 3.0, 9.2 + 0.1, 48.0);
    // One that stops there has made one iteration.
    assert_metrics(&read("", header() + &core_line(1, 16.0, 9000.0)), 1.0, 9.0, 16.0);
    // Before 0.16 there was no such line, and a second line speaks for itself alone.
    let before = line(1, 16.0, 9000.0) + &line(2, 32.0, 200.0);
    assert_metrics(&read("", header() + &before), 2.0, 9.2, 32.0);
}

#[test]
fn a_job_that_resumes_is_counted_from_where_it_resumes() {
    let resumed = " successfully loaded checkpoint from ckpt [ t 1/1, p 1/1 ] at iteration 5000\n";
    let lines: String = (5001..=5020).map(|i| line(i, BATCH * i as f64, 125.0)).collect();
    for told in [resumed, ""] {
        let report = read("", header() + told + &lines);
        assert_metrics(&report, 20.0, 2.5, 320.0);
        assert_eq!(report.at("iterations.first"), 5001);
    }
    let tens: String = (501..=504).map(|i| line(10 * i, BATCH * 10.0 * i as f64, 125.0)).collect();
    for told in [resumed, ""] {
        assert_metrics(&read("", header() + told + &tens), 40.0, 5.0, 640.0);
    }
    let core = core_line(5001, 16.0 * 5001.0, 9000.0) + &core_line(5010, 16.0 * 5010.0, 1000.0);
    assert_metrics(&read("", header() + resumed + &core), 10.0, 10.0, 160.0);
}

#[test]
fn a_job_that_restarts_from_a_checkpoint_is_counted_on() {
    let part = |from, to| (from..=to).map(|i| line(i, BATCH * i as f64, 100.0)).collect::<String>();
    let again = " successfully loaded checkpoint from ckpt [ t 1/1, p 1/1 ] at iteration 20\n\
                 [before the start of training step] datetime: 2025-03-01 12:30:00\n";
    let report = read("", header() + &part(1, 30) + again + &part(21, 40));
    assert_metrics(&report, 50.0, 5.0, 50.0 * BATCH);
    assert_eq!(report.at("iterations.last"), 40);
    assert!(
        report.warnings().iter().any(|warning| warning.contains("began again from an earlier iteration"))
    );
    // Nobody says so, but the numbers do.
    assert_metrics(&read("", header() + &part(1, 30) + &part(11, 40)), 60.0, 6.0, 60.0 * BATCH);
}

/// A session of Megatron Core 0.16: the first iteration takes a second, the others 0.2 s each.
fn core_session(start: u64, end: u64, log_interval: u64) -> String {
    let (mut log, mut seconds, mut iterations) = (String::new(), 0.0, 0.0);
    for i in start + 1..=end {
        let is_first = i == start + 1;
        seconds += if is_first { 1.0 } else { 0.2 };
        iterations += 1.0;
        if is_first || i % log_interval == 0 {
            log += &core_line(i, BATCH * i as f64, 1e3 * seconds / iterations);
        }
        if !is_first && i % log_interval == 0 {
            (seconds, iterations) = (0.0, 0.0);
        }
    }
    log
}

#[test]
fn each_session_of_a_restarted_job_has_its_line_after_the_first_iteration() {
    let begun = "[before the start of training step] datetime: 2025-03-01 12:30:00\n";
    let loaded = " successfully loaded checkpoint from ckpt [ t 1/1, p 1/1 ] at iteration 5\n";
    for (log_interval, told) in [(1, String::new()), (5, String::new()), (5, loaded.to_owned() + begun)] {
        let log = header() + &core_session(0, 20, log_interval) + &told + &core_session(5, 15, log_interval);
        let report = read("", log);
        assert_near(report.number("iterations.count"), 30.0, 0.0);
        assert_near(report.number("iterations.seconds"), 4.8 + 2.8, 1e-3);
    }
}

#[test]
fn a_job_that_resumes_without_a_word_has_its_line_after_the_first_iteration() {
    // The last of several nodes prints the iterations, the first one that a checkpoint was loaded.
    for (start, log_interval) in [(1000, 1), (5, 5), (7, 5), (9, 10)] {
        let report = read("", header() + &core_session(start, start + 20, log_interval));
        let last = report.number("iterations.last");
        let iterations = last - start as f64;
        assert_near(report.number("iterations.count"), iterations, 0.0);
        assert_near(report.number("iterations.seconds"), 0.8 + 0.2 * iterations, 1e-3);
    }
}
