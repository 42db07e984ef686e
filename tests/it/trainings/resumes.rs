//! Trainings that resume from a checkpoint: the iterations before it were made by another run.

use super::frameworks::deepspeed::DeepSpeed;
use super::frameworks::hf_trainer::{Tokens, Trainer};
use super::frameworks::megatron::Megatron;
use super::frameworks::nanogpt::NanoGpt;
use super::frameworks::torchtitan::Torchtitan;
use super::frameworks::tqdm::Bar;
use super::program::{Program, Step};
use super::truth::{Findings, measured};

const TRAINER: Trainer = Trainer::new(0, Step::of(0.04)).resuming(500, 550, 1000);

#[test]
fn a_bar_that_jumps_to_the_checkpoint_has_not_made_those_iterations() {
    let mut findings = Findings::default();
    // Where the bar is not drawn at each step, its first position after the jump says little of a short training.
    let cases = [(500, 550, 1000, 1), (500, 900, 1000, 10), (5500, 5900, 10_000, 10), (40, 440, 1000, 10)];
    for (resumed, until, total, logging_steps) in cases {
        let mut program = Program::new();
        Trainer { logging_steps, ..TRAINER.resuming(resumed, until, total) }.train(&mut program);
        findings.measure(format!("resumed {resumed:?}, until {until:?}, total {total:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn a_bar_that_jumps_to_the_checkpoint_is_timed_from_there() {
    let mut findings = Findings::default();
    for seconds in [0.02, 0.12, 0.5] {
        let mut program = Program::new();
        let logging_steps = if seconds < 0.1 { 1 } else { 10 };
        Trainer { skip_seconds: 2.0, step: Step::of(seconds), logging_steps, ..TRAINER }.train(&mut program);
        findings.measure(format!("seconds {seconds:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn data_that_a_resumed_trainer_skips_is_no_iteration() {
    let mut program = Program::new();
    let trainer = Trainer { skip_seconds: 4.0, step: Step::of(0.1), ..TRAINER.with_header() };
    trainer.train(&mut program);
    measured(program);
}

#[test]
fn a_token_counter_that_a_checkpoint_keeps_has_the_energy_of_its_own_tokens() {
    let mut findings = Findings::default();
    for header in [false, true] {
        for tokens in [Tokens::Seen, Tokens::Trl, Tokens::Throughput] {
            let mut program = Program::new();
            let trainer = Trainer { header, step: Step::of(0.12), ..TRAINER.resuming(500, 530, 1000) };
            trainer.counting(tokens).train(&mut program);
            findings.measure(format!("header {header:?}, tokens {tokens:?}"), program);
        }
    }
    findings.assert_none();
}

#[test]
fn a_bar_that_begins_in_the_middle_has_made_the_rest() {
    let mut program = Program::new();
    let step = Step::of(0.03);
    program.out("***** training from a checkpoint *****\n");
    let mut bar = Bar::starting(&mut program, "", 50, 100);
    for i in 51..=100u64 {
        program.iterate(&step);
        bar.update(&mut program, 1);
        if i.is_multiple_of(10) {
            bar.write(&mut program, "{'loss': 2.5, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 0.5}");
        }
    }
    bar.close(&mut program);
    measured(program);
}

#[test]
fn nanogpt_that_resumes_on_its_interval_has_made_one_iteration_at_its_first_line() {
    let mut findings = Findings::default();
    for from in [50, 2000] {
        let mut program = Program::new();
        NanoGpt { from, ..NanoGpt::new(from + 50, Step::of(0.1)) }.train(&mut program);
        findings.measure(format!("from {from:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn torchtitan_that_resumes_within_its_interval_has_made_the_rest_of_it() {
    let mut findings = Findings::default();
    for (resumed, until) in [(42, 100), (48, 100), (1, 60)] {
        let mut program = Program::new();
        Torchtitan { resumed, ..Torchtitan::new(until, Step::of(0.1)) }.train(&mut program);
        findings.measure(format!("resumed {resumed:?}, until {until:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn megatron_that_resumes_within_its_interval_has_made_the_rest_of_it() {
    let mut findings = Findings::default();
    for resumed in [42, 48, 50, 3] {
        let mut program = Program::new();
        Megatron::new(100, Step::of(0.1)).resuming(resumed, 100, 100).train(&mut program);
        findings.measure(format!("resumed {resumed:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn deepspeed_that_resumes_is_timed_by_its_own_lines() {
    let mut findings = Findings::default();
    for resumed in [0, 40, 200] {
        let mut program = Program::new();
        DeepSpeed { resumed, until: resumed + 200, steps_per_print: 10, step: Step::of(0.1) }
            .train(&mut program);
        findings.measure(format!("resumed {resumed:?}"), program);
    }
    findings.assert_none();
}
