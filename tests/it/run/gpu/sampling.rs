//! The times at which GPUs are read.

use std::collections::BTreeMap;

use nix::time::{ClockId, clock_gettime};

use super::{BUSY, ENERGY, count};
use crate::harness::{TestEnv, assert_near};

#[test]
fn init_and_shutdown_are_balanced() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ count = 2 }]");
    env.run("--interval 0.05", "sleep 0.3").done().report();
    let calls = env.nvml_calls();
    let inits = calls.iter().filter(|made| made.call.starts_with("nvmlInit")).count();
    assert_eq!((inits, count(&calls, "nvmlShutdown")), (1, 1));
    assert_eq!(calls.last().map(|made| &*made.call), Some("nvmlShutdown"));
    for gpu in 0..2 {
        let threads: BTreeMap<_, _> =
            calls.iter().filter(|made| made.gpu == Some(gpu)).map(|made| (made.thread, ())).collect();
        assert_eq!(threads.len(), 1, "one thread makes every call about a GPU");
    }
}

/// The readings that were due on the grid, in intervals of 0.1 s since the first: the last one of all
/// comes when the command has ended.
fn on_grid(env: &TestEnv) -> Vec<f64> {
    let calls = env.nvml_calls();
    let began: Vec<f64> =
        calls.iter().filter(|made| made.call == BUSY).map(|made| made.t - made.delay_s).collect();
    began[..began.len() - 1].iter().map(|t| (t - began[0]) / 0.1).collect()
}

#[test]
fn samples_keep_to_the_grid_over_ten_seconds() {
    let mut env = TestEnv::new();
    // A reading that takes long must not push those after it back.
    env.gpus("[[fault]]\ncall = 'nvmlDeviceGetUtilizationRates'\ndelay_s = 0.03");
    env.run("--interval 0.1", "sleep 10").done().report();
    let origins = on_grid(&env);
    // A machine that is busy is late now and then. Drift would be late ever more, and leave 77 samples.
    let punctual = origins.iter().filter(|place| (*place - place.round()).abs() < 0.25).count();
    assert!(origins.len() >= 85 && punctual * 4 >= origins.len() * 3, "{origins:.2?}");
}

#[test]
fn a_stall_is_followed_by_no_burst() {
    let mut env = TestEnv::new();
    env.gpus(
        "[[fault]]
         call = 'nvmlDeviceGetPowerUsage'
         from_call = 8
         to_call = 8
         delay_s = 0.35",
    );
    let report = env.run("--interval 0.1 --gpus 0", "sleep 2").done().report();
    let origins = on_grid(&env);
    // The three that were missed are not made up for.
    let due = origins.last().expect("samples").round() as usize + 1;
    assert!(origins.len() + 3 <= due, "{origins:.2?}");
    assert_near(report.number("gpus.0.coverage_ratio"), 1.0, 0.05);
}

/// The nanoseconds that `date +%s%N` printed, on the monotonic clock.
fn monotonic_ns(stdout: &str) -> Vec<i64> {
    let ns = |clock| {
        let time = clock_gettime(clock).expect("a clock");
        time.tv_sec() * 1_000_000_000 + time.tv_nsec()
    };
    let to_monotonic = ns(ClockId::CLOCK_MONOTONIC) - ns(ClockId::CLOCK_REALTIME);
    stdout.lines().map(|line| line.parse::<i64>().expect("a time") + to_monotonic).collect()
}

/// When a function was called, on the monotonic clock in nanoseconds.
fn called_at(env: &TestEnv, name: &str) -> Vec<i64> {
    let calls = env.nvml_calls();
    calls.iter().filter(|made| made.call == name).map(|made| made.mono_ns as i64).collect()
}

#[test]
fn a_sample_comes_when_the_gpus_are_found_and_one_after_the_command_ends() {
    let mut env = TestEnv::new();
    env.gpus("");
    // An interval that no reading of its own falls into.
    let script = format!("until grep -q {ENERGY} nvml-calls.jsonl; do sleep 0.01; done; sleep 1; date +%s%N");
    let done = env.run("--interval 60", &script).done();
    let [ended] = monotonic_ns(&done.stdout())[..] else { panic!("{}", done.stdout()) };
    let samples = called_at(&env, ENERGY);
    let [first, last] = samples[..] else { panic!("{} samples", samples.len()) };
    assert!(first < ended && ended < last, "{first} {ended} {last}");
    // Two readings are enough for the mean power of any run.
    assert_near(env.report().metric("aec_watts"), 500.0, 1e-3);
}

#[test]
fn the_command_does_not_wait_for_nvml_unless_gpus_are_listed() {
    const INIT: &str = "nvmlInit_v2";
    for (options, waits) in [("", false), ("--gpus all", false), ("--gpus 0", true)] {
        let mut shell = TestEnv::new();
        shell.gpus(&format!("gpu = [{{}}]\n[[fault]]\ncall = '{INIT}'\ndelay_s = 1.5"));
        let script = format!("date +%s%N; until grep -q {ENERGY} nvml-calls.jsonl; do sleep 0.05; done");
        let done = shell.run(options, &script).done();
        let [started] = monotonic_ns(&done.stdout())[..] else { panic!("{}", done.stdout()) };
        let [opened] = called_at(&shell, INIT)[..] else { panic!("opened once") };
        assert_eq!(started > opened, waits, "{options}: {started} {opened}");
        assert_eq!(done.report().warnings(), [""; 0], "{options}");
    }
}

#[test]
fn listed_gpus_that_cannot_be_checked_in_time_are_a_warning() {
    let mut shell = TestEnv::new();
    shell.gpus("[[fault]]\ncall = 'nvmlInit_v2'\nhang = true");
    let report = shell.run("--gpus 9", "true").done().report();
    let warning = "--gpus 9: not checked: NVML did not answer within 2 s";
    assert!(report.warnings().contains(&warning), "{:?}", report.warnings());
}
