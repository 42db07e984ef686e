//! The metrics are those of their definitions.

use serde_json::Value;

use super::{BATCH, LENGTH, PARAMETERS, argument, assert_metrics, header, line, read};
use crate::harness::{TestEnv, assert_near};

#[test]
fn latency_and_throughput_are_what_they_are_defined_as() {
    let mut log = header();
    let ms = |i: u64| 100.0 + 1.5 * i as f64;
    for i in 1..=50 {
        log += &line(i, BATCH * i as f64, ms(i));
    }
    let report = read("", log);
    let seconds = (1..=50).map(ms).sum::<f64>() / 1e3;
    assert_metrics(&report, 50.0, seconds, 50.0 * BATCH);
    // Percentiles are known to three digits.
    assert_near(report.metric("al_p50_seconds"), ms(25) / 1e3, 2e-3);
    assert_near(report.metric("al_p95_seconds"), ms(48) / 1e3, 2e-3);
    assert_near(report.metric("al_p99_seconds"), ms(50) / 1e3, 2e-3);
    assert_near(report.number("iterations.latency_seconds.max"), ms(50) / 1e3, 1e-9);
    assert_eq!(report.at("iterations.first"), 1);
    assert_eq!(report.at("iterations.last"), 50);
    assert_eq!(report.at("iterations.total"), 20000);
    assert_eq!(report.number("iterations.loss_last"), 11.0);
    assert_eq!(report.text("log.profile"), "megatron");
    assert_eq!(report.at("log.records"), 50);
    assert_eq!(report.at("metrics_whole_run.al_seconds"), report.at("metrics.al_seconds"));
}

#[test]
fn samples_are_counted_not_derived_where_the_log_counts_them() {
    // A batch size that ramps up: 8, 16, 24, …
    let mut log = header();
    let consumed = |i: u64| 8.0 * (i * (i + 1) / 2) as f64;
    for i in 1..=20 {
        log += &line(i, consumed(i), 250.0);
    }
    assert_metrics(&read("", log), 20.0, 5.0, consumed(20));
}

#[test]
fn without_counts_or_sizes_throughput_is_null_and_says_what_to_give() {
    let log: String = (1..=5).map(|i| format!("step {i} took 200.0 ms\n")).collect();
    let env = TestEnv::new();
    env.write("train.log", log);
    let with = |options: &[&str]| {
        let pattern = r"step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+)";
        let mut arguments = vec!["run", "--quiet", "--pattern", pattern];
        arguments.extend(options);
        arguments.extend(["--", "cat", "train.log"]);
        env.effllm(arguments).done().report()
    };
    let report = with(&[]);
    assert_near(report.metric("al_seconds"), 0.2, 1e-9);
    assert!(report.why_null("st_samples_per_param_per_sec").contains("--global-batch-size N gives it"));
    assert!(report.why_null("tokens_per_sec").contains("--global-batch-size N gives it"));
    let report = with(&["--global-batch-size", "16"]);
    assert_near(report.metric("samples_per_sec"), 80.0, 1e-9);
    assert!(report.why_null("tokens_per_sec").contains("--seq-len N gives it"));
    let report = with(&["--global-batch-size", "16", "--seq-len", "2048"]);
    assert_near(report.metric("tokens_per_sec"), 80.0 * LENGTH, 1e-9);
    assert!(report.why_null("tt_tokens_per_param_per_sec").contains("--params N gives it"));
}

#[test]
fn prefixes_of_launchers_and_what_looks_like_them_lose_no_iteration() {
    for (pattern, log) in [
        (r"(?P<iteration>\d+): loss (?P<loss>[\d.]+)", "1: loss 2.5\n2: loss 2.4\n3: loss 2.3\n"),
        (
            r"^step (?P<iteration>\d+)",
            "step 1\n[rank0]: step 2\n[rank1]: step 2\n(TaskRunner pid=7) step 3\n",
        ),
    ] {
        let env = TestEnv::new();
        env.write("train.log", log);
        let arguments = ["run", "--quiet", "--pattern", pattern, "--", "cat", "train.log"];
        assert_eq!(env.effllm(arguments).done().report().at("iterations.count"), 3, "{pattern}");
    }
}

#[test]
fn a_log_without_iterations_says_so_and_the_window_is_the_run() {
    let report = read("", "nothing of interest\n");
    assert_eq!(report.text("window"), "run");
    assert_eq!(report.why_null("al_seconds"), "no iterations were recognised in the log");
    assert_eq!(report.at("iterations.count"), 0);
    assert_eq!(report.at("log.profile"), &Value::Null);
    assert_eq!(report.at("log.lines"), 1);
}

#[test]
fn sizes_are_read_as_people_write_them_and_go_before_the_logs() {
    let log = header() + &line(1, 16.0, 100.0) + &line(2, 32.0, 100.0);
    for (written, value) in [
        ("7.6B", 7.6e9),
        ("494M", 494e6),
        ("634k", 634e3),
        ("1.04T", 1.04e12),
        ("7615616512", 7_615_616_512.0),
        ("7,615,616,512", 7_615_616_512.0),
        ("7_615_616_512", 7_615_616_512.0),
    ] {
        let report = read(&format!("--params {written}"), &log);
        assert_eq!(report.number("model.parameters.value"), value, "{written}");
        assert_eq!(report.text("model.parameters.source"), "--params");
        assert_near(report.metric("st_samples_per_param_per_sec"), 160.0 / value, 1e-9);
    }
    let report = read("--seq-len 4,096", &log);
    assert_eq!(report.text("model.sequence_length.source"), "--seq-len");
    assert_near(report.metric("tokens_per_sec"), 160.0 * 4096.0, 1e-9);
    let report = read("", &log);
    for (name, value) in
        [("parameters", PARAMETERS), ("sequence_length", LENGTH), ("global_batch_size", BATCH)]
    {
        assert_eq!(report.number(&format!("model.{name}.value")), value);
        assert!(report.text(&format!("model.{name}.source")).starts_with("log"), "{name}");
    }
}

#[test]
fn a_batch_size_that_is_given_goes_before_the_arguments_of_the_log() {
    // A log that counts no samples, so that the batch size is all that there is.
    let without_counter = |i| {
        line(i, 0.0, 100.0)
            .replace("consumed samples:            0 | ", "")
            .replace("global batch size:    16 | ", "")
    };
    let log = header() + &without_counter(1) + &without_counter(2);
    assert_near(read("", &log).metric("samples_per_sec"), 160.0, 1e-9);
    let report = read("--global-batch-size 32", &log);
    assert_near(report.metric("samples_per_sec"), 320.0, 1e-9);
    assert_eq!(report.text("model.global_batch_size.source"), "--global-batch-size");
}

#[test]
fn parameters_are_as_fine_as_the_log_allows() {
    let rank = |name: &str, n: f64| {
        format!(" > number of parameters on (tensor, pipeline) model parallel rank {name}: {n}\n")
    };
    let total = "Total number of parameters in billions: 0.49\n";
    let lines = line(1, 16.0, 100.0) + &line(2, 32.0, 100.0);
    let parameters = |facts: String| {
        let report = read("", facts + &lines);
        report.at("model.parameters.value").as_f64()
    };
    // The ranks' counts better a rounded total, unless something large is held twice.
    let halves = rank("(0, 0)", 315e6) + &rank("(0, 1)", 179_032_768.0);
    assert_eq!(parameters(halves + total), Some(494_032_768.0));
    let twice = rank("(0, 0)", 315e6) + &rank("(0, 1)", 315e6);
    assert_eq!(parameters(twice + total), Some(0.49e9));
    // One rank's count is the model's only where the model is known not to be split.
    let one = rank("(0, 0)", 494_032_768.0);
    assert_eq!(parameters(one.clone()), None);
    let unsplit =
        argument("tensor_model_parallel_size", 1.0) + &argument("pipeline_model_parallel_size", 1.0);
    assert_eq!(parameters(unsplit + &one), Some(494_032_768.0));
}
