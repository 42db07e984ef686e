//! Iterations that are timed by their arrival, and the streams that they arrive on.

use std::fmt::Write;

use super::{BATCH, assert_metrics, header, line, read};
use crate::harness::{TestEnv, assert_near};

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
