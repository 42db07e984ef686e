//! What a log cannot tell, or tells twice: a figure is right, null with a reason, or warned of.

use super::frameworks::hf_trainer::Trainer;
use super::frameworks::lightning::Lightning;
use super::frameworks::megatron::Megatron;
use super::frameworks::torchtitan::Torchtitan;
use super::program::{Program, Step};
use super::truth::{Findings, assert_right_or_null};
use super::wrap::Call;
use crate::library::Report;

const STEP: Step = Step::of(0.1);
const JOB: Megatron = Megatron::new(100, STEP);

/// Fails unless the report is right, or a warning has all of these words.
#[track_caller]
fn assert_right_or_warned(report: &Report, program: &Program, words: &[&str]) {
    let is_told = |warning: &String| words.iter().all(|word| warning.contains(word));
    if !report.warnings.iter().any(is_told) {
        assert_right_or_null(report, &program.truth);
    }
}

#[test]
fn a_batch_size_that_contradicts_the_log_is_warned_of() {
    let mut program = Program::new();
    JOB.train(&mut program);
    let program = program.exit();
    let report = Call { global_batch_size: Some(16.0), ..Call::default() }.run(&program);
    let is_told = |warning: &String| warning.contains("16") && warning.contains("global-batch-size");
    assert!(report.warnings.iter().any(is_told), "{:?} {:?}", report.model, report.warnings);
    let length = Call { sequence_length: Some(4096.0), ..Call::default() }.run(&program);
    let is_told = |warning: &String| warning.contains("4096") && warning.contains("seq-len");
    assert!(length.warnings.iter().any(is_told), "{:?} {:?}", length.model, length.warnings);
}

#[test]
fn a_second_framework_in_one_script_is_counted_or_named() {
    for trainer_first in [false, true] {
        let mut program = Program::new();
        let trainer = Trainer::new(60, STEP).with_header();
        if trainer_first {
            trainer.train(&mut program);
            JOB.train(&mut program);
        } else {
            JOB.train(&mut program);
            trainer.train(&mut program);
        }
        let program = program.exit();
        let ignored = if trainer_first { "megatron" } else { "hf-trainer" };
        assert_right_or_warned(&Call::default().run(&program), &program, &[ignored]);
    }
}

#[test]
fn each_of_two_trainings_warms_up() {
    let mut program = Program::new();
    for _ in 0..2 {
        Trainer { warmup: 5, logging_steps: 1, ..Trainer::new(35, STEP).with_header() }.train(&mut program);
        program.idle(3.0);
    }
    let program = program.exit();
    let report = Call { warmup: 5, ..Call::default() }.run(&program);
    assert_right_or_null(&report, &program.truth);
}

#[test]
fn goodput_has_the_warmup_in_both_or_in_neither() {
    let mut program = Program::new();
    Megatron { log_interval: 1, ..JOB }.train(&mut program);
    let program = program.exit();
    let report = Call { warmup: 50, ..Call::default() }.run(&program);
    let all = program.truth.work.seconds / program.now;
    let goodput = report.metrics.goodput_ratio.expect("it is known");
    assert!((goodput - all).abs() < 0.02 * all, "{goodput} of {all}");
}

#[test]
fn a_rank_that_is_iterations_late_counts_once() {
    let mut findings = Findings::default();
    for late_steps in 0..=5 {
        for log_freq in [1, 10] {
            let titan = Torchtitan::new(60, STEP);
            let mut program = Program::new();
            program.gpus = 2;
            Torchtitan { ranks: 2, late_steps, log_freq, ..titan }.train(&mut program);
            findings.measure(format!("late_steps {late_steps:?}, log_freq {log_freq:?}"), program);
        }
    }
    findings.assert_none();
}

#[test]
fn a_lone_line_speaks_of_all_iterations_or_is_warned_of() {
    for job in [JOB.logging(100), JOB.logging(100).of_last_node()] {
        let mut program = Program::new();
        job.train(&mut program);
        let program = program.exit();
        assert_right_or_warned(&Call::default().run(&program), &program, &["one line", "100"]);
    }
}

#[test]
fn batches_of_accumulated_gradients_are_no_global_batches() {
    let mut program = Program::new();
    Lightning { epochs: 2, batches: 200, step: STEP, validation: None }.train(&mut program);
    let program = program.exit();
    let report = Call { global_batch_size: Some(32.0), ..Call::default() }.run(&program);
    assert_right_or_warned(&report, &program, &["accumulat"]);
}

#[test]
fn lightning_without_accumulation_is_measured() {
    for validation in [None, Some((20, 0.05))] {
        let mut program = Program::new();
        Lightning { epochs: 3, batches: 200, step: STEP, validation }.train(&mut program);
        let program = program.exit();
        let report = Call { global_batch_size: Some(8.0), ..Call::default() }.run(&program);
        assert_right_or_null(&report, &program.truth);
    }
}

#[test]
fn two_ranks_by_a_pattern_without_iterations_count_once() {
    let mut program = Program::new();
    for _ in 0..60 {
        program.iterate(&STEP);
        for rank in 0..2 {
            program.out(&format!("[rank{rank}]: loss 2.5000 took 100.0 ms, 1024 tokens, 8 samples\n"));
        }
    }
    let program = program.exit();
    let pattern = Some(
        r"loss (?P<loss>\S+) took (?P<step_time_ms>[\d.]+) ms, (?P<tokens>\d+) tokens, (?P<samples>\d+) samples",
    );
    let report = Call { pattern, ..Call::default() }.run(&program);
    assert_right_or_warned(&report, &program, &["rank"]);
}
