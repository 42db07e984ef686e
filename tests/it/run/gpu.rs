//! GPUs of a fake NVML, whose every quantity has an exact integral to compare with.

use std::collections::BTreeMap;

use fake_nvml::{LoggedCall, Scenario};
use nix::time::{ClockId, clock_gettime};
use serde_json::Value;

use crate::harness::{Report, TestEnv, assert_near};

/// Calls that each reading of a GPU makes once.
const BUSY: &str = "nvmlDeviceGetUtilizationRates";
const POWER: &str = "nvmlDeviceGetPowerUsage";
const ENERGY: &str = "nvmlDeviceGetTotalEnergyConsumption";

/// When a function of a GPU was called, in the seconds of the scenario.
fn times(calls: &[LoggedCall], call: &str, gpu: u32) -> Vec<f64> {
    calls.iter().filter(|made| made.call == call && made.gpu == Some(gpu)).map(|made| made.t).collect()
}

fn count(calls: &[LoggedCall], name: &str) -> usize {
    calls.iter().filter(|made| made.call == name).count()
}

fn ends(times: &[f64]) -> (f64, f64) {
    (*times.first().expect("a first call"), *times.last().expect("a last call"))
}

/// How near readings of what jumps come to it: within 1 % where one was taken each 100 ms, and less
/// near by as much as the machine was too busy for that.
fn sampling_error(times: &[f64]) -> f64 {
    let largest_gap = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    0.01 * (largest_gap / 0.12).max(1.0)
}

/// Fails unless this is the energy of a constant power. Where GPUs are listed, the command waits until they are
/// found; the first reading still comes a moment after its start, and what was drawn before it may be left out or
/// extrapolated.
#[track_caller]
fn assert_energy(joules: f64, watts: f64, report: &Report) {
    let most = watts * report.number("command.wall_seconds");
    let least = most * report.number("gpus.0.coverage_ratio");
    assert!(0.999 * least <= joules && joules <= 1.001 * most, "{joules} J, not {least} to {most} J");
}

// Averages and energy

/// Ten seconds of a square wave on `gpus` GPUs, once read from the energy counter and once not.
fn square_wave(gpus: u32) {
    let scenario = |energy: bool| {
        format!(
            r#"
            [[gpu]]
            count = {gpus}
            energy = {energy}
            memory_used_gb = {{ square = {{ low = 20, high = 60, period_s = 2.0 }} }}
            utilization_percent = {{ square = {{ low = 10, high = 90, period_s = 2.0 }} }}
            power_watts = {{ square = {{ low = 100, high = 300, period_s = 2.0 }} }}
            temperature_c = 61
            "#
        )
    };
    let (mut counted, mut sampled) = (TestEnv::new(), TestEnv::new());
    counted.gpus(&scenario(true));
    sampled.gpus(&scenario(false));
    // Side by side: waiting is all that they do.
    let list: Vec<String> = (0..gpus).map(|gpu| gpu.to_string()).collect();
    let options = format!("--interval 0.1 --gpus {}", list.join(","));
    let sessions = [&counted, &sampled].map(|env| env.run(&options, "sleep 10").start());
    for session in sessions {
        session.wait();
    }
    for (env, source) in [(&counted, "counter"), (&sampled, "power")] {
        let report = env.report();
        let calls = env.nvml_calls();
        let truth = scenario(source == "counter").parse::<Scenario>().expect("a scenario").gpus();
        let mut energy = 0.0;
        for (i, gpu) in truth.iter().enumerate() {
            let (from, to) = ends(&times(&calls, BUSY, i as u32));
            energy += gpu.table.power_watts.integral_between(from, to);
            assert_eq!(report.text(&format!("gpus.{i}.energy_source")), source);
        }
        let (from, to) = ends(&times(&calls, BUSY, 0));
        let near = sampling_error(&times(&calls, BUSY, 0));
        let table = &truth[0].table;
        assert_near(report.metric("amu_gb"), table.memory_used_gb.mean(from, to), near);
        assert_near(report.metric("pcu_ratio"), table.utilization_percent.mean(from, to) / 100.0, near);
        assert_near(report.metric("aec_watts"), table.power_watts.mean(from, to), near);
        assert_near(
            report.metric("aec_total_watts"),
            f64::from(gpus) * table.power_watts.mean(from, to),
            near,
        );
        assert_near(report.metric("energy_joules"), energy, near);
        assert_near(report.metric("peak_memory_gb"), 60.0, 1e-9);
        assert_near(report.metric("peak_power_watts"), 300.0, 1e-9);
        assert_near(report.number("gpus.0.temperature_celsius.mean"), 61.0, 1e-9);
        assert_near(report.number("gpus.0.coverage_ratio"), 1.0, 0.02);
        assert_eq!(report.text("window"), "run");
        assert_eq!(report.warnings(), [""; 0]);
        assert_eq!(report.at("gpus").as_array().map(Vec::len), Some(gpus as usize));
    }
}

#[test]
fn averages_and_energy_of_a_square_wave_on_one_gpu() {
    square_wave(1);
}

#[test]
fn averages_and_energy_of_a_square_wave_on_eight_gpus() {
    square_wave(8);
}

#[test]
fn what_does_not_change_is_reported_as_it_is() {
    for energy in [true, false] {
        let mut env = TestEnv::new();
        env.gpus(&format!(
            "gpu = [{{ count = 2, memory_used_gb = 43.25, utilization_percent = 87, power_watts = 412, energy = {energy} }}]"
        ));
        let report = env.run("--interval 0.1 --gpus 0,1", "sleep 3").done().report();
        assert_near(report.metric("amu_gb"), 43.25, 1e-9);
        assert_near(report.metric("amu_gib"), 43.25e9 / f64::from(1 << 30), 1e-9);
        assert_near(report.metric("pcu_ratio"), 0.87, 1e-9);
        assert_near(report.metric("aec_watts"), 412.0, 1e-3);
        assert_near(report.metric("aec_total_watts"), 824.0, 1e-3);
        assert_energy(report.metric("energy_joules"), 824.0, &report);
    }
}

#[test]
fn gpus_that_differ_are_averaged_for_memory_and_summed_for_energy() {
    let mut env = TestEnv::new();
    env.gpus(
        "gpu = [{ power_watts = 100, memory_used_gb = 10, utilization_percent = 100 },
                { power_watts = 300, memory_used_gb = 30, utilization_percent = 0 }]",
    );
    let report = env.run("--interval 0.1 --gpus 0,1", "sleep 3").done().report();
    assert_near(report.metric("amu_gb"), 20.0, 1e-9);
    assert_near(report.metric("pcu_ratio"), 0.5, 1e-9);
    assert_near(report.metric("aec_watts"), 200.0, 1e-3);
    assert_near(report.metric("aec_total_watts"), 400.0, 1e-3);
    assert_near(report.metric("peak_memory_gb"), 30.0, 1e-9);
    assert_energy(report.number("gpus.0.energy_joules"), 100.0, &report);
    assert_energy(report.number("gpus.1.energy_joules"), 300.0, &report);
}

#[test]
fn a_ramp_is_integrated_not_sampled() {
    let scenario = "gpu = [{ energy = false, power_watts = { ramp = { from = 0, to = 700, seconds = 2.5, start_s = 0.5 } } }]";
    let mut env = TestEnv::new();
    env.gpus(scenario);
    let report = env.run("--interval 0.1", "sleep 3.5").done().report();
    let power = &scenario.parse::<Scenario>().expect("a scenario").gpu[0].power_watts;
    let (from, to) = ends(&times(&env.nvml_calls(), POWER, 0));
    // The last reading lies after the run, on a busy machine by some way.
    let covered = report.number("command.wall_seconds") * report.number("gpus.0.coverage_ratio");
    let (joules, read) = (report.number("gpus.0.energy_joules"), power.integral_between(from, to));
    let outside = 700.0 * (to - from - covered);
    assert!(0.99 * read - outside < joules && joules < 1.01 * read, "{joules} J of {read} J, {outside} J");
    assert_near(report.metric("aec_watts"), joules / covered, 1e-3);
}

#[test]
fn a_counter_that_resets_costs_only_the_step_in_which_it_does() {
    let scenario = "gpu = [{ power_watts = 250, energy_start_mj = 5e9, energy_resets_at_s = [0.95, 2.05] }]";
    let mut env = TestEnv::new();
    env.gpus(scenario);
    let report = env.run("--interval 0.1 --gpus 0", "sleep 3").done().report();
    assert_eq!(report.text("gpus.0.energy_source"), "counter");
    assert_energy(report.metric("energy_joules"), 250.0, &report);
    assert!(
        report.warnings().iter().any(|warning| warning.contains("energy counter fell or jumped 2 times"))
    );
}

#[test]
fn a_counter_that_disagrees_with_power_is_used_and_told() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ power_watts = 300, energy_watts = 500 }]");
    let report = env.run("--interval 0.1", "sleep 10.2").done().report();
    assert_near(report.metric("aec_watts"), 500.0, 1e-3);
    assert!(report.warnings().iter().any(|warning| warning.contains("says 500 W, sampled power 300 W")));
}

#[test]
fn a_counter_that_moves_in_steps_is_off_by_no_more_than_a_step() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ power_watts = 400, energy_step_ms = 100 }]");
    let report = env.run("--interval 0.05", "sleep 2").done().report();
    let covered = report.number("command.wall_seconds") * report.number("gpus.0.coverage_ratio");
    let joules = report.number("gpus.0.energy_joules");
    assert!((joules - 400.0 * covered).abs() <= 400.0 * 0.1, "{joules} J in {covered} s");
}

// What cannot be measured

#[test]
fn power_that_is_not_supported_is_null_with_a_reason_and_memory_is_there() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ memory_used_gb = 12, energy = false, not_supported = ['nvmlDeviceGetPowerUsage'] }]");
    let report = env.run("--interval 0.1", "sleep 0.5").done().report();
    assert_near(report.metric("amu_gb"), 12.0, 1e-9);
    for name in ["aec_watts", "aec_total_watts", "energy_joules", "peak_power_watts"] {
        assert!(report.why_null(name).contains("not supported"), "{name}: {}", report.why_null(name));
    }
    assert_eq!(report.at("gpus.0.power_watts.mean"), &Value::Null);
    assert_eq!(report.at("gpus.0.energy_source"), &Value::Null);
    assert_eq!(report.at("gpus.0.energy_joules"), &Value::Null);
    assert!(report.text("gpus.0.unavailable.power_watts").contains("nvmlDeviceGetPowerUsage"));
    // It is not asked again and again for what it will never have.
    assert_eq!(count(&env.nvml_calls(), POWER), 1);
}

#[test]
fn a_gpu_that_falls_off_the_bus_becomes_null() {
    let mut env = TestEnv::new();
    env.gpus(
        "gpu = [{ count = 2, memory_used_gb = 30, power_watts = 200 }]
         [[fault]]
         call = '*'
         gpu = 1
         from_s = 1.0
         return = 'GPU_IS_LOST'",
    );
    let done = env.run("--interval 0.1 --gpus 0,1", "sleep 2.5; exit 6").done();
    assert_eq!(done.code(), Some(6));
    let report = env.report();
    let wall = report.number("command.wall_seconds");
    assert_energy(report.number("gpus.0.energy_joules"), 200.0, &report);
    assert_near(report.number("gpus.0.coverage_ratio"), 1.0, 0.05);
    assert_eq!(report.at("gpus.1.now.power_watts"), &Value::Null);
    assert_eq!(report.at("gpus.1.now.memory_used_bytes"), &Value::Null);
    assert!(report.text("gpus.1.unavailable.power_watts").contains("the GPU is lost"));
    // What was measured until then is an average over that time, and is said to be no more.
    assert_near(report.number("gpus.1.memory_used_bytes.mean"), 30e9, 1e-9);
    assert!(report.number("gpus.1.coverage_ratio") < 0.6, "{}", report.at("gpus.1.coverage_ratio"));
    assert!(report.number("gpus.1.energy_joules") < 0.6 * 200.0 * wall);
    // A sum with a part missing is none.
    assert!(report.why_null("energy_joules").starts_with("GPU 1: readings cover only"));
}

#[test]
fn a_phase_in_which_a_gpu_is_lost_has_no_energy() {
    let mut env = TestEnv::new();
    env.gpus(
        "gpu = [{ count = 2, power_watts = 200 }]
         [[fault]]
         call = '*'
         gpu = 1
         from_s = 2.6
         return = 'GPU_IS_LOST'",
    );
    let steps = "for i in 1 2 3 4 5; do sleep 0.4; echo \"step $i took 400.0 ms\"; done";
    let options =
        r"--interval 0.1 --gpus 0,1 --pattern step.(?P<iteration>\d+).took.(?P<step_time_ms>[\d.]+)";
    let report = env.run(options, &format!("sleep 2; {steps}")).done().report();
    assert!(report.why_null("energy_joules").starts_with("GPU 1: readings cover only"));
    let phases = report.at("phases").as_array().expect("a list");
    let energy = |name: &str| {
        let phase = phases.iter().find(|phase| phase["name"] == name).expect("this phase");
        phase["energy_joules"].as_f64()
    };
    assert!(energy("startup").is_some_and(|joules| joules > 0.0), "{phases:?}");
    assert_eq!(energy("training"), None, "{phases:?}");
}

#[test]
fn utilisation_beyond_what_is_possible_is_null() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ utilization_percent = 255 }]");
    let report = env.run("--interval 0.1", "sleep 0.3").done().report();
    assert!(report.why_null("pcu_ratio").contains("255"), "{}", report.why_null("pcu_ratio"));
    assert!(report.metric("amu_gb") > 0.0);
}

#[test]
fn without_nvml_gpu_metrics_are_null_and_name_the_library() {
    let mut env = TestEnv::new();
    let report = env.run("--nvml-lib /nowhere/libnvidia-ml.so.1", "true").done().report();
    for name in ["amu_gb", "pcu_ratio", "aec_watts", "energy_joules", "peak_memory_gb"] {
        assert!(report.why_null(name).contains("/nowhere/libnvidia-ml.so.1"), "{}", report.why_null(name));
    }
    assert_eq!(report.at("gpus"), &Value::Array(vec![]));
    // By its own name, where the machine has none.
    env.unset("EFFLLM_NVML_LIB");
    let report = env.run("--gpus all", "true").done().report();
    if report.at("gpus").as_array().is_some_and(Vec::is_empty) {
        assert!(report.why_null("amu_gb").contains("libnvidia-ml.so.1"), "{}", report.why_null("amu_gb"));
    }
}

#[test]
fn a_library_that_is_no_nvml_is_told() {
    let env = TestEnv::new();
    env.write("libnvidia-ml.so.1", "no library");
    let report = env.run("--nvml-lib ./libnvidia-ml.so.1", "true").done().report();
    assert!(report.why_null("amu_gb").contains("libnvidia-ml.so.1"), "{}", report.why_null("amu_gb"));
}

#[test]
fn an_nvml_that_fails_to_initialise_is_told() {
    for (code, words) in [
        ("DRIVER_NOT_LOADED", "driver"),
        ("LIB_RM_VERSION_MISMATCH", "different versions"),
        ("NO_PERMISSION", "permission"),
    ] {
        let mut env = TestEnv::new();
        env.gpus(&format!("[[fault]]\ncall = 'nvmlInit_v2'\nreturn = '{code}'"));
        let report = env.run("", "true").done().report();
        let why = report.why_null("amu_gb").to_lowercase();
        assert!(why.contains(words) && why.contains("nvmlinit_v2"), "{code}: {why}");
    }
}

#[test]
fn a_machine_without_gpus_is_told() {
    let mut env = TestEnv::new();
    env.gpus("gpu = []");
    let report = env.run("", "true").done().report();
    assert!(report.why_null("amu_gb").contains("no GPU"), "{}", report.why_null("amu_gb"));
}

#[test]
fn an_old_driver_measures_what_it_can() {
    let mut env = TestEnv::new();
    // As in driver 470, which had neither.
    env.gpus(
        "driver = '470.57.02'
         missing_symbols = ['nvmlDeviceGetMemoryInfo_v2', 'nvmlDeviceGetComputeRunningProcesses_v3', 'nvmlGpmQueryDeviceSupport']
         gpu = [{ memory_used_gb = 10, memory_reserved_mib = 512, power_watts = 150 }]",
    );
    let report = env.run("--interval 0.1", "sleep 0.3").done().report();
    // The first version of the call counts what the driver keeps for itself as used.
    assert_near(report.metric("amu_gb"), 10.0 + 512.0 * 1024.0 * 1024.0 / 1e9, 1e-6);
    for metric in ["amu_gb", "amu_gib", "peak_memory_gb"] {
        let source = report.text(&format!("provenance.{metric}"));
        assert!(source.starts_with("NVML memory, the driver's own included, 1 GPU"), "{source}");
    }
    assert_near(report.metric("aec_watts"), 150.0, 1e-3);
    let mut env = TestEnv::new();
    env.gpus("missing_symbols = ['nvmlDeviceGetTotalEnergyConsumption', 'nvmlDeviceGetUtilizationRates', 'nvmlShutdown']");
    let report = env.run("--interval 0.1", "sleep 0.3").done().report();
    assert!(report.why_null("pcu_ratio").contains("not in this version of the library"));
    assert_eq!(report.text("gpus.0.energy_source"), "power");
}

// NVML that hangs

#[test]
fn an_nvml_that_hangs_costs_measurements_and_never_the_command() {
    for (call, reads) in [
        ("nvmlInit_v2", false),
        ("nvmlDeviceGetCount_v2", false),
        ("nvmlDeviceGetHandleByIndex_v2", false),
        ("nvmlShutdown", true),
    ] {
        let mut env = TestEnv::new();
        env.gpus(&format!("[[fault]]\ncall = '{call}'\nhang = true"));
        let done = env.run("--interval 0.1", "echo trained; sleep 0.3; exit 3").done();
        assert_eq!((done.code(), done.stdout()), (Some(3), "trained\n".to_owned()), "{call}");
        let report = env.report();
        if reads {
            assert!(report.metric("amu_gb") > 0.0, "{call}");
        } else {
            assert!(
                report.why_null("amu_gb").contains("did not answer"),
                "{call}: {}",
                report.why_null("amu_gb")
            );
        }
        assert!(
            report.warnings().iter().any(|warning| warning.contains("NVML")),
            "{call}: {:?}",
            report.warnings()
        );
    }
}

#[test]
fn an_nvml_that_hangs_in_mid_run_keeps_what_was_measured() {
    let mut env = TestEnv::new();
    env.gpus(
        "gpu = [{ count = 2, memory_used_gb = 25 }]
         [[fault]]
         call = 'nvmlDeviceGetPowerUsage'
         gpu = 1
         from_s = 0.55
         hang = true",
    );
    let done = env.run("--interval 0.1 --gpus 0,1", "sleep 1.5; kill -TERM $$").done();
    assert_eq!(done.signal(), Some(nix::libc::SIGTERM));
    let report = env.report();
    assert_near(report.metric("amu_gb"), 25.0, 1e-9);
    assert!(report.number("gpus.1.coverage_ratio") < 0.7);
    assert!(report.number("gpus.0.coverage_ratio") > 0.9, "the other GPU is measured on");
    assert!(report.warnings().iter().any(|warning| warning.contains("NVML did not answer at the end")));
}

#[test]
fn an_nvml_that_answers_late_is_measured_from_then_on() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ memory_used_gb = 5 }]\n[[fault]]\ncall = 'nvmlDeviceGetCount_v2'\ndelay_s = 2.4");
    // The command is not held up for so long: it waits for the first reading itself.
    let script = "until grep -q MemoryInfo nvml-calls.jsonl; do sleep 0.05; done; sleep 0.3";
    let report = env.run("--interval 0.1", script).done().report();
    assert_near(report.metric("amu_gb"), 5.0, 1e-9);
    assert_eq!(report.at("gpus").as_array().map(Vec::len), Some(1));
}

// When is measured

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

// Which GPUs are there

#[test]
fn the_list_of_gpus_shows_what_can_be_measured_of_each_and_why_not() {
    let mut shell = TestEnv::new();
    shell.gpus(
        "driver = '570.86.15'
         gpu = [{ uuid = 'GPU-1a2b' }, { uuid = 'GPU-3c4d', energy = false }]",
    );
    let done = shell.effllm(["gpus"]).done();
    let stdout = done.stdout();
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("0  NVIDIA H100 80GB HBM3  GPU-1a2b  85.9 GB"), "{stdout}");
    assert!(lines[0].contains("  driver 570.86.15  "), "{stdout}");
    let all = "     memory ✓   utilization ✓   power ✓   energy counter ✓   temperature ✓   SM clock ✓";
    assert_eq!(lines[1], all);
    let second = stdout.split("1  NVIDIA").nth(1).expect("a second GPU");
    assert!(second.contains("power ✓   energy counter ✗"), "{stdout}");
    assert!(second.contains("     no energy counter: NVML: not supported (nvmlDeviceGetTotal"), "{stdout}");
}

#[test]
fn the_list_of_gpus_of_a_machine_without_any_is_a_plain_word_and_a_broken_library_a_failure() {
    let mut shell = TestEnv::new();
    shell.gpus("gpu = []");
    let done = shell.effllm(["gpus"]).done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(0), "no GPU: NVML shows no GPU on this node\n"));
    shell.set("EFFLLM_NVML_LIB", "/nowhere/libnvidia-ml.so.1");
    let done = shell.effllm(["gpus"]).done();
    assert_eq!(done.code(), Some(1));
    assert!(done.stderr().contains("no GPU can be measured here: /nowhere/lib"), "{}", done.stderr());
    assert!(done.stderr().contains("works all the same"), "{}", done.stderr());
}

// Which GPUs are measured

const FOUR: &str = "gpu = [
    { uuid = 'GPU-11111111-0000-0000-0000-000000000000', power_watts = 100 },
    { uuid = 'GPU-22222222-0000-0000-0000-000000000000', power_watts = 200 },
    { uuid = 'GPU-2222ffff-0000-0000-0000-000000000000', power_watts = 300 },
    { uuid = 'GPU-33333333-0000-0000-0000-000000000000', name = 'NVIDIA L4', power_watts = 72 },
]";

fn measured(report: &Report) -> Vec<u64> {
    let gpus = report.at("gpus").as_array().expect("a list");
    gpus.iter().map(|gpu| gpu["index"].as_u64().expect("an index")).collect()
}

#[test]
fn gpus_are_chosen_by_index_and_by_the_beginning_of_a_uuid() {
    for (choice, indices, because) in [
        ("0,1", vec![0, 1], "--gpus 0,1"),
        ("3,0", vec![3, 0], "--gpus 3,0"),
        ("GPU-3", vec![3], "--gpus GPU-3"),
        ("GPU-22222222,0,GPU-2222f", vec![1, 0, 2], "--gpus GPU-22222222,0,GPU-2222f"),
        ("1,GPU-22222222,1", vec![1], "--gpus 1,GPU-22222222,1"),
        ("all", vec![0, 1, 2, 3], "--gpus all"),
        ("auto", vec![0, 1, 2, 3], "all GPUs of this node"),
    ] {
        let mut env = TestEnv::new();
        env.gpus(FOUR);
        let report = env.run(&format!("--gpus {choice}"), "true").done().report();
        assert_eq!(measured(&report), indices, "{choice}");
        assert_eq!(report.text("gpus.0.selected_because"), because);
        let calls = env.nvml_calls();
        assert!(
            calls.iter().all(|made| made.call != POWER || indices.contains(&made.gpu.unwrap_or(9).into()))
        );
    }
    let mut env = TestEnv::new();
    env.gpus(FOUR);
    let report = env.run("--gpus none", "true").done().report();
    assert_eq!(report.why_null("amu_gb"), "--gpus none");
    assert!(!env.exists("nvml-calls.jsonl"), "NVML is left alone");
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_before_the_command_starts() {
    for (choice, words) in [("9", "no such GPU"), ("GPU-9", "no such GPU"), ("GPU-2222", "fits 2 GPUs")] {
        let mut env = TestEnv::new();
        env.gpus(FOUR);
        let done = env.run(&format!("--gpus {choice}"), "touch started").done();
        assert_eq!(done.code(), Some(2));
        let stderr = done.stderr();
        assert!(stderr.contains(&format!("--gpus {choice}: {words}")), "{stderr}");
        assert!(stderr.contains("there are 4: 0 NVIDIA H100 80GB HBM3 (GPU-11111111-0000-"), "{stderr}");
        assert!(stderr.contains("3 NVIDIA L4 (GPU-33333333-"), "{stderr}");
        assert!(!env.exists("started") && !env.exists("effllm-report.json"));
    }
}

#[test]
fn gpus_that_were_asked_for_and_cannot_be_measured_are_a_warning() {
    let mut env = TestEnv::new();
    let done = env.run("--gpus 0", "true").done();
    let report = done.report();
    let [warning] = report.warnings()[..] else { panic!("{:?}", report.warnings()) };
    assert!(warning.starts_with("--gpus 0: no GPU is measured: no-nvml-in-this-test.so"), "{warning}");
    env.gpus("gpu = []");
    env.write("effllm.toml", "gpus = '0,GPU-1'\n");
    assert_eq!(
        env.run("", "true").done().report().warnings(),
        ["gpus = 0,GPU-1 in effllm.toml: no GPU is measured: NVML shows no GPU on this node; \
          'effllm gpus' lists the GPUs"]
    );
    for whichever in ["auto", "all", "none"] {
        let report = env.run(&format!("--gpus {whichever}"), "true").done().report();
        assert_eq!(report.warnings(), [""; 0], "{whichever}");
    }
}

#[test]
fn the_gpu_that_cannot_tell_is_the_reason_not_a_short_run() {
    let mut env = TestEnv::new();
    // The first GPU hangs in its first reading, so that it has none; the second one is asked all the same.
    env.gpus(
        "gpu = [{ power_watts = 100 }, { not_supported = ['nvmlDeviceGetPowerUsage'] }]
         [[fault]]
         call = 'nvmlDeviceGetUtilizationRates'
         gpu = 0
         hang = true",
    );
    let script = "until grep -q PowerUsage nvml-calls.jsonl; do sleep 0.05; done";
    let report = env.run("--interval 3600", script).done().report();
    let why = report.why_null("peak_power_watts");
    assert!(why.starts_with("GPU 1: NVML: not supported"), "{why}");
    let why = report.why_null("peak_memory_gb");
    assert_eq!(why, "GPU 0: too few readings in this window");
}

#[test]
fn cuda_visible_devices_chooses_what_the_command_sees() {
    for (visible, indices, because) in [
        ("1", vec![1], "CUDA_VISIBLE_DEVICES=1"),
        ("3,GPU-1111,7,0", vec![3, 0], "7 is no GPU here and ends the list"),
        ("GPU-2222f", vec![2], "CUDA_VISIBLE_DEVICES=GPU-2222f"),
    ] {
        let mut env = TestEnv::new();
        env.gpus(FOUR).set("CUDA_VISIBLE_DEVICES", visible);
        let report = env.run("", "true").done().report();
        assert_eq!(measured(&report), indices, "{visible}");
        assert!(
            report.text("gpus.0.selected_because").contains(because),
            "{}",
            report.at("gpus.0.selected_because")
        );
    }
    for nothing in ["", "-1", "NoDevFiles"] {
        let mut env = TestEnv::new();
        env.gpus(FOUR).set("CUDA_VISIBLE_DEVICES", nothing);
        let report = env.run("", "true").done().report();
        assert_eq!(measured(&report), [0; 0], "{nothing}");
        assert!(
            report.why_null("amu_gb").contains("shows the command no GPU"),
            "{}",
            report.why_null("amu_gb")
        );
    }
    let mut env = TestEnv::new();
    env.gpus(FOUR).set("CUDA_VISIBLE_DEVICES", "1");
    assert_eq!(measured(&env.run("--gpus 0,3", "true").done().report()), [0, 3], "a flag goes first");
}

#[test]
fn a_uuid_that_two_gpus_share_confuses_nobody() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ uuid = 'GPU-same', power_watts = 100 }, { uuid = 'GPU-same', power_watts = 300 }]");
    let report = env.run("--interval 0.1", "sleep 0.3").done().report();
    assert_eq!(measured(&report), [0, 1]);
    assert_near(report.metric("aec_total_watts"), 400.0, 1e-3);
    let done = env.run("--gpus GPU-same", "touch started").done();
    assert_eq!(done.code(), Some(2));
    assert!(done.stderr().contains("fits 2 GPUs"), "{}", done.stderr());
}

#[test]
fn a_gpu_that_is_listed_twice_is_counted_once() {
    let mut env = TestEnv::new();
    let gpu = "{ uuid = 'GPU-same', pci_bus_id = '00000000:1B:00.0', power_watts = 100 }";
    env.gpus(&format!("gpu = [{gpu}, {{ power_watts = 300 }}, {gpu}]"));
    let warned = "GPU 0: NVML lists it again as GPU 2; it is counted once";
    for (option, gpus, watts, warnings) in [
        ("", &[0, 1][..], 400.0, &[warned][..]),
        ("--gpus GPU-same", &[0], 100.0, &[]),
        ("--gpus 2", &[2], 100.0, &[]),
    ] {
        let report = env.run(&format!("--interval 0.1 {option}"), "sleep 0.3").done().report();
        assert_eq!(measured(&report), gpus, "{option}");
        assert_near(report.metric("aec_total_watts"), watts, 1e-3);
        assert_eq!(report.warnings(), warnings, "{option}");
    }
}

// One node of many

#[test]
fn energy_is_null_where_the_log_speaks_for_more_gpus_than_were_measured() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ count = 8, power_watts = 300 }]");
    let log = |world: u32| {
        format!(
            "  world_size ...................................... {world}
  seq_length ...................................... 1024
 iteration        1/      10 | consumed samples:           16 | elapsed time per iteration (ms): 100.0 | global batch size:    16 | lm loss: 1.0E+01 |
 iteration        2/      10 | consumed samples:           32 | elapsed time per iteration (ms): 100.0 | global batch size:    16 | lm loss: 1.0E+01 |
"
        )
    };
    env.write("two-nodes.log", log(16)).write("one-node.log", log(8));
    // The window is the iterations' time, which must not be over before there are readings in it.
    let run = |name: &str| {
        env.run(
            "--interval 0.05",
            &format!("sleep 0.5; head -n 3 {name}; sleep 0.5; tail -n 1 {name}; sleep 0.1"),
        )
        .done()
        .report()
    };
    let report = run("two-nodes.log");
    for name in ["energy_joules", "joules_per_token", "joules_per_iteration", "tokens_per_joule"] {
        assert_eq!(
            report.why_null(name),
            "the log speaks for 16 GPUs, 8 were measured; gpus[] has the energy of each"
        );
    }
    assert_near(report.metric("aec_total_watts"), 2400.0, 1e-3);
    assert_eq!(report.at("job.world_size"), 16);
    let report = run("one-node.log");
    let energy = report.metric("energy_joules");
    assert_near(report.metric("joules_per_token"), energy / (32.0 * 1024.0), 1e-9);
    assert_near(report.metric("joules_per_iteration"), energy / 2.0, 1e-9);
    assert_near(report.metric("tokens_per_joule"), 32.0 * 1024.0 / energy, 1e-9);
}
