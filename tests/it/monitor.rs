//! `effllm monitor` measures what already runs.

#[path = "workshop.rs"]
mod workshop;

use std::fs::{self, File};

use nix::sys::signal::Signal;
use serde_json::json;

use workshop::{Patient, Workshop};

/// Every iteration is said on stderr, so that it can be waited for.
const READ_THE_LOG: &str = "--gpus none --rules rules.toml --live log --log-interval 1 --log log";

#[test]
fn a_process_is_measured_with_what_it_has_started() {
    let workshop = Workshop::new();
    let process = Patient::new("sleep 600 & trap \"kill $!\" EXIT;", &[]);
    let measure = |seconds| {
        let arguments = format!("--gpus none --interval 0.02 --pid {} --duration {seconds}", process.pid());
        workshop.monitor(&arguments).report()["host"].clone()
    };
    // On a busy machine the first look at the processes may take a while.
    let host =
        [0.2, 2.0, 20.0].into_iter().map(measure).find(|host| !host["processes_max"].is_null()).unwrap();
    assert_eq!(host["processes_max"], 2);
    assert!(host["resident_bytes"]["max"].as_f64().is_some_and(|bytes| bytes > 0.0));
    process.end();
}

#[test]
fn measuring_ends_when_the_process_does() {
    let workshop = Workshop::new();
    let process = Patient::new("", &[("RANK", "3"), ("SLURM_JOB_ID", "77")]);
    let monitor = workshop.monitor(&format!("--gpus none --pid {}", process.pid()));
    process.end();
    let report = monitor.report();
    assert_eq!(report["status"], "completed");
    assert_eq!((&report["command"]["argv"][0], &report["command"]["cwd"]), (&json!("sh"), &json!("/")));
    assert_eq!(report["command"]["exit"], json!(null));
    assert!(report["unavailable"]["command.exit"].as_str().is_some_and(|why| why.contains("no child")));
    assert!(report["command"]["wall_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    assert_eq!(
        (&report["job"]["rank"], &report["job"]["scheduler"]["SLURM_JOB_ID"]),
        (&json!(3), &json!("77"))
    );
}

#[test]
fn the_secrets_of_a_process_are_neither_told_nor_reported() {
    let workshop = Workshop::new();
    let process = Patient::new(": --password=hunter2;", &[]);
    let pid = process.pid();
    let monitor = workshop.start(&format!("exec \"$EFFLLM\" monitor --gpus none --pid {pid}"));
    let line = monitor.wait_for("effllm: measuring");
    process.end();
    assert!(line.contains("(sh -c : --password=***; echo ready; "), "{line}");
    let argv = monitor.report()["command"]["argv"].to_string();
    assert!(!argv.contains("hunter2"), "{argv}");
}

#[test]
fn the_gpus_are_those_that_the_process_sees() {
    let workshop = Workshop::new();
    workshop.gpus("gpu = [{ count = 2, memory_used_gb = 30 }]");
    let process = Patient::new("", &[("CUDA_VISIBLE_DEVICES", "1")]);
    let monitor = workshop.monitor(&format!("--interval 0.02 --pid {}", process.pid()));
    process.end();
    let report = monitor.report();
    let indices: Vec<_> = report["gpus"].as_array().unwrap().iter().map(|gpu| gpu["index"].clone()).collect();
    assert_eq!(indices, [1]);
    let memory = report["metrics"]["amu_gb"].as_f64().unwrap();
    assert!((memory - 30.0).abs() < 1e-6, "{memory}");
}

#[test]
fn gpus_alone_are_measured_for_as_long_as_was_asked_for() {
    let workshop = Workshop::new();
    workshop.gpus("gpu = [{ power_watts = 300 }]");
    let report = workshop.monitor("--interval 0.02 --duration 300ms").report();
    assert_eq!((&report["status"], &report["command"]["argv"]), (&json!("completed"), &json!([])));
    let watts = report["metrics"]["aec_watts"].as_f64().unwrap();
    assert!((watts - 300.0).abs() < 1.0, "{watts}");
    assert!(report["command"]["wall_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.3));
}

#[test]
fn a_log_is_followed_across_rotation_and_truncation_until_ctrl_c() {
    let workshop = Workshop::new();
    workshop.append("step 1 took 9000\nstep 2 to");
    let monitor = workshop.monitor(READ_THE_LOG);
    workshop.append("ok 9000\nstep 10 took 9000 samples 100\nstep 11 took 100 samples 110\n");
    monitor.wait_for("[EfficientLLM Metrics] Iteration 11:");
    fs::rename(workshop.path("log"), workshop.path("log.1")).unwrap();
    workshop.append("step 12 took 200 samples 120\n");
    monitor.wait_for("[EfficientLLM Metrics] Iteration 12:");
    File::options().write(true).open(workshop.path("log")).unwrap().set_len(0).unwrap();
    workshop.append("step 13 took 300 samples 130\n");
    monitor.wait_for("[EfficientLLM Metrics] Iteration 13:");
    workshop.append("step 14 took 400 samples 140"); // read at the end, though no line end follows it
    monitor.signal(Signal::SIGINT);
    let report = monitor.report();
    assert_eq!(report["status"], "interrupted");
    // Of iteration 10, the first that was seen to end, the beginning was not measured.
    let iterations = &report["iterations"];
    assert_eq!(
        (&iterations["count"], &iterations["first"], &iterations["last"]),
        (&json!(4), &json!(11), &json!(14))
    );
    assert_eq!((&iterations["seconds"], &iterations["samples"]), (&json!(1.0), &json!(40.0)));
}

#[test]
fn what_a_log_held_before_is_known_but_not_counted() {
    let workshop = Workshop::new();
    workshop.append("seq_length 2048\nstep 1 took 100 samples 10\nstep 2 took 100 samples 20\n");
    let monitor = workshop.monitor(&format!("{READ_THE_LOG} --from-start"));
    workshop.append("step 3 took 100 samples 30\nstep 4 took 100 samples 40\n");
    monitor.wait_for("[EfficientLLM Metrics] Iteration 4:");
    monitor.signal(Signal::SIGTERM);
    let report = monitor.report();
    assert_eq!(report["model"]["sequence_length"]["value"], 2048.0);
    assert_eq!(
        (&report["iterations"]["count"], &report["iterations"]["tokens"]),
        (&json!(1), &json!(20480.0))
    );
    assert_eq!((&report["log"]["lines"], &report["log"]["bytes"]), (&json!(5), &json!(16 + 27 * 4)));
}

#[test]
fn a_signal_that_the_caller_ignores_ends_nothing() {
    let workshop = Workshop::new();
    let monitor = workshop.monitor_by(&format!("trap '' HUP; exec \"$EFFLLM\" monitor {READ_THE_LOG}"));
    monitor.signal(Signal::SIGHUP);
    workshop.append("step 1 took 100\nstep 2 took 100\n");
    monitor.wait_for("[EfficientLLM Metrics] Iteration 2:");
    monitor.signal(Signal::SIGTERM);
    assert_eq!(monitor.report()["iterations"]["count"], 1);
}

#[test]
fn the_table_leaves_the_screen_while_effllm_is_stopped() {
    let workshop = Workshop::new();
    workshop.gpus("");
    let (monitor, mut screen) = workshop.monitor_on_a_terminal("--pid $$");
    screen.wait_for("GPU    busy");
    monitor.signal(Signal::SIGTSTP);
    screen.wait_for("\x1b[r"); // the whole screen scrolls again
    while !monitor.is_stopped() {
        std::thread::yield_now();
    }
    monitor.signal(Signal::SIGCONT);
    screen.wait_for("GPU    busy");
    monitor.signal(Signal::SIGTERM);
    screen.wait_for("report: effllm-report.json");
    assert_eq!(monitor.report()["status"], "interrupted");
}

#[test]
fn a_gate_judges_what_was_measured() {
    let workshop = Workshop::new();
    let monitor = workshop.monitor(&format!("{READ_THE_LOG} --min-iterations 1 --require 'al <= 0.05'"));
    workshop.append("step 1 took 100\nstep 2 took 100\n");
    monitor.wait_for("[EfficientLLM Metrics] Iteration 2:");
    monitor.signal(Signal::SIGINT);
    let (code, report) = monitor.ended();
    assert_eq!((code, &report["gate"]["verdict"]), (Some(99), &json!("fail")));
}

#[test]
fn nothing_begins_that_cannot_be_measured() {
    let workshop = Workshop::new();
    let process = Patient::new("", &[]);
    let pid = process.pid();
    process.end();
    nix::unistd::mkfifo(&workshop.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (arguments, code, what) in [
        (format!("--pid {pid}"), 2, "there is no such process"),
        ("--pid 0".to_owned(), 2, "--pid: '0' is no process ID"),
        ("--log nowhere".to_owned(), 2, "cannot read nowhere: there is no such file"),
        ("--log .".to_owned(), 2, "it is a folder"),
        ("--log pipe --duration 300ms".to_owned(), 2, "--log: pipe is no file"),
        ("--gpus none".to_owned(), 2, "there is nothing to measure"),
        ("".to_owned(), 125, "there is nothing to measure: "),
        ("--from-start".to_owned(), 2, "'effllm monitor' needs --log"),
        ("--duration soon --log log".to_owned(), 2, "is no duration"),
        ("-o nowhere/report.json --log log".to_owned(), 2, "the report cannot be written"),
    ] {
        let (status, said) = workshop.refused(&arguments);
        assert_eq!(status, Some(code), "{arguments}: {said}");
        assert!(said.contains(what), "{arguments}: {said}");
    }
}
