//! What is written while the command runs, read back by those who read it: TensorBoard's own
//! reader, and the parsers of Prometheus' client library.

mod openmetrics;
mod series;
mod tensorboard;

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use crate::harness::requirements::{available, python};
use crate::harness::{Call, Report, TestEnv};

const EIGHT_GPUS: &str = r#"
    [[gpu]]
    count = 8
    energy = false
    memory_used_gb = { ramp = { from = 20, to = 60, seconds = 3 } }
    power_watts = { ramp = { from = 100, to = 500, seconds = 3 } }
"#;

/// Options by which all metrics of the original are known.
const OPTIONS: &str = "--interval 0.05 --params 1B --seq-len 100 --global-batch-size 8";

const PATTERN: &str = r"step (?P<iteration>\d+) loss (?P<loss>\S+) took (?P<step_time_ms>[\d.]+)";

/// A training of 40 iterations in some two seconds.
const TRAINING: &str =
    "i=1; while [ $i -le 40 ]; do sleep 0.05; echo step $i loss 0.5 took 50.0 ms; i=$((i+1)); done";

fn env(gpus: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.gpus(gpus);
    env
}

fn run<'a>(env: &'a TestEnv, options: &str, script: &str) -> Call<'a> {
    let options = ["run", "--quiet"].into_iter().chain(OPTIONS.split(' ')).chain(options.split_whitespace());
    env.effllm(options.chain(["--pattern", PATTERN, "--", "sh", "-c", script]))
}

/// Reads effllm's output with the programs that users read it with.
const READ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/read.py");

/// What tests/python/read.py sees.
fn read(arguments: &[&str], env: &TestEnv) -> Option<Value> {
    let python = available(python())?;
    let program = [python.as_os_str(), READ.as_ref()].into_iter();
    let done = env.command(program.chain(arguments.iter().map(OsStr::new))).done();
    Some(serde_json::from_str(&done.printed()).expect("JSON"))
}

#[test]
fn what_cannot_be_written_is_told_before_the_command_starts() {
    let env = env("gpu = [{}]");
    env.write("a-file", "");
    fs::create_dir(env.path("a-folder")).expect("a folder");
    for (options, told) in [
        ("--tensorboard a-file", "TensorBoard's folder a-file cannot be written to: File exists"),
        ("--tensorboard a-file/tb", "TensorBoard's folder a-file/tb cannot be written to: Not a directory"),
        ("--series s.txt", ".csv or .jsonl"),
        ("--series none/s.csv", "the series cannot be written to none/s.csv: No such file"),
        ("--openmetrics none/m.prom", "OpenMetrics cannot be written to none/m.prom: No such file"),
        ("--openmetrics a-folder", "OpenMetrics cannot be written to a-folder: it is a folder"),
        ("--listen 70000", "0.0.0.0:9464 is open to other machines"),
        ("--listen example.org:80", "is not an address"),
    ] {
        let done = env.run(options, "touch started").done();
        assert_eq!(done.code(), Some(2), "{options}: {}", done.stderr());
        assert!(done.stderr().contains(told), "{options}: {}", done.stderr());
        assert!(!env.exists("started"), "{options}");
    }
}

#[test]
fn a_taken_address_keeps_no_command_from_starting() {
    let env = env("gpu = [{}]");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("its address");
    let done = env.run(&format!("--listen {taken}"), "echo out").done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(0), "out\n"));
    let told = format!("the metrics are not served: cannot listen at {taken}: Address already in use");
    assert!(done.stderr().contains(&told), "{}", done.stderr());
    assert!(env.report().warnings()[0].starts_with(&told));
}

#[test]
fn a_configuration_file_names_the_sinks_too() {
    let env = env("gpu = [{}]");
    env.write("effllm.toml", "series = 's.jsonl'\ntensorboard = 'tb'\nopenmetrics = 'm.prom'\nlisten = 0\n");
    run(&env, "", "true").done().report();
    assert!(env.exists("s.jsonl") && env.exists("tb") && env.exists("m.prom"));
}

#[test]
fn two_runs_into_one_folder_have_a_file_each() {
    let env = env("gpu = [{}]");
    for _ in 0..2 {
        let _: Report = run(&env, "--tensorboard tb", "true").done().report();
    }
    let names: Vec<_> =
        fs::read_dir(env.path("tb")).expect("the folder").flatten().map(|file| file.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| {
        let name = name.to_string_lossy();
        name.starts_with("events.out.tfevents.") && name.ends_with(".effllm")
    }));
}
