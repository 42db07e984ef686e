//! NVML that hangs.

use crate::harness::{TestEnv, assert_near};

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
