//! GPU figures that are null, and their reasons.

use serde_json::Value;

use super::{POWER, assert_energies, count};
use crate::harness::{TestEnv, assert_near};

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
    assert_energies(&report, &[200.0]);
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
         from_s = 3.2
         return = 'GPU_IS_LOST'",
    );
    let steps = "for i in 1 2 3 4 5; do sleep 0.4; echo \"step $i took 400.0 ms\"; done";
    let options =
        r"--interval 0.1 --gpus 0,1 --pattern step.(?P<iteration>\d+).took.(?P<step_time_ms>[\d.]+)";
    let report = env.run(options, &format!("sleep 2; {steps}")).done().report();
    assert!(report.why_null("energy_joules").starts_with("GPU 1: readings cover only"));
    let phases = report.at("phases");
    let energy = |kind: &str| phases[kind]["longest"][0]["energy_joules"].as_f64();
    assert!(energy("startup").is_some_and(|joules| joules > 0.0), "{phases:?}");
    assert_eq!(energy("train"), None, "{phases:?}");
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
         gpu = [{ memory_used_gb = 10, memory_reserved_mib = 512, power_watts = 150, energy = false }]",
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
