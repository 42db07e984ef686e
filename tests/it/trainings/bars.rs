//! Bars beside that of the training: a bar alone is no training.

use super::frameworks::hf_trainer::{Evaluation, Tokens, Trainer, prepare_data};
use super::frameworks::tqdm::Bar;
use super::program::{Program, Step};
use super::truth::{Findings, assert_no_warning, assert_right_or_null, measured};
use super::wrap::Call;

const TRAINER: Trainer = Trainer::new(30, Step::of(0.12));
const EVALUATION: Evaluation = Evaluation { every: u64::MAX, batches: 50, batch_seconds: 0.02 };

#[test]
fn a_preparation_bar_before_a_trainer_without_a_header_is_no_training() {
    let mut program = Program::new();
    prepare_data(&mut program, 400, 0.005);
    TRAINER.train(&mut program);
    measured(program);
}

#[test]
fn a_preparation_bar_before_a_trainer_with_a_header_is_no_training() {
    let mut program = Program::new();
    prepare_data(&mut program, 400, 0.005);
    TRAINER.with_header().train(&mut program);
    assert_no_warning(&measured(program), "began again");
}

#[test]
fn an_evaluation_before_a_trainer_is_no_training() {
    let mut findings = Findings::default();
    for header in [false, true] {
        let mut program = Program::new();
        EVALUATION.run(&mut program, None, header);
        Trainer { header, ..TRAINER }.train(&mut program);
        assert_no_warning(&findings.measure(format!("header {header:?}"), program), "began again");
    }
    findings.assert_none();
}

#[test]
fn several_bars_before_and_after_a_trainer_are_no_training() {
    let mut findings = Findings::default();
    for header in [false, true] {
        let mut program = Program::new();
        for (total, seconds) in [(400, 0.005), (30, 0.05), (7, 0.3)] {
            prepare_data(&mut program, total, seconds);
        }
        Trainer { header, ..TRAINER }.counting(Tokens::Seen).train(&mut program);
        EVALUATION.run(&mut program, None, header);
        prepare_data(&mut program, 300, 0.01);
        findings.measure(format!("header {header:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn a_preparation_bar_of_as_many_items_as_steps_is_no_training() {
    let mut findings = Findings::default();
    for header in [false, true] {
        let mut program = Program::new();
        prepare_data(&mut program, 30, 0.02);
        Trainer { header, ..TRAINER }.train(&mut program);
        findings.measure(format!("header {header:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn bars_alone_are_no_training() {
    let mut program = Program::new();
    prepare_data(&mut program, 400, 0.005);
    prepare_data(&mut program, 400, 0.02);
    let mut bar = Bar::new(&mut program, 10);
    program.out("step 5: loss 1.25\n");
    bar.update(&mut program, 5);
    measured(program);
}

#[test]
fn evaluations_within_a_training_take_no_iterations_time() {
    let mut findings = Findings::default();
    for header in [false, true] {
        for tokens in [Tokens::Unlogged, Tokens::Seen, Tokens::Throughput] {
            let evaluation = Some(Evaluation { every: 20, batches: 25, batch_seconds: 0.06 });
            let mut program = Program::new();
            Trainer { header, evaluation, ..Trainer::new(100, Step::of(0.12)) }
                .counting(tokens)
                .train(&mut program);
            findings.measure(format!("header {header:?}, tokens {tokens:?}"), program);
        }
    }
    findings.assert_none();
}

#[test]
fn a_trainer_with_nothing_beside_it_is_measured() {
    let mut findings = Findings::default();
    for (header, seconds, logging_steps) in
        [(false, 0.12, 10), (true, 0.12, 10), (true, 0.03, 5), (false, 0.5, 1)]
    {
        let mut program = Program::new();
        let trainer = Trainer { header, logging_steps, ..Trainer::new(200, Step::of(seconds)) };
        trainer.counting(Tokens::Seen).train(&mut program);
        let report =
            findings.measure(format!("header {header}, {seconds} s, logging {logging_steps}"), program);
        assert!(
            report.metrics.al_seconds.is_some() && report.metrics.joules_per_token.is_some(),
            "{header} {seconds}"
        );
    }
    findings.assert_none();
}

#[test]
fn a_bar_with_a_batch_size_that_the_user_gives_is_measured() {
    let mut program = Program::new();
    TRAINER.train(&mut program);
    let program = program.exit();
    let call = Call { global_batch_size: Some(8.0), sequence_length: Some(128.0), ..Call::default() };
    let report = call.run(&program);
    assert_right_or_null(&report, &program.truth);
    assert!(report.metrics.tokens_per_sec.is_some(), "{:?}", report.unavailable);
}

#[test]
fn a_bar_that_is_drawn_again_at_its_beginning_began_when_it_was_drawn_first() {
    let mut program = Program::new();
    let mut bar = Bar::new(&mut program, 20);
    for i in 1..=20u64 {
        // Each micro-batch changes the text behind the bar.
        for _ in 0..3 {
            program.iterate_part(0.1);
            bar.update(&mut program, 0);
        }
        program.iterate(&Step::of(0.1));
        bar.update(&mut program, 1);
        if i % 5 == 0 {
            bar.write(&mut program, "{'loss': 2.5, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 0.5}");
        }
    }
    bar.close(&mut program);
    measured(program);
}

#[test]
fn a_trainer_that_is_tried_again_in_one_process_counts_both_attempts() {
    let mut program = Program::new();
    let first = Trainer::new(30, Step::of(0.12)).with_header();
    first.print_header(&mut program);
    let mut bar = Bar::new(&mut program, 30);
    for _ in 0..3 {
        program.iterate(&first.step);
        bar.update(&mut program, 1);
    }
    // The header stands behind the bar of the first attempt, which is drawn again as it closes.
    Trainer::new(60, Step::of(0.12)).with_header().print_header(&mut program);
    let mut second = Bar::new(&mut program, 60);
    bar.close(&mut program);
    for i in 1..=60u64 {
        program.iterate(&first.step);
        second.update(&mut program, 1);
        if i % 10 == 0 {
            second.write(
                &mut program,
                "{'loss': 2.5, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 0.5}",
            );
        }
    }
    second.close(&mut program);
    measured(program);
}

#[test]
fn a_loss_that_is_read_before_the_bar_it_was_written_with_belongs_to_that_bar() {
    let mut program = Program::new();
    let step = Step::of(0.12);
    TRAINER.with_header().print_header(&mut program);
    let mut bar = Bar::new(&mut program, 30);
    for i in 1..=30u64 {
        program.iterate(&step);
        if i % 5 == 0 {
            let seen = i as f64 * step.tokens;
            program.out(&format!("{{'loss': 2.5, 'grad_norm': 1.25, 'num_input_tokens_seen': {seen}}}\n"));
        }
        bar.update(&mut program, 1);
    }
    bar.close(&mut program);
    assert!(measured(program).metrics.tokens_per_sec.is_some());
}
