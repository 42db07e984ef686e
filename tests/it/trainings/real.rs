//! Some of the trainings at real pace, through the real binary with a fake NVML.

use serde_json::json;

use super::frameworks::hf_trainer::{Tokens, Trainer, prepare_data};
use super::frameworks::megatron::Megatron;
use super::frameworks::nanogpt::NanoGpt;
use super::program::{Program, Step};
use crate::harness::{ROOT, TestEnv};
use crate::library::{Report, Stream};

/// How far a figure may be off where the machine that runs the test has much else to do.
const TOLERANCE: f64 = 0.05;

/// `effllm run` of the program, which writes as it would, while its GPU draws what it would.
#[track_caller]
fn assert_right_at_real_pace(program: Program) {
    let program = program.exit();
    let mut env = TestEnv::new();
    let steps: Vec<_> =
        program.watts.iter().map(|(from, watts)| format!("[{from:.4}, {watts:.0}]")).collect();
    env.gpus(&format!("gpu = [{{ power_watts = {{ steps = [{}] }} }}]", steps.join(", ")));
    let writes = program.writes.iter().map(|write| {
        let descriptor = if write.stream == Stream::Stdout { 1 } else { 2 };
        format!("{}\n", json!([write.at, descriptor, String::from_utf8_lossy(&write.bytes)]))
    });
    env.write("writes", writes.collect::<String>());
    let script = format!("exec python3 {ROOT}/fixtures/programs/replay.py writes nvml-calls.jsonl");
    let done = env.run("--interval 0.05 --gpus 0", &script).done();
    let report: Report = serde_json::from_value(done.report().0).expect("a report");
    let wrong = program.truth.wrong_within(TOLERANCE, &report);
    assert!(wrong.is_empty(), "neither right nor null with a reason:\n{wrong}{:#?}", report.warnings);
    assert!(report.metrics.al_seconds.is_some(), "{:?}", report.unavailable);
}

#[test]
fn a_trainer_after_a_preparation_bar() {
    let mut program = Program::new();
    prepare_data(&mut program, 300, 0.005);
    Trainer::new(30, Step::of(0.12)).counting(Tokens::Seen).train(&mut program);
    assert_right_at_real_pace(program);
}

#[test]
fn nanogpt_with_queued_work() {
    let mut program = Program::new();
    NanoGpt { launch_seconds: Some(0.005), ..NanoGpt::new(160, Step::of(0.025)) }.train(&mut program);
    assert_right_at_real_pace(program);
}

#[test]
fn megatron_that_crashes_and_restarts() {
    let mut program = Program::new();
    let job = Megatron::new(80, Step::of(0.04)).logging(5);
    job.resuming(0, 40, 80).train(&mut program);
    program.idle(1.0);
    job.resuming(30, 80, 80).train(&mut program);
    assert_right_at_real_pace(program);
}
