//! Trainings that begin again in the same log: another job, or the same one from a checkpoint.

use super::frameworks::hf_trainer::{Tokens, Trainer};
use super::frameworks::megatron::Megatron;
use super::frameworks::torchtitan::Torchtitan;
use super::program::{Program, Step};
use super::truth::{Findings, measured};

const STEP: Step = Step::of(0.12);
const TRAINER: Trainer = Trainer::new(30, STEP);
const LAST_NODE: Megatron = Megatron::new(100, Step::of(0.1)).of_last_node();

/// Two trainings, with the time between them in which a model is loaded.
fn both(first: impl Fn(&mut Program), second: impl Fn(&mut Program)) -> Program {
    let mut program = Program::new();
    first(&mut program);
    program.idle(3.0);
    second(&mut program);
    program
}

#[test]
fn a_sweep_of_trainers_counts_all_of_them() {
    let mut findings = Findings::default();
    for (steps, header) in [(30, false), (30, true), (60, false), (60, true)] {
        for tokens in [Tokens::Unlogged, Tokens::Seen, Tokens::Trl] {
            let first = Trainer { header, ..TRAINER.counting(tokens) };
            let second = Trainer { header, ..Trainer::new(steps, STEP).counting(tokens) };
            findings.measure(
                format!("steps {steps:?}, header {header:?}, tokens {tokens:?}"),
                both(|program| first.train(program), |program| second.train(program)),
            );
        }
    }
    findings.assert_none();
}

#[test]
fn a_trainer_that_crashes_and_resumes_counts_what_it_made() {
    let mut findings = Findings::default();
    for header in [false, true] {
        for tokens in [Tokens::Unlogged, Tokens::Seen, Tokens::Trl] {
            let crashed = Trainer { header, ..TRAINER.resuming(0, 60, 100).counting(tokens) };
            let resumed = Trainer { header, ..TRAINER.resuming(50, 100, 100).counting(tokens) };
            findings.measure(
                format!("header {header:?}, tokens {tokens:?}"),
                both(|program| crashed.train(program), |program| resumed.train(program)),
            );
        }
    }
    findings.assert_none();
}

#[test]
fn the_first_interval_of_a_second_trainer_counts() {
    let slower = Trainer::new(30, Step::of(0.5)).with_header().counting(Tokens::Seen);
    let first = TRAINER.with_header().counting(Tokens::Seen);
    measured(both(|program| first.train(program), |program| slower.train(program)));
}

#[test]
fn a_restart_whose_first_line_has_the_last_ones_number_counts_on() {
    let (first, second) = (LAST_NODE.resuming(0, 50, 100), LAST_NODE.resuming(40, 100, 100));
    measured(both(|program| first.train(program), |program| second.train(program)));
}

#[test]
fn a_restart_at_every_iterations_line_counts_the_repeated_one() {
    let each = LAST_NODE.logging(1);
    let (first, second) = (each.resuming(0, 10, 20), each.resuming(9, 20, 20));
    measured(both(|program| first.train(program), |program| second.train(program)));
}

#[test]
fn a_restart_a_few_lines_back_counts_on() {
    let mut findings = Findings::default();
    for from in [30, 20, 10, 0] {
        let (first, second) = (LAST_NODE.resuming(0, 50, 100), LAST_NODE.resuming(from, 100, 100));
        findings.measure(
            format!("from {from:?}"),
            both(|program| first.train(program), |program| second.train(program)),
        );
    }
    findings.assert_none();
}

#[test]
fn a_restart_with_another_log_interval_has_its_own_stride() {
    let mut findings = Findings::default();
    let started = Megatron { announces_start: true, ..LAST_NODE };
    for (before, after) in [(10, 1), (10, 2), (5, 10), (1, 10)] {
        let first = started.logging(before).resuming(0, 50, 100);
        let second = started.logging(after).resuming(50, 100, 100);
        findings.measure(
            format!("before {before:?}, after {after:?}"),
            both(|program| first.train(program), |program| second.train(program)),
        );
    }
    findings.assert_none();
}

#[test]
fn a_restart_with_an_argument_dump_counts_on() {
    let mut findings = Findings::default();
    let job = Megatron { evaluation: Some((50, 1.0)), ..Megatron::new(100, Step::of(0.1)) };
    for (until, from) in [(50, 50), (50, 40), (57, 50), (90, 0)] {
        let (first, second) = (job.resuming(0, until, 100), job.resuming(from, 100, 100));
        findings.measure(
            format!("until {until:?}, from {from:?}"),
            both(|program| first.train(program), |program| second.train(program)),
        );
    }
    findings.assert_none();
}

#[test]
fn torchtitan_that_begins_again_counts_its_first_line_as_one_step() {
    let titan = Torchtitan { log_freq: 10, ..Torchtitan::new(50, Step::of(0.1)) };
    let first = Torchtitan { until: 20, ..titan };
    measured(both(|program| first.train(program), |program| titan.train(program)));
}
