//! Tokens and samples: of the iterations whose time and energy they are divided by, with the sizes of their own job.

use super::frameworks::hf_trainer::{Evaluation, Tokens, Trainer};
use super::frameworks::megatron::Megatron;
use super::program::{Program, Step};
use super::truth::{Findings, measured};
use super::wrap::Call;

const STEP: Step = Step::of(0.1);
const JOB: Megatron = Megatron::new(50, STEP);

#[test]
fn tokens_that_only_a_logged_rate_tells_have_the_energy_of_their_own_time() {
    let mut findings = Findings::default();
    for header in [true, false] {
        for logging_steps in [1, 5, 10, 25] {
            for seconds in [0.03, 0.12] {
                let mut program = Program::new();
                let trainer = Trainer { header, logging_steps, ..Trainer::new(100, Step::of(seconds)) };
                trainer.counting(Tokens::Throughput).train(&mut program);
                findings
                    .measure(format!("header {header}, each {logging_steps} steps of {seconds} s"), program);
            }
        }
    }
    findings.assert_none();
}

#[test]
fn a_rate_since_the_beginning_is_no_rate_of_the_last_interval() {
    let mut program = Program::new();
    let evaluation = Some(Evaluation { every: 20, batches: 50, batch_seconds: 0.06 });
    let trainer = Trainer { evaluation, ..Trainer::new(100, Step::of(0.12)).with_header() };
    trainer.counting(Tokens::Throughput).train(&mut program);
    measured(program);
}

#[test]
fn two_jobs_in_one_script_have_their_own_sequence_lengths() {
    let mut findings = Findings::default();
    for (first, second) in [(128.0, 1024.0), (1024.0, 128.0)] {
        let jobs = [JOB, JOB.echoing(), JOB.of_last_node().echoing(), JOB.echoing().logging(50)];
        for job in jobs {
            let mut program = Program::new();
            Megatron { step: STEP.with_length(first), ..job }.train(&mut program);
            Megatron { step: STEP.with_length(second), ..job }.train(&mut program);
            findings.measure(format!("{first}, then {second}: {job:?}"), program);
        }
    }
    findings.assert_none();
}

#[test]
fn an_argument_dump_after_the_training_is_of_another_program() {
    let mut findings = Findings::default();
    for job in [JOB, JOB.of_last_node(), JOB.logging(50), JOB.of_last_node().logging(50)] {
        let mut program = Program::new();
        job.train(&mut program);
        program.idle(1.0);
        Megatron { step: STEP.with_length(4096.0), ..JOB }.print_dump(&mut program);
        program.idle(1.0);
        findings.measure(format!("{job:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn an_echoed_command_after_the_training_is_of_another_program() {
    let mut findings = Findings::default();
    for job in [JOB, JOB.of_last_node(), JOB.logging(50), JOB.of_last_node().logging(50)] {
        let mut program = Program::new();
        job.train(&mut program);
        program.idle(1.0);
        program.out("python tools/convert.py --load /ckpt --seq-length 4096 --global-batch-size 512\n");
        findings.measure(format!("{job:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn an_echoed_command_before_the_dump_is_corrected_by_it() {
    let mut program = Program::new();
    program.out("python tools/preprocess_data.py --input corpus.jsonl --seq-length 4096\n");
    program.prepare(2.0);
    JOB.train(&mut program);
    measured(program);
}

#[test]
fn two_models_in_one_script_have_their_own_parameters() {
    let mut findings = Findings::default();
    let larger = Step { parameters: 4e8, seconds: 0.3, ..STEP };
    let mut megatron = Program::new();
    JOB.train(&mut megatron);
    megatron.idle(3.0);
    Megatron { step: larger, ..JOB }.train(&mut megatron);
    findings.measure("Megatron", megatron);
    for steps in [30, 50] {
        let mut trainer = Program::new();
        Trainer::new(30, STEP).with_header().counting(Tokens::Seen).train(&mut trainer);
        trainer.idle(3.0);
        Trainer::new(steps, larger).with_header().counting(Tokens::Seen).train(&mut trainer);
        findings.measure(format!("steps {steps:?}"), trainer);
    }
    findings.assert_none();
}

#[test]
fn a_jobs_own_figures_are_known_to_the_last_one() {
    let mut program = Program::new();
    JOB.train(&mut program);
    let report = measured(program);
    let unknown = ["mfu_ratio", "sm_activity_ratio"];
    for (metric, value) in report.metrics.each() {
        let is_training = !metric.name.contains("generated") && !metric.name.starts_with("it_");
        assert!(
            value.is_some()
                || !is_training
                || unknown.contains(&metric.name)
                || metric.name.contains("activity"),
            "{}: {:?}",
            metric.name,
            report.unavailable.get(metric.name)
        );
    }
}

/// A program of one's own, whose lines count tokens.
fn counting(lines: u64, interval: u64, line: impl Fn(&Program, u64, f64) -> String) -> Program {
    let mut program = Program::new();
    let step = Step { tokens: 50.0, ..Step::of(0.12) };
    for i in 1..=lines * interval {
        program.iterate(&step);
        if i % interval == 0 {
            let line = line(&program, i, i as f64 * step.tokens);
            program.out(&line);
        }
    }
    program.exit()
}

#[test]
fn a_short_log_of_a_counter_says_the_same_to_run_and_to_parse() {
    let mut findings = Findings::default();
    let stamped = counting(6, 10, |program, step, tokens| {
        format!("2026-01-09 {} step {step} tokens {tokens}\n", program.time_of_day())
    });
    let elapsed = counting(6, 10, |program, step, tokens| {
        format!("step {step} after {:.2} s tokens {tokens}\n", program.now - 2.0)
    });
    let timed = counting(6, 10, |_, step, tokens| format!("step {step} took 0.12 s tokens {tokens}\n"));
    let once = counting(6, 1, |program, step, tokens| {
        format!("2026-01-09 {} step {step} tokens {tokens}\n", program.time_of_day())
    });
    for (program, pattern) in [
        (stamped, r"step (?P<iteration>\d+) tokens (?P<consumed_tokens>\d+)"),
        (elapsed, r"step (?P<iteration>\d+) after (?P<elapsed>[\d.]+) s tokens (?P<consumed_tokens>\d+)"),
        (timed, r"step (?P<iteration>\d+) took (?P<step_time>[\d.]+) s tokens (?P<consumed_tokens>\d+)"),
        (once, r"step (?P<iteration>\d+) tokens (?P<consumed_tokens>\d+)"),
    ] {
        let call = Call { pattern: Some(pattern), ..Call::default() };
        let truth = program.truth;
        findings.compare(format!("run, {pattern}"), &call.run(&program), &truth);
        findings.compare(format!("parse, {pattern}"), &call.parse(&program), &truth);
    }
    findings.assert_none();
}

#[test]
fn a_trainers_log_says_the_same_to_parse() {
    let mut findings = Findings::default();
    for header in [false, true] {
        for (steps, seconds, logging_steps) in [(60, 1.2, 10), (12, 6.0, 2), (200, 0.6, 5), (6, 12.0, 1)] {
            for tokens in [Tokens::Seen, Tokens::Trl, Tokens::Throughput] {
                let mut program = Program::new();
                let trainer = Trainer { header, logging_steps, ..Trainer::new(steps, Step::of(seconds)) };
                trainer.counting(tokens).train(&mut program);
                let program = program.exit();
                let case =
                    format!("header {header}, {steps} steps of {seconds} s, {tokens:?} each {logging_steps}");
                let call = Call::default();
                findings.compare(format!("run, {case}"), &call.run(&program), &program.truth);
                findings.compare(format!("parse, {case}"), &call.parse(&program), &program.truth);
            }
        }
    }
    findings.assert_none();
}

#[test]
fn a_short_megatron_log_says_the_same_to_run_and_to_parse() {
    let mut findings = Findings::default();
    let core = Megatron { is_core_016: true, ..JOB };
    let jobs = [JOB, JOB.of_last_node(), core, core.of_last_node()];
    let intervals =
        [(10, 0, 50), (10, 0, 20), (1, 0, 5), (5, 0, 10), (10, 50, 100), (10, 57, 70), (5, 8, 20)];
    for (log_interval, resumed, until) in intervals {
        for job in jobs.map(|job| job.logging(log_interval).resuming(resumed, until, until)) {
            let tells_the_resume = job.dump || job.is_core_016 || resumed % log_interval == 0;
            if !tells_the_resume {
                continue;
            }
            let mut program = Program::new();
            job.train(&mut program);
            let program = program.exit();
            let call = Call::default();
            findings.compare(format!("run, {job:?}"), &call.run(&program), &program.truth);
            findings.compare(format!("parse, {job:?}"), &call.parse(&program), &program.truth);
        }
    }
    findings.assert_none();
}
