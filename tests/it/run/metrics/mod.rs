//! What the log says of iterations, tokens and samples, and what is made of it. All values are made
//! up, so that every sum can be worked out here.

mod arrival;
mod definitions;
mod implausible;
mod intervals;
mod long_runs;

use crate::harness::{Report, TestEnv, assert_near};

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
