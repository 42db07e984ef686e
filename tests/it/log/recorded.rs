//! Logs of runs that were really made, on a CPU: what effllm makes of them, beside what the programs
//! counted and timed themselves.

use crate::harness::{ROOT, Report, TestEnv, assert_near};

/// The report of `effllm parse --json` on a log in `fixtures/logs`.
fn report(log: &str) -> Report {
    let log = format!("{ROOT}/fixtures/logs/{log}.log");
    Report::parse(&TestEnv::new().effllm(["parse", "--json", &log]).done().printed())
}

#[test]
fn a_loop_that_evaluates_within_its_iterations_is_timed_by_the_others() {
    let report = report("nanogpt-recorded");
    assert_eq!(report.at("iterations.count"), 13);
    assert_eq!(report.number("iterations.tokens"), 6656.0);
    // Iterations 0, 5 and 10 are printed with the time of the evaluation before them.
    assert_eq!(report.at("iterations.timed"), 10);
    // The loop's own mean over those ten, in milliseconds.
    let told = [138.0, 76.22, 37.17, 81.46, 138.48, 303.89, 249.39, 396.56, 255.96, 264.35];
    let mean = told.iter().sum::<f64>() / 1e4;
    assert_near(report.metric("al_seconds"), mean, 1e-9);
    assert_near(report.metric("tokens_per_sec"), 512.0 / mean, 1e-9);
}

#[test]
fn lightnings_bars_tell_the_batches_of_all_epochs() {
    let report = report("lightning-recorded");
    assert_eq!(report.at("iterations.count"), 16);
    // The bar shows whole seconds, which do not time two epochs of 3 s.
    assert!(report.why_null("al_seconds").contains("too coarse"), "{}", report.why_null("al_seconds"));
    assert_eq!(self::report("lightning-rich-recorded").at("iterations.count"), 12);
}

#[test]
fn micro_batches_are_parts_of_a_batch() {
    let report = report("litgpt-recorded");
    assert_eq!(report.at("iterations.count"), 24);
    assert_eq!(report.number("iterations.samples"), 96.0);
    assert_eq!(report.number("iterations.tokens"), 6144.0);
    // The log has a line for every second one, with the time of that one.
    let why = report.why_null("samples_per_sec");
    assert!(why.contains("time of one iteration of several"), "{why}");
}

#[test]
fn requests_of_parallel_slots_are_not_timed_as_if_one_followed_the_other() {
    // The client's figures: 4400 tokens while any request was served, 3017 tokens/s if their times are
    // added up.
    let report = report("llama-cpp-slots-recorded");
    assert_near(report.metric("it_tokens_per_sec"), 9056.0, 0.01);
    let report = self::report("llama-cpp-unclocked-recorded");
    let why = report.why_null("it_tokens_per_sec");
    assert!(why.contains("no timestamps"), "{why}");
}
