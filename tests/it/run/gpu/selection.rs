//! The GPUs that are measured.

use super::{POWER, measured};
use crate::harness::{TestEnv, assert_near};

const FOUR: &str = "gpu = [
    { uuid = 'GPU-11111111-0000-0000-0000-000000000000', power_watts = 100 },
    { uuid = 'GPU-22222222-0000-0000-0000-000000000000', power_watts = 200 },
    { uuid = 'GPU-2222ffff-0000-0000-0000-000000000000', power_watts = 300 },
    { uuid = 'GPU-33333333-0000-0000-0000-000000000000', name = 'NVIDIA L4', power_watts = 72 },
]";

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
    for (choice, words) in [
        ("9", "is not a GPU of this machine"),
        ("GPU-9", "is not a GPU of this machine"),
        ("GPU-2222", "names 2 GPUs"),
    ] {
        let mut env = TestEnv::new();
        env.gpus(FOUR);
        let done = env.run(&format!("--gpus {choice}"), "touch started").done();
        assert_eq!(done.code(), Some(2));
        let stderr = done.stderr();
        assert!(stderr.contains(&format!("--gpus: '{choice}' {words}")), "{stderr}");
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
    env.gpus(
        "gpu = [{ uuid = 'GPU-same', power_watts = 100, energy = false },
                { uuid = 'GPU-same', power_watts = 300, energy = false }]",
    );
    let report = env.run("--interval 0.1", "sleep 0.3").done().report();
    assert_eq!(measured(&report), [0, 1]);
    assert_near(report.metric("aec_total_watts"), 400.0, 1e-3);
    let done = env.run("--gpus GPU-same", "touch started").done();
    assert_eq!(done.code(), Some(2));
    assert!(done.stderr().contains("names 2 GPUs"), "{}", done.stderr());
}

#[test]
fn a_gpu_that_is_listed_twice_is_counted_once() {
    let mut env = TestEnv::new();
    let gpu = "{ uuid = 'GPU-same', pci_bus_id = '00000000:1B:00.0', power_watts = 100, energy = false }";
    env.gpus(&format!("gpu = [{gpu}, {{ power_watts = 300, energy = false }}, {gpu}]"));
    let warned = "GPU 0 is listed again as GPU 2; it is counted once";
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

#[test]
fn energy_is_null_where_the_log_speaks_for_more_gpus_than_were_measured() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ count = 8, power_watts = 300, energy = false }]");
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
            "the log reports 16 GPUs, 8 were measured; gpus[] has the energy of each"
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
