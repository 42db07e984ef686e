//! The time of iterations: a line may state that of the last one alone, which the lines' arrivals contradict.

use super::frameworks::litgpt::LitGpt;
use super::frameworks::megatron::Megatron;
use super::frameworks::nanogpt::NanoGpt;
use super::program::{Program, Step};
use super::truth::Findings;

#[test]
fn queued_work_is_no_part_of_the_last_iterations_time() {
    let mut findings = Findings::default();
    for (seconds, launch) in [(0.02, 0.005), (0.2, 0.01), (0.1, 0.08)] {
        let mut program = Program::new();
        let launch_seconds = Some(launch);
        NanoGpt { launch_seconds, ..NanoGpt::new(200, Step::of(seconds)) }.train(&mut program);
        findings.measure(format!("seconds {seconds:?}, launch {launch:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn a_micro_batch_with_the_optimizers_step_is_longer_than_the_others() {
    let mut findings = Findings::default();
    for (accumulation, log_interval) in [(4, 1), (4, 5), (16, 1), (1, 1)] {
        let mut program = Program::new();
        let step = Step { samples: 2.0, tokens: 256.0, ..Step::of(0.02) };
        LitGpt { steps: 60, accumulation, log_interval, step, optimizer_seconds: 0.03, evaluation: None }
            .train(&mut program);
        findings.measure(format!("accumulation {accumulation:?}, log_interval {log_interval:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn nanogpt_with_evaluations_is_timed_by_the_rest() {
    let mut findings = Findings::default();
    for log_interval in [1, 10] {
        let mut program = Program::new();
        let evaluation = Some((50, 3.0));
        NanoGpt { log_interval, evaluation, ..NanoGpt::new(200, Step::of(0.1)) }.train(&mut program);
        findings.measure(format!("log_interval {log_interval:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn lines_of_a_block_buffer_are_timed_together_or_not_at_all() {
    let mut findings = Findings::default();
    for bytes in [512, 4096, 8192, 65_536] {
        for iterations in [50, 1000, 5000] {
            let mut gpt = Program::new();
            gpt.buffer_stdout(bytes);
            NanoGpt::new(iterations, Step::of(0.1)).train(&mut gpt);
            findings.measure(format!("nanoGPT, {iterations} iterations, blocks of {bytes}"), gpt);
            let mut megatron = Program::new();
            megatron.buffer_stdout(bytes);
            Megatron { evaluation: Some((500, 5.0)), ..Megatron::new(iterations, Step::of(0.1)) }
                .train(&mut megatron);
            findings.measure(format!("Megatron, {iterations} iterations, blocks of {bytes}"), megatron);
        }
    }
    findings.assert_none();
}
