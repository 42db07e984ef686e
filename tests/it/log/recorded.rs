//! Logs of runs that were really made, on a CPU: what effllm makes of them, beside what the programs
//! counted and timed themselves.

use super::desk;

/// What `effllm parse --json` reports of a log in `fixtures/logs`.
fn report(log: &str) -> serde_json::Value {
    let log = format!("{}/fixtures/logs/{log}.log", env!("CARGO_MANIFEST_DIR"));
    let printed = desk().parse(&format!("--json '{log}'")).printed();
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    serde_json::from_str(&printed.stdout).expect("a report")
}

#[track_caller]
fn assert_within(value: &serde_json::Value, expected: f64, tolerance: f64) {
    let near = value.as_f64().is_some_and(|value| (value - expected).abs() <= tolerance * expected);
    assert!(near, "{value} is not {expected}");
}

#[test]
fn a_loop_that_evaluates_within_its_iterations_is_timed_by_the_others() {
    let report = report("nanogpt-recorded");
    let iterations = &report["iterations"];
    assert_eq!(iterations["count"], 13);
    assert_eq!(iterations["tokens"], 6656.0);
    // Iterations 0, 5 and 10 are printed with the time of the evaluation before them.
    assert_eq!(iterations["timed"], 10);
    // The loop's own mean over those ten, in milliseconds.
    let told = [138.0, 76.22, 37.17, 81.46, 138.48, 303.89, 249.39, 396.56, 255.96, 264.35];
    let mean = told.iter().sum::<f64>() / 1e4;
    assert_within(&report["metrics"]["al_seconds"], mean, 1e-9);
    assert_within(&report["metrics"]["tokens_per_sec"], 512.0 / mean, 1e-9);
}

#[test]
fn lightnings_bars_tell_the_batches_of_all_epochs() {
    let report = report("lightning-recorded");
    assert_eq!(report["iterations"]["count"], 16);
    // Two times eight batches of 0.38 s; the bar tells whole seconds.
    assert_within(&report["metrics"]["al_seconds"], 0.38, 0.1);
    assert_eq!(self::report("lightning-rich-recorded")["iterations"]["count"], 12);
}

#[test]
fn micro_batches_are_parts_of_a_batch() {
    let report = report("litgpt-recorded");
    assert_eq!(report["iterations"]["count"], 24);
    assert_eq!(report["iterations"]["samples"], 96.0);
    assert_eq!(report["iterations"]["tokens"], 6144.0);
    assert_eq!(report["provenance"]["samples_per_sec"], "global batch size × optimizer steps");
}

#[test]
fn requests_of_parallel_slots_are_not_timed_as_if_one_followed_the_other() {
    // The client's figures: 4400 tokens while any request was served, 3017 tokens/s if their times are
    // added up.
    let report = report("llama-cpp-slots-recorded");
    assert_within(&report["metrics"]["it_tokens_per_sec"], 9056.0, 0.01);
    let report = self::report("llama-cpp-unclocked-recorded");
    assert!(report["metrics"]["it_tokens_per_sec"].is_null());
    let why = report["unavailable"]["it_tokens_per_sec"].as_str().expect("a reason");
    assert!(why.contains("no timestamps"), "{why}");
}
