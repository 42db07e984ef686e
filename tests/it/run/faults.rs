//! NVML that fails in every way, and threads of ours that panic: the command is unharmed, effllm
//! ends promptly, and what can be measured is.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Done, TestEnv, assert_near, until};

/// What the command does in every test here.
const SCRIPT: &str = "echo trained; cat >/dev/null; date +%s.%N >ended; exit 3";

/// How long effllm may take after the command's end.
const PROMPT: Duration = Duration::from_secs(1);

/// Runs the script for so long on a machine with a fault, and checks what must hold in any case.
fn with_fault<'a>(env: &'a TestEnv, seconds: f64, options: &str) -> Done<'a> {
    let session = env.run(&format!("--interval 0.05 {options}"), SCRIPT).start();
    session.wait_for("trained");
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let done = session.wait();
    let left =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let ended: f64 = env.read("ended").trim().parse().expect("a time");
    assert_eq!((done.code(), done.stdout().as_str()), (Some(3), "trained\n"));
    // The machine is shared by other tests; a hang would be ten seconds or more.
    let took = left - ended;
    eprintln!("left {took:.3} s after the command's end");
    assert!(took < 3.0 * PROMPT.as_secs_f64(), "{took} s");
    assert!(env.report().warnings().len() <= 4, "{:?}", env.report().warnings());
    done
}

fn machine(scenario: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.gpus(scenario);
    env
}

#[test]
fn no_nvml_at_all_costs_the_gpu_figures() {
    let mut env = TestEnv::new();
    with_fault(&env, 0.0, "");
    assert!(env.report().why_null("amu_gb").contains("no-nvml-in-this-test.so"));
    env.write("not-a-library", "text");
    env.set("EFFLLM_NVML_LIB", env.path("not-a-library"));
    with_fault(&env, 0.0, "");
    assert!(env.report().why_null("amu_gb").contains("not-a-library"));
    // A library that is one, but not NVML.
    env.set("EFFLLM_NVML_LIB", "libc.so.6");
    with_fault(&env, 0.0, "");
    assert!(!env.report().why_null("amu_gb").is_empty());
}

#[test]
fn every_code_of_every_call_costs_at_most_its_own_quantity() {
    for code in
        ["NOT_SUPPORTED", "NO_PERMISSION", "GPU_IS_LOST", "UNKNOWN", "DRIVER_NOT_LOADED", "TIMEOUT", "IN_USE"]
    {
        let env = machine(&format!(
            "gpu = [{{ count = 2 }}]\n[[fault]]\ncall = 'nvmlDeviceGetPowerUsage'\nreturn = '{code}'"
        ));
        with_fault(&env, 0.3, "");
        let report = env.report();
        assert!(report.metric("amu_gb") > 0.0, "{code}");
        assert!(report.at("gpus.0.power_watts.mean").is_null(), "{code}");
        assert!(report.text("gpus.0.unavailable.power_watts").contains("nvmlDeviceGetPowerUsage"), "{code}");
    }
    for code in ["DRIVER_NOT_LOADED", "UNKNOWN", "NO_PERMISSION"] {
        let env = machine(&format!("[[fault]]\ncall = 'nvmlInit_v2'\nreturn = '{code}'"));
        with_fault(&env, 0.0, "");
        assert!(env.report().why_null("amu_gb").contains("nvmlInit"), "{code}");
    }
}

#[test]
fn a_gpu_that_fails_leaves_the_others_measured() {
    for fault in ["return = 'GPU_IS_LOST'", "hang = true", "delay_s = 10", "return = 'UNKNOWN'"] {
        let env = machine(&format!(
            "gpu = [{{ count = 3, memory_used_gb = 20 }}]\n[[fault]]\ncall = '*'\ngpu = 1\nfrom_s = 0.4\n{fault}"
        ));
        with_fault(&env, 1.5, "");
        let report = env.report();
        for gpu in [0, 2] {
            assert!(report.number(&format!("gpus.{gpu}.coverage_ratio")) > 0.8, "{fault}: {:#}", report.0);
        }
        assert!(report.number("gpus.1.coverage_ratio") < 0.8, "{fault}: {:#}", report.0);
    }
}

#[test]
fn a_gpu_that_hangs_from_the_start_is_null_with_a_reason_and_the_others_are_measured() {
    for call in [
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetUtilizationRates",
    ] {
        let env = machine(&format!(
            "gpu = [{{ count = 2, memory_used_gb = 20 }}]\n[[fault]]\ncall = '{call}'\ngpu = 1\nhang = true"
        ));
        with_fault(&env, 1.5, "");
        let report = env.report();
        assert_near(report.number("gpus.0.memory_used_bytes.mean"), 2e10, 1e-9);
        assert!(report.at("gpus.1.utilization_ratio.mean").is_null(), "{call}");
        assert!(report.why_null("pcu_ratio").contains("GPU 1"), "{call}: {}", report.why_null("pcu_ratio"));
        assert!(report.warnings().iter().any(|warning| warning.contains("NVML")), "{call}");
    }
}

#[test]
fn calls_that_never_return_hold_up_neither_the_start_nor_the_end() {
    for call in ["nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlSystemGetDriverVersion", "nvmlShutdown", "*"] {
        let env = machine(&format!("gpu = [{{ count = 2 }}]\n[[fault]]\ncall = '{call}'\nhang = true"));
        with_fault(&env, 0.2, "");
    }
    for call in ["nvmlDeviceGetPowerUsage", "nvmlShutdown", "nvmlInit_v2"] {
        let env = machine(&format!("[[fault]]\ncall = '{call}'\ndelay_s = 10"));
        with_fault(&env, 0.2, "");
    }
}

/// A library of these lines of C, in the place of NVML.
fn library(source: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.write("nvml.c", source);
    let compiled = env.command(["cc", "-shared", "-fPIC", "-o", "nvml.so", "nvml.c"]).done();
    assert_eq!(compiled.code(), Some(0), "{}", compiled.stderr());
    env.set("EFFLLM_NVML_LIB", env.path("nvml.so"));
    env
}

#[test]
fn a_library_that_hangs_while_it_is_loaded_costs_the_gpu_figures() {
    let env = library(
        "#include <unistd.h>\n__attribute__((constructor)) static void load(void) { for (;;) pause(); }",
    );
    with_fault(&env, 0.3, "--series series.csv --openmetrics metrics.prom");
    assert!(env.report().why_null("amu_gb").contains("did not answer"));
    assert!(env.report().number("host.processes_max") > 0.0, "{:#}", env.report().at("host"));
    assert!(env.read("series.csv").contains(",host,"), "{}", env.read("series.csv"));
    assert!(env.read("metrics.prom").contains("effllm_running 0"));

    let done = env.effllm(["run", "--", "sh", "-c", "exit 3"]).done();
    assert_eq!(done.code(), Some(3));
    assert!(done.stderr().contains("exit 3") && done.stderr().contains("report: "), "{}", done.stderr());

    // More than a pipe holds; and the log is read.
    let done = env.effllm(["run", "-q", "--", "seq", "100000"]).done();
    assert_eq!((done.code(), done.stdout.len()), (Some(0), 588_895));
    assert_eq!(env.report().number("log.bytes"), 588_895.0);

    let session = env.run("-o ended.json", "echo ready; while :; do sleep 0.05; done").start();
    session.wait_for("ready");
    session.send(Signal::SIGTERM);
    assert_eq!(session.wait().signal(), Some(Signal::SIGTERM as i32));
    assert!(env.exists("ended.json"));

    assert_eq!(env.effllm(["run", "-q", "--", "no-such-command"]).done().code(), Some(127));
    let pid = std::process::id().to_string();
    let done = env.effllm(["monitor", "-q", "--pid", &pid, "--duration", "0.2"]).done();
    assert_eq!(done.code(), Some(0), "{}", done.stderr());
}

#[test]
fn the_command_starts_before_the_gpu_library_is_loaded() {
    // While it is loaded, the library notes the children of effllm, one of which is the command.
    let shell = library(
        "#include <stdio.h>\n#include <unistd.h>\n\
         __attribute__((constructor)) static void load(void) {\n\
           char name[64], children[64];\n\
           snprintf(name, sizeof name, \"/proc/self/task/%d/children\", getpid());\n\
           FILE *from = fopen(name, \"r\"), *to = fopen(\"children.tmp\", \"w\");\n\
           if (from && to && fgets(children, sizeof children, from)) fputs(children, to);\n\
           if (to) fclose(to);\n\
           rename(\"children.tmp\", \"children\");\n\
         }",
    );
    let done = shell.run("", "until [ -e children ]; do sleep 0.02; done; grep -qw $$ children").done();
    assert_eq!(done.code(), Some(0), "{}", shell.read("children"));
}

#[test]
fn what_is_no_library_by_its_kind_is_not_opened() {
    let mut env = TestEnv::new();
    nix::unistd::mkfifo(&env.path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a named pipe");
    env.set("EFFLLM_NVML_LIB", env.path("pipe"));
    with_fault(&env, 0.0, "");
    assert!(env.report().why_null("amu_gb").ends_with("pipe is no regular file"));
}

#[test]
fn a_number_of_gpus_that_cannot_be_is_none() {
    let env = library(
        "int nvmlInit_v2(void) { return 0; }\n\
         int nvmlDeviceGetCount_v2(unsigned *count) { *count = -1; return 0; }",
    );
    with_fault(&env, 0.0, "");
    assert!(env.report().why_null("amu_gb").contains("4294967295 GPUs"));
}

#[test]
fn gaps_in_the_readings_are_one_warning_that_names_the_gpus() {
    let env = machine(
        "gpu = [{ count = 4 }]
         [[fault]]
         call = '*'
         gpu = 1
         from_s = 1.0
         return = 'GPU_IS_LOST'
         [[fault]]
         call = 'nvmlDeviceGetPowerUsage'
         gpu = 2
         from_s = 1.0
         return = 'UNKNOWN'",
    );
    with_fault(&env, 6.0, "");
    let report = env.report();
    let warnings = report.warnings();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    let gaps: Vec<_> = warning
        .strip_prefix("readings cover only a part of the time: ")
        .expect("the warning of the gaps")
        .split("; ")
        .collect();
    let [lost, silent] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert!(lost.starts_with("GPU 1 ") && lost.contains(" % – NVML: the GPU is lost"), "{lost}");
    assert!(silent.starts_with("GPU 2 power ") && silent.contains("(nvmlDeviceGetPowerUsage)"), "{silent}");
}

#[test]
fn counters_that_fall_or_jump_and_values_that_cannot_be_are_left_out() {
    let env = machine(
        "[[gpu]]\npower_watts = 300\nenergy_resets_at_s = [0.5]\nenergy_jumps_mj = [[0.8, -50000], [1.0, 1e9]]",
    );
    with_fault(&env, 1.5, "");
    let report = env.report();
    let wall = report.number("command.wall_seconds");
    assert!(
        report.number("gpus.0.energy_joules") < 300.0 * wall * 1.2 + 60.0,
        "{:#}",
        report.at("gpus.0.energy_joules")
    );
    assert_eq!(report.warnings().iter().filter(|warning| warning.contains("energy counter")).count(), 1);
    let env = machine("[[gpu]]\nutilization_percent = 255");
    with_fault(&env, 0.3, "");
    assert!(env.report().why_null("pcu_ratio").contains("255 %"));
    // The same GPU twice.
    let twice = "[[gpu]]\nuuid = 'GPU-same'\n[[gpu]]\nuuid = 'GPU-same'";
    with_fault(&machine(twice), 0.2, "");
}

#[test]
fn missing_symbols_cost_their_own_quantities() {
    let env = machine(
        "missing_symbols = ['nvmlShutdown', 'nvmlDeviceGetPowerUsage', 'nvmlDeviceGetTotalEnergyConsumption']",
    );
    with_fault(&env, 0.2, "");
    let report = env.report();
    assert!(report.metric("amu_gb") > 0.0);
    assert!(report.why_null("aec_watts").contains("not in this version of the library"));
}

#[test]
fn a_panic_in_any_thread_ends_what_it_measures_and_nothing_else() {
    let step = r"step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+) ms";
    for thread in [
        "effllm-gpu",
        "effllm-gpu-0",
        "effllm-host",
        "effllm-log",
        "effllm-report",
        "stdout",
        "stderr",
        "end",
    ] {
        let mut env = machine("gpu = [{ count = 2 }]");
        env.set("EFFLLM_PANIC", thread);
        let script = "trap : TERM; for i in 1 2 3; do echo step $i took 5 ms; done; echo err >&2; echo ready; \
                      until [ -e stop ]; do sleep 0.02; done; seq 2000; echo last >&2; exit 4";
        let session = env
            .effllm(["run", "-q", "--interval", "0.05", "--pattern", step, "--", "sh", "-c", script])
            .start();
        session.wait_for("ready");
        let samples = || {
            let calls = if env.exists("nvml-calls.jsonl") { env.nvml_calls() } else { Vec::new() };
            calls.iter().filter(|made| made.call == "nvmlDeviceGetMemoryInfo_v2").count()
        };
        until("some samples", || thread == "effllm-gpu" || samples() > 8);
        session.send(Signal::SIGTERM); // upon which the report is saved
        env.write("stop", "");
        let done = session.wait();
        let stdout = done.stdout();
        assert_eq!(done.code(), Some(4), "{thread}: {}", done.stderr());
        assert!(
            stdout.starts_with("step 1 took 5 ms\n") && stdout.ends_with("\n1999\n2000\n"),
            "{thread}: {stdout}"
        );
        let stderr = done.stderr();
        assert!(stderr.contains("err\n") && stderr.contains("last\n"), "{thread}: {stderr}");
        if ["stdout", "stderr"].contains(&thread) {
            continue; // what is redirected is passed on without a look at it
        }
        assert!(stderr.contains("internal error in thread"), "{thread}: {stderr}");
        if thread == "end" {
            continue; // who draws up the report is gone
        }
        let report = env.report();
        assert_eq!(report.at("command.exit.code"), 4, "{thread}");
        if thread != "effllm-log" {
            assert_eq!(report.at("iterations.last"), 3, "{thread}");
        }
        if !thread.contains("gpu") {
            assert!(report.number("gpus.1.memory_used_bytes.mean") > 0.0, "{thread}");
        }
        if thread == "effllm-gpu-0" {
            assert!(report.number("gpus.1.samples") > 1.0, "{thread}");
        }
        assert_eq!(
            fs::read_dir(env.path(""))
                .expect("the folder")
                .filter(|entry| {
                    entry
                        .as_ref()
                        .is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(".effllm"))
                })
                .count(),
            0
        );
    }
}

#[test]
fn a_panic_beside_the_table_costs_the_table() {
    for thread in ["stdout", "stderr", "effllm-table"] {
        let mut env = TestEnv::new();
        env.set("EFFLLM_PANIC", thread);
        let screen = crate::harness::terminal::Screen::new(24, 80);
        let script = "seq 10; echo err >&2; sleep 0.4; seq 11 15; exit 6";
        let session = screen.start(env.effllm(["run", "--live", "table", "--", "sh", "-c", script]));
        assert_eq!(session.wait().code(), Some(6), "{thread}");
        screen.wait_for("report: effllm-report.json");
        let bytes = String::from_utf8_lossy(&screen.bytes()).into_owned();
        let numbers: Vec<u32> = bytes.lines().filter_map(|line| line.trim().parse().ok()).collect();
        assert_eq!(numbers, Vec::from_iter(1..=15), "{thread}: {bytes:?}");
    }
}
