//! `effllm monitor` measures what already runs.

use std::fs::{self, File};

use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::harness::process::{children, state};
use crate::harness::terminal::Screen;
use crate::harness::{Call, EFFLLM, Session, TestEnv, assert_near, until};

/// Every iteration is told on stderr, so that it can be waited for.
const READ_THE_LOG: &str = "--gpus none --rules rules.toml --live log --log-interval 1 --log log";

const RULES: &str = r#"
facts = ['seq_length (?P<sequence_length>\d+)']
[[record]]
line = 'step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+)'
fields = ['samples (?P<consumed_samples>\d+)']
"#;

/// A folder with an empty log, and rules for it.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.write("log", "").write("rules.toml", RULES);
    env
}

fn monitor<'a>(env: &'a TestEnv, arguments: &str) -> Call<'a> {
    env.sh(&format!("exec $effllm monitor {arguments}"))
}

/// The same, once it measures.
#[track_caller]
fn begun<'a>(env: &'a TestEnv, arguments: &str) -> Session<'a> {
    begins(monitor(env, arguments))
}

#[track_caller]
fn begins(call: Call<'_>) -> Session<'_> {
    let session = call.start();
    session.wait_for_stderr("effllm: measuring");
    session
}

/// A process to be measured: a script, which then waits until its stdin is closed.
#[track_caller]
fn process<'a>(env: &'a TestEnv, script: &str, variables: &[(&str, &str)]) -> Session<'a> {
    let mut call = env.command(["sh", "-c", &format!("{script} echo ready; read line")]);
    call.command.envs(variables.iter().copied()).current_dir("/");
    let session = call.start();
    session.wait_for("ready\n");
    session
}

#[track_caller]
fn wait_for_iteration(session: &Session, iteration: u32) {
    session.wait_for_stderr(&format!("[EfficientLLM Metrics] Iteration {iteration}:"));
}

#[test]
fn a_process_is_measured_with_what_it_has_started() {
    let env = env();
    let process = process(&env, "sleep 600 & trap \"kill $!\" EXIT;", &[]);
    let measure = |seconds| {
        let arguments = format!("--gpus none --interval 0.02 --pid {} --duration {seconds}", process.pid());
        begun(&env, &arguments).wait().report()
    };
    // On a busy machine the first look at the processes may take a while.
    let measured =
        |seconds| Some(measure(seconds)).filter(|report| !report.at("host.processes_max").is_null());
    let report = [0.2, 2.0, 20.0].into_iter().find_map(measured).expect("processes");
    assert_eq!(report.at("host.processes_max"), 2);
    assert!(report.number("host.resident_bytes.max") > 0.0);
    process.wait();
}

#[test]
fn measuring_ends_when_the_process_does() {
    let env = env();
    let process = process(&env, "", &[("RANK", "3"), ("SLURM_JOB_ID", "77")]);
    let monitor = begun(&env, &format!("--gpus none --pid {}", process.pid()));
    process.wait();
    let report = monitor.wait().report();
    assert_eq!(report.text("status"), "completed");
    assert_eq!((report.text("command.argv.0"), report.text("command.cwd")), ("sh", "/"));
    assert_eq!(report.at("command.exit"), &json!(null));
    assert!(report.0["unavailable"]["command.exit"].as_str().is_some_and(|why| why.contains("no child")));
    assert!(report.number("command.wall_seconds") > 0.0);
    assert_eq!((report.at("job.rank"), report.text("job.scheduler.SLURM_JOB_ID")), (&json!(3), "77"));
}

#[test]
fn the_secrets_of_a_process_are_neither_told_nor_reported() {
    let env = env();
    let process = process(&env, ": --password=hunter2;", &[]);
    let monitor = monitor(&env, &format!("--gpus none --pid {}", process.pid())).start();
    let line = monitor.wait_for_stderr("effllm: measuring");
    process.wait();
    assert!(line.contains("(sh -c : --password=***; echo ready; "), "{line}");
    let argv = monitor.wait().report().at("command.argv").to_string();
    assert!(!argv.contains("hunter2"), "{argv}");
}

#[test]
fn the_gpus_are_those_that_the_process_sees() {
    let mut env = env();
    env.gpus("gpu = [{ count = 2, memory_used_gb = 30 }]");
    let process = process(&env, "", &[("CUDA_VISIBLE_DEVICES", "1")]);
    let monitor = begun(&env, &format!("--interval 0.02 --pid {}", process.pid()));
    let is_reading = |call: &&fake_nvml::LoggedCall| call.gpu == Some(1) && call.call.contains("MemoryInfo");
    until("readings", || {
        env.exists("nvml-calls.jsonl") && env.nvml_calls().iter().filter(is_reading).count() > 3
    });
    process.wait();
    let report = monitor.wait().report();
    assert_eq!(report.at("gpus").as_array().map(Vec::len), Some(1));
    assert_eq!(report.at("gpus.0.index"), 1);
    assert_near(report.metric("amu_gb"), 30.0, 1e-7);
}

#[test]
fn gpus_alone_are_measured_for_as_long_as_was_asked_for() {
    let mut env = env();
    env.gpus("gpu = [{ power_watts = 300, energy = false }]");
    let report = begun(&env, "--interval 0.02 --duration 300ms").wait().report();
    assert_eq!((report.text("status"), report.at("command.argv")), ("completed", &json!([])));
    assert_near(report.metric("aec_watts"), 300.0, 1.0 / 300.0);
    assert!(report.number("command.wall_seconds") >= 0.3);
}

#[test]
fn a_log_is_followed_across_rotation_and_truncation_until_ctrl_c() {
    let env = env();
    env.append("log", "step 1 took 9000\nstep 2 to");
    let monitor = begun(&env, READ_THE_LOG);
    env.append("log", "ok 9000\nstep 10 took 9000 samples 100\nstep 11 took 100 samples 110\n");
    wait_for_iteration(&monitor, 11);
    fs::rename(env.path("log"), env.path("log.1")).expect("a log");
    env.append("log", "step 12 took 200 samples 120\n");
    wait_for_iteration(&monitor, 12);
    File::options().write(true).open(env.path("log")).and_then(|log| log.set_len(0)).expect("a log");
    env.append("log", "step 13 took 300 samples 130\n");
    wait_for_iteration(&monitor, 13);
    env.append("log", "step 14 took 400 samples 140"); // read at the end, though no line end follows it
    let report = monitor.end_by(Signal::SIGINT).report();
    assert_eq!(report.text("status"), "interrupted");
    // Of iteration 10, the first that was seen to end, the beginning was not measured.
    let range = ["count", "first", "last"].map(|name| report.number(&format!("iterations.{name}")));
    assert_eq!(range, [4.0, 11.0, 14.0]);
    assert_eq!((report.number("iterations.seconds"), report.number("iterations.samples")), (1.0, 40.0));
}

#[test]
fn what_a_log_held_before_is_known_but_not_counted() {
    let env = env();
    env.append("log", "seq_length 2048\nstep 1 took 100 samples 10\nstep 2 took 100 samples 20\n");
    let monitor = begun(&env, &format!("{READ_THE_LOG} --from-start"));
    env.append("log", "step 3 took 100 samples 30\nstep 4 took 100 samples 40\n");
    wait_for_iteration(&monitor, 4);
    let report = monitor.end_by(Signal::SIGTERM).report();
    assert_eq!(report.number("model.sequence_length.value"), 2048.0);
    assert_eq!((report.number("iterations.count"), report.number("iterations.tokens")), (1.0, 20480.0));
    assert_eq!((report.at("log.lines"), report.at("log.bytes")), (&json!(5), &json!(16 + 27 * 4)));
}

#[test]
fn a_signal_that_the_caller_ignores_ends_nothing() {
    let env = env();
    let monitor = begins(monitor(&env, READ_THE_LOG).with_signals(Some(Signal::SIGHUP), None));
    monitor.send(Signal::SIGHUP);
    env.append("log", "step 1 took 100\nstep 2 took 100\n");
    wait_for_iteration(&monitor, 2);
    assert_eq!(monitor.end_by(Signal::SIGTERM).report().at("iterations.count"), 1);
}

#[test]
fn the_table_leaves_the_screen_while_effllm_is_stopped() {
    let mut env = env();
    env.gpus("");
    let screen = Screen::new(30, 100);
    let shell = screen.start_bash(&env, &[("effllm", EFFLLM.to_owned())]);
    screen.press("$effllm monitor --pid $$\r");
    screen.wait_for("GPU    busy");
    let monitor = children(shell.pid())[0];
    kill(monitor, Signal::SIGTSTP).expect("effllm is there");
    screen.wait_for_prompt_after("Stopped");
    assert_eq!(state(monitor), 'T');
    assert!(!screen.contents().contains("GPU    busy"), "{}", screen.contents());
    screen.press("fg\r");
    screen.wait_for("GPU    busy");
    kill(monitor, Signal::SIGTERM).expect("effllm is there");
    screen.wait_for("report: effllm-report.json");
    assert_eq!(env.report().text("status"), "interrupted");
}

#[test]
fn a_gate_judges_what_was_measured() {
    let env = env();
    let monitor = begun(&env, &format!("{READ_THE_LOG} --min-iterations 1 --require 'al <= 0.05'"));
    env.append("log", "step 1 took 100\nstep 2 took 100\n");
    wait_for_iteration(&monitor, 2);
    assert_eq!(monitor.end_by(Signal::SIGINT).code(), Some(99));
    assert_eq!(env.report().text("gate.verdict"), "fail");
}

#[test]
fn nothing_begins_that_cannot_be_measured() {
    let env = env();
    let process = process(&env, "", &[]);
    let pid = process.pid();
    process.wait();
    nix::unistd::mkfifo(&env.path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a named pipe");
    for (arguments, code, what) in [
        (format!("--pid {pid}"), 2, "there is no such process"),
        ("--pid 0".to_owned(), 2, "--pid: '0' is not a process ID"),
        ("--log nowhere".to_owned(), 2, "cannot read nowhere: there is no such file"),
        ("--log .".to_owned(), 2, "it is a folder"),
        ("--log pipe --duration 300ms".to_owned(), 2, "--log: pipe is no file"),
        ("--gpus none".to_owned(), 2, "there is nothing to measure"),
        ("".to_owned(), 125, "there is nothing to measure: "),
        ("--from-start".to_owned(), 2, "'effllm monitor' needs --log"),
        ("--duration soon --log log".to_owned(), 2, "is not a duration"),
        ("-o nowhere/report.json --log log".to_owned(), 2, "the report cannot be written"),
    ] {
        let done = monitor(&env, &arguments).done();
        assert_eq!(done.code(), Some(code), "{arguments}: {}", done.stderr());
        assert!(done.stderr().contains(what), "{arguments}: {}", done.stderr());
        assert!(!env.exists("effllm-report.json"));
    }
}
