//! What the log says of iterations, tokens and samples, and what is made of it. All values are made
//! up, so that every sum can be worked out here.

use std::fmt::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::process::kibibytes;
use crate::harness::{Report, TestEnv, assert_near, until};

const PARAMETERS: f64 = 494_032_768.0;
const LENGTH: f64 = 2048.0;
const BATCH: f64 = 16.0;

/// Megatron-LM's argument dump and parameter counts.
fn header() -> String {
    format!(
        "{}{}{} > number of parameters on (tensor, pipeline) model parallel rank (0, 0): {PARAMETERS}\n\
         Total number of parameters in billions: 0.49\n",
        argument("seq_length", LENGTH),
        argument("global_batch_size", BATCH),
        argument("micro_batch_size", 2.0),
    )
}

fn argument(name: &str, value: f64) -> String {
    format!("  {name} {} {value}\n", ".".repeat(48 - name.len()))
}

/// Megatron-LM's line for an iteration: samples since the job's start, milliseconds for each iteration
/// since the line before.
fn line(iteration: u64, consumed: f64, ms: f64) -> String {
    format!(
        " [2025-03-01 12:00:00] iteration {iteration:8}/   20000 | consumed samples: {consumed:12} | \
         elapsed time per iteration (ms): {ms:.1} | learning rate: 1.000000E-05 | global batch size: \
         {BATCH:5} | lm loss: 1.100000E+01 | loss scale: 1.0 | grad norm: 2.500 | number of skipped \
         iterations:   0 | number of nan iterations:   0 |\n"
    )
}

/// The same by Megatron Core 0.16, which prints microseconds and one line more after the first
/// iteration.
fn core_line(iteration: u64, consumed: f64, ms: f64) -> String {
    line(iteration, consumed, ms).replace("12:00:00]", "12:00:00.123456]")
}

fn read(options: &str, log: impl AsRef<[u8]>) -> Report {
    let env = TestEnv::new();
    env.write("train.log", log);
    env.run(options, "cat train.log").done().report()
}

/// Iterations, their time, and what came about in it.
#[track_caller]
fn assert_metrics(report: &Report, iterations: f64, seconds: f64, samples: f64) {
    assert_eq!(report.text("window"), "train");
    assert_near(report.number("iterations.count"), iterations, 0.0);
    assert_near(report.number("iterations.seconds"), seconds, 1e-9);
    assert_near(report.number("iterations.samples"), samples, 1e-9);
    assert_near(report.number("iterations.tokens"), samples * LENGTH, 1e-9);
    assert_near(report.metric("al_seconds"), seconds / iterations, 1e-9);
    assert_near(report.metric("samples_per_sec"), samples / seconds, 1e-9);
    assert_near(report.metric("tokens_per_sec"), samples * LENGTH / seconds, 1e-9);
    assert_near(report.metric("st_samples_per_param_per_sec"), samples / PARAMETERS / seconds, 1e-9);
    assert_near(report.metric("tt_tokens_per_param_per_sec"), samples * LENGTH / PARAMETERS / seconds, 1e-9);
}

// The definitions

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

// Log intervals

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

// Resumed and restarted jobs

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

// Lines that lie

#[test]
fn one_line_that_lies_moves_no_metric() {
    let lines: Vec<String> = (1..=20).map(|i| line(i, BATCH * f64::from(i as u32), 500.0)).collect();
    let with = |at: usize, lie: String| {
        let mut lines = lines.clone();
        lines[at - 1] = lie;
        read("", header() + &lines.concat())
    };
    for (at, consumed) in [(11, 3.0), (11, 1760.0), (20, 3200.0), (1, 160.0)] {
        let report = with(at, line(at as u64, consumed, 500.0));
        assert_metrics(&report, 20.0, 10.0, 20.0 * BATCH);
        let told = "numbers of samples that the log states were left out";
        assert!(report.warnings().iter().any(|it| it.starts_with(told)), "{:?}", report.warnings());
    }
    let report = with(11, line(11, BATCH * 11.0, 1e9));
    assert_near(report.metric("al_seconds"), 0.5, 1e-9);
    assert_near(report.metric("samples_per_sec"), BATCH / 0.5, 1e-9);
    assert!(report.warnings().iter().any(|warning| warning.starts_with("times that the log states")));
}

#[test]
fn a_time_longer_than_the_run_is_left_out() {
    let env = TestEnv::new();
    let pattern = r"step (?P<iteration>\d+) took (?P<step_time_s>\S+) s";
    let script =
        "for took in 0.1 0.1 0.1 60 0.1; do sleep 0.15; i=$((i + 1)); echo step $i took $took s; done";
    let run = ["run", "--quiet", "--pattern", pattern, "--", "sh", "-c", script];
    let report = env.effllm(run).done().report();
    assert_near(report.metric("al_seconds"), 0.1, 1e-9);
    assert_eq!(report.at("iterations.count"), 5);
}

// Long runs

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

// Sizes

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

// Arrival times

#[test]
fn a_bar_is_timed_by_its_arrival_and_an_evaluation_is_left_out() {
    let env = TestEnv::new();
    // As transformers draws it; the rate that a bar states is smoothed and counts for nothing.
    let script = r#"
        header() { echo '***** Running training *****'
            echo '  Total train batch size (w. parallel, distributed & accumulation) = 16'
            echo '  Total optimization steps = 6'
            echo '  Number of trainable parameters = 494,032,768'; }
        bar() { printf '\r %s%%|####      | %s/6 [00:0%s<00:05, 99.00s/it]' $1 $2 $2 >&2; }
        clear() { printf '\r                                        \r' >&2; }
        log() { echo "{'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'epoch': 0.$1}"; }
        step() { sleep 0.15; bar $1 $2; clear; log $2; bar $1 $2; }
        header >&2; bar 0 0
        step 16 1; step 33 2; step 50 3
        printf '\n***** Running Evaluation *****\n' >&2
        for i in 1 2; do sleep 0.5; printf '\r %s%%|####      | %s/2 [00:00<00:00,  2.00it/s]' $((50 * i)) $i >&2; done
        echo "{'eval_loss': 2.25, 'eval_runtime': 1.0, 'eval_samples_per_second': 8.0, 'epoch': 0.3}"
        step 66 4; step 83 5; step 100 6
        echo "{'train_runtime': 2.0, 'train_samples_per_second': 48.0, 'train_loss': 2.5, 'epoch': 1.0}"
    "#;
    let report = env.run("", script).done().report();
    assert_eq!(report.text("log.profile"), "hf-trainer");
    assert_eq!(report.at("iterations.count"), 6);
    assert_eq!(report.at("iterations.last"), 6);
    assert_eq!(report.number("iterations.loss_last"), 2.5);
    let seconds: Vec<f64> =
        report.numbers("series.iterations.seconds").into_iter().map(|at| at.expect("an arrival")).collect();
    let latencies = report.numbers("series.iterations.latency_seconds");
    assert_eq!(report.numbers("series.iterations.iteration"), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some));
    for i in [1, 2, 4, 5] {
        assert_near(latencies[i].expect("a time"), seconds[i] - seconds[i - 1], 1e-9);
    }
    // The fourth began somewhere behind an evaluation: nobody knows when.
    assert_eq!(latencies[3], None);
    let known: Vec<f64> = latencies.iter().flatten().copied().collect();
    let sum = known.iter().sum::<f64>();
    assert_near(report.metric("al_seconds"), sum / 5.0, 1e-9);
    assert_near(report.metric("samples_per_sec"), 5.0 * 16.0 / sum, 1e-9);
    assert!(report.text("provenance.al_seconds").contains("arrival"));
    assert!(
        report.warnings().iter().any(|warning| warning.contains("trainable parameters")),
        "{:?}",
        report.warnings()
    );
}

#[test]
fn a_checkpoint_that_is_told_behind_a_bar_comes_after_its_iteration() {
    let env = TestEnv::new();
    // A bar has no newline, so that what is logged next stands behind it.
    let script = r#"
        echo '***** Running training *****' >&2
        echo '  Total optimization steps = 4' >&2
        bar() { printf '\r %s%%|####      | %s/4 [00:0%s<00:05, 99.00s/it]' $1 $2 $2 >&2; }
        log() { echo "{'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'epoch': 0.$1}"; }
        bar 0 0; sleep 0.1; bar 25 1; sleep 0.1; bar 50 2
        echo 'Saving model checkpoint to output/checkpoint-2' >&2; sleep 0.5
        bar 75 3; sleep 0.1; bar 100 4; echo >&2; log 4
    "#;
    let report = env.run("", script).done().report();
    let latencies = report.numbers("series.iterations.latency_seconds");
    let known: Vec<bool> = latencies.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, true, false, true], "the checkpoint lies in the third");
}

// Lines that lie

#[test]
fn a_line_that_lies_poisons_no_metric() {
    let good = |i: u64| line(i, BATCH * i as f64, 100.0);
    let eleventh = good(11);
    let replaced = |from: &str, to: &str| {
        let lie = eleventh.replace(from, to);
        assert_ne!(lie, eleventh);
        lie.into_bytes()
    };
    let lies: Vec<(&str, Vec<u8>)> = vec![
        (
            "10³⁰ samples",
            replaced("consumed samples:          176", &format!("consumed samples: 1{}", "0".repeat(30))),
        ),
        ("10¹⁵ samples", replaced("consumed samples:          176", "consumed samples: 1000000000000000")),
        ("no time", replaced("100.0", "0.0")),
        ("a negative time", replaced("100.0", "-5.0")),
        ("a time that is no number", replaced("100.0", "nan")),
        ("an endless time", replaced("100.0", &"9".repeat(400))),
        ("a loss that is no number", replaced("1.100000E+01", "NaN")),
        ("a loss without bounds", replaced("1.100000E+01", "-inf")),
        ("a batch of nothing", replaced("global batch size:    16", "global batch size:     0")),
        ("NULs", [b"\0\0\0\0".as_slice(), eleventh.as_bytes()].concat()),
        ("bytes that are no text", [b"\xff\xfe\xc3\x28 ".as_slice(), eleventh.as_bytes()].concat()),
        ("the line twice, glued", eleventh.trim_end().repeat(2).into_bytes()),
        ("an earlier line after it", (eleventh.clone() + &good(9)).into_bytes()),
        ("the line again from every rank", eleventh.repeat(8).into_bytes()),
        (
            "other text behind it",
            (eleventh.trim_end().to_owned() + " [rank3] iteration 12/ 20 | nonsense\n").into_bytes(),
        ),
        ("a line without end", [&vec![b'x'; 300_000], b"\n".as_slice(), eleventh.as_bytes()].concat()),
    ];
    for (what, lie) in lies {
        let before: String = (1..=10).map(good).collect();
        let after: String = (12..=20).map(good).collect();
        let lie = if lie.ends_with(b"\n") { lie } else { [&lie, b"\n".as_slice()].concat() };
        let report = read("", [header().as_bytes(), before.as_bytes(), &lie, after.as_bytes()].concat());
        assert_eq!(report.at("iterations.count"), 20, "{what}");
        let near = |name: &str, value: f64| {
            assert!(
                (report.metric(name) / value - 1.0).abs() < 1e-9,
                "{what}: {name} {}",
                report.metric(name)
            )
        };
        near("al_seconds", 0.1);
        near("samples_per_sec", 160.0);
        near("tokens_per_sec", 160.0 * LENGTH);
        assert_near(report.number("iterations.samples"), 320.0, 1e-9);
        assert_eq!(report.number("iterations.loss_last"), 11.0, "{what}");
        assert_eq!(report.number("model.global_batch_size.value"), 16.0, "{what}");
    }
}

#[test]
fn an_iteration_beyond_all_numbers_is_none() {
    let good = |i: u64| line(i, BATCH * i as f64, 100.0);
    let lie = good(6).replace("iteration        6/", &format!("iteration {}/", "9".repeat(30)));
    let report = read("", header() + &(1..=5).map(good).collect::<String>() + &lie + &good(6));
    assert_metrics(&report, 6.0, 0.6, 96.0);
}

#[test]
fn an_absurd_jump_changes_no_rate() {
    // In the middle, and from the very first line.
    for jump in [11, 2] {
        let mut log = header();
        for i in 1..=20 {
            let iteration = if i == jump { 3_000_000_000 } else { 1_000_000_000 + i };
            // Within the job's end: what lies beyond it is no iteration at all.
            log += &line(iteration, BATCH * iteration as f64, 100.0).replace("/   20000 ", "/9999999999 ");
        }
        let report = read("", log);
        assert_near(report.metric("al_seconds"), 0.1, 1e-9);
        assert_near(report.metric("samples_per_sec"), 160.0, 1e-9);
        // Where nothing else is known of the steps, it takes some lines to see which one lied.
        let count = report.number("iterations.count");
        assert!((17.0..=20.0).contains(&count), "jump at {jump}: {count}");
    }
}

#[test]
fn a_line_of_a_gigabyte_is_passed_on_in_little_memory() {
    let env = TestEnv::new();
    env.write("train.log", header() + &line(1, 16.0, 100.0) + &line(2, 32.0, 100.0));
    let script = "head -c 1000000000 /dev/zero; echo; cat train.log; touch printed; until [ -e stop ]; do sleep 0.02; done";
    let mut call = env.run("", script);
    call.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let session = call.spawn();
    until("the end of the line", || env.exists("printed"));
    let peak = kibibytes(session.pid(), "VmHWM");
    assert!(peak < 64 * 1024, "{peak} KiB");
    env.write("stop", "");
    let report = session.wait().report();
    assert_metrics(&report, 2.0, 0.2, 32.0);
    assert!(report.number("log.bytes") > 1e9);
}

// What the command prints

#[test]
fn the_lines_of_the_two_streams_are_not_mixed() {
    for (iterations, noise) in [(1, 2), (2, 1)] {
        let env = TestEnv::new();
        let mut log = header();
        (1..=20).for_each(|i| log += &line(i, BATCH * i as f64, 100.0));
        env.write("train.log", log);
        // Within each line of the one stream comes a line of the other.
        let script = format!(
            r#"
            while IFS= read -r line; do
                printf '%s' "${{line%per iteration*}}" >&{iterations}
                printf 'a line of the other stream\n' >&{noise}
                sleep 0.005
                case $line in *elapsed*) printf 'per iteration%s' "${{line#*per iteration}}" >&{iterations};; esac
                echo >&{iterations}
            done <train.log
            "#
        );
        let report = env.run("--profile megatron", &script).done().report();
        assert_metrics(&report, 20.0, 2.0, 320.0);
    }
}

#[test]
fn colours_and_launchers_prefixes_are_no_hindrance() {
    for (before, after) in
        [("\x1b[32m", "\x1b[0m"), ("[default7]:", ""), ("0: ", ""), ("[rank7]: \x1b[1m", "")]
    {
        let mut log = header();
        for i in 1..=5 {
            let line = line(i, BATCH * i as f64, 100.0).replace("100.0", "\x1b[33m100.0\x1b[39m");
            let _ = writeln!(log, "{before}{}{after}", line.trim_end());
        }
        assert_metrics(&read("", log), 5.0, 0.5, 80.0);
    }
}
