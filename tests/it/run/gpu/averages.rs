//! Averages and energy.

use fake_nvml::Scenario;

use super::{BUSY, POWER, assert_energies, ends, sampling_error, times};
use crate::harness::{TestEnv, assert_near};

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
        assert_energies(&report, &[412.0, 412.0]);
        let sum = report.number("gpus.0.energy_joules") + report.number("gpus.1.energy_joules");
        let (energy, wall) = (report.metric("energy_joules"), report.number("command.wall_seconds"));
        assert!(0.999 * sum <= energy && energy <= 1.001 * 824.0 * wall, "{energy} J, not from {sum} J on");
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
    assert_energies(&report, &[100.0, 300.0]);
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
    assert_energies(&report, &[250.0]);
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
    assert!(report.warnings().iter().any(|warning| warning.contains("gives 500 W, sampled power 300 W")));
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
