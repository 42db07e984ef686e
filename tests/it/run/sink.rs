//! What is written while the command runs, read back by those who read it: TensorBoard's own
//! reader, and the parsers of Prometheus' client library.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use serde_json::Value;

use crate::harness::requirements::{available, program, python};
use crate::harness::{Call, Report, TestEnv, assert_near, until};

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

/// The points of a tag: wall time, step, value.
fn points(scalars: &Value, tag: &str) -> Vec<(f64, u64, f64)> {
    let points = scalars[format!("efficientllm/{tag}")].as_array().expect("the tag is there");
    let point = |point: &Value| Some((point[0].as_f64()?, point[1].as_u64()?, point[2].as_f64()?));
    points.iter().map(|it| point(it).expect("three numbers")).collect()
}

const ORIGINALS: [&str; 6] = [
    "amu_gb",
    "pcu_ratio",
    "al_seconds",
    "tt_tokens_per_param_per_sec",
    "st_samples_per_param_per_sec",
    "aec_watts",
];

// TensorBoard

#[test]
fn tensorboard_reads_exactly_the_values_of_the_report() {
    let env = env(EIGHT_GPUS);
    let report = run(&env, "--tensorboard runs/a", TRAINING).done().report();
    let Some(scalars) = read(&["tensorboard", "runs/a"], &env) else { return };
    assert_eq!(scalars.as_object().expect("tags").len(), ORIGINALS.len(), "{scalars}");
    let started: jiff::Timestamp = report.text("command.started_at").parse().expect("a moment");
    let started = started.as_millisecond() as f64 / 1e3;
    let ended = started + report.number("command.wall_seconds");
    for name in ORIGINALS {
        let points = points(&scalars, name);
        let steps: Vec<u64> = points.iter().map(|point| point.1).collect();
        // The last one is there again where the GPUs had not been read to the end of step 40.
        assert!([&[10, 20, 30, 40][..], &[10, 20, 30, 40, 40]].contains(&&steps[..]), "{name}: {steps:?}");
        let last = points.last().expect("points").2;
        assert_eq!(last as f32, report.metric(name) as f32, "{name}");
        assert!(points.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{name}: {points:?}");
        let (first, last) = (points[0].0 - started, points[points.len() - 1].0);
        assert!(first > 0.5 && last <= ended + 0.1, "{name}: {first} {last} {ended}");
    }
    // The power rises all the time: each point is of its own moment.
    let watts: Vec<f64> = points(&scalars, "aec_watts").iter().take(4).map(|point| point.2).collect();
    assert!(watts.windows(2).all(|pair| pair[0] < pair[1]), "{watts:?}");
}

#[test]
fn twenty_thousand_iterations_at_once_have_a_point_each_log_interval() {
    let env = env("gpu = [{}]");
    let line = |i| format!("step {i} loss 0.5 took {}.0 ms\n", i % 2 * 20 + 10);
    env.write("log", (1..=20_000).map(line).collect::<String>());
    let session = run(&env, "--tensorboard . --series s.jsonl", "cat log; read line || true").start();
    let records = || {
        let series = fs::read_to_string(env.path("s.jsonl")).unwrap_or_default();
        series.lines().filter(|line| line.contains(r#""source":"progress""#)).count()
    };
    until("all records", || records() == 20_000);
    let report = session.wait().report();
    assert_eq!(report.number("log.records"), 20_000.0);
    assert_eq!(report.warnings(), [""; 0]);
    let Some(scalars) = read(&["tensorboard", "."], &env) else { return };
    let points = points(&scalars, "al_seconds");
    let steps: Vec<u64> = points.iter().map(|point| point.1).collect();
    assert_eq!(steps, (1..=2000).map(|i| i * 10).collect::<Vec<_>>());
    // Half of the iterations took 10 ms, half 30 ms.
    points.iter().for_each(|point| assert_near(point.2, 0.02, 1e-6));
}

#[test]
fn the_training_writes_into_the_same_folder() {
    let env = env("gpu = [{}]");
    let Some(python) = available(python()) else { return };
    let script = format!("{} {READ} write tb", python.display());
    run(&env, "--tensorboard tb", &script).done().report();
    let scalars = read(&["tensorboard", "tb"], &env).expect("Python is there");
    assert_eq!(scalars["loss"].as_array().map(Vec::len), Some(20));
    assert_eq!(points(&scalars, "al_seconds").last().map(|point| point.1), Some(20));
    assert_eq!(fs::read_dir(env.path("tb")).expect("the folder").count(), 2);
}

#[test]
fn a_log_without_iterations_is_counted_in_records() {
    let env = TestEnv::new();
    let pattern = r"(?P<generation_tokens_per_s>\d+) tok/s";
    let script = "for i in 1 2 3 4 5; do echo 100 tok/s; sleep 0.1; done";
    let options = ["--tensorboard", "tb", "--log-interval", "2", "--pattern", pattern];
    let run = ["run", "--quiet"].into_iter().chain(options).chain(["--", "sh", "-c", script]);
    let report = env.effllm(run).done().report();
    let Some(scalars) = read(&["tensorboard", "tb"], &env) else { return };
    assert_eq!(
        scalars.as_object().map(serde_json::Map::len),
        Some(1),
        "what is unknown is not drawn: {scalars}"
    );
    let points = points(&scalars, "it_tokens_per_sec");
    assert_eq!(points.iter().map(|point| point.1).collect::<Vec<_>>(), [2, 4, 5]);
    assert_eq!(points[2].2 as f32, report.metric("it_tokens_per_sec") as f32);
}

#[test]
fn a_point_is_there_while_the_command_runs() {
    let env = env("gpu = [{}]");
    let session =
        run(&env, "--tensorboard tb --log-interval 1", "echo step 1 loss 0.5 took 50.0 ms; read line")
            .start();
    let size = || {
        fs::read_dir(env.path("tb"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| file.metadata().unwrap().len())
            .sum::<u64>()
    };
    until("a point", || size() > 100);
    if let Some(scalars) = read(&["tensorboard", "tb"], &env) {
        assert_eq!(points(&scalars, "al_seconds").len(), 1);
    }
    session.wait();
}

// The series

/// The lines of a CSV file by the names of their columns.
fn csv(text: &str) -> Vec<std::collections::HashMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.expect("a whole row")).collect()
}

#[test]
fn the_series_of_eight_gpus_adds_up_to_the_report() {
    let env = env(EIGHT_GPUS);
    let report = run(&env, "--series s.csv", TRAINING).done().report();
    let rows = csv(&env.read("s.csv"));
    let wall = report.number("command.wall_seconds");
    for gpu in 0..8 {
        let readings: Vec<(f64, f64, f64)> = rows
            .iter()
            .filter(|row| row["source"] == "gpu" && row["gpu"] == gpu.to_string())
            .map(|row| {
                ["elapsed_seconds", "power_watts", "memory_used_bytes"]
                    .map(|name| row[name].parse().unwrap())
                    .into()
            })
            .collect();
        assert_eq!(readings.len() as f64, report.number(&format!("gpus.{gpu}.samples")));
        let power: Vec<_> = readings.iter().map(|reading| (reading.0, reading.1)).collect();
        let memory: Vec<_> = readings.iter().map(|reading| (reading.0, reading.2)).collect();
        assert_near(integral(&power, wall), report.number(&format!("gpus.{gpu}.energy_joules")), 1e-4);
        let (first, last) = (power[0].0.max(0.0), power[power.len() - 1].0.min(wall));
        let mean = integral(&memory, wall) / (last - first);
        assert_near(mean, report.number(&format!("gpus.{gpu}.memory_used_bytes.mean")), 1e-4);
    }
    let records: Vec<_> = rows.iter().filter(|row| row["source"] == "progress").collect();
    assert_eq!(records.len(), 40);
    assert_eq!(records[39]["iteration"], "40");
    assert_eq!(records[39]["step_time_seconds"], "0.05");
    assert_eq!(records[39]["power_watts"], "");
    let hosts = rows.iter().filter(|row| row["source"] == "host" && !row["resident_bytes"].is_empty());
    assert!(hosts.count() > 10);
}

/// The integral of readings from the start to the end of the command, by the trapezoidal rule.
fn integral(readings: &[(f64, f64)], wall: f64) -> f64 {
    let clip = |at: f64| at.clamp(0.0, wall);
    let piece = |pair: &[(f64, f64)]| {
        let ((t0, v0), (t1, v1)) = (pair[0], pair[1]);
        let value = |at: f64| v0 + (v1 - v0) * (at - t0) / (t1 - t0);
        (clip(t1) - clip(t0)) * (value(clip(t0)) + value(clip(t1))) / 2.0
    };
    readings.windows(2).map(piece).sum()
}

#[test]
fn what_is_unknown_is_no_number_in_the_series() {
    let env = env(r#"gpu = [{ not_supported = ["nvmlDeviceGetPowerUsage", 185, 186], energy = false }]"#);
    run(&env, "--series s.jsonl", "echo step 1 loss nan took 50.0 ms; echo step 2 loss 0.5 took 50.0 ms")
        .done()
        .report();
    let lines: Vec<Value> =
        env.read("s.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.iter().any(|line| line["source"] == "gpu"));
    for line in lines {
        let values = line.as_object().expect("an object");
        assert!(values.values().all(|value| !value.is_null()), "{line}");
        assert!(!values.contains_key("power_watts"), "{line}");
    }
}

#[test]
fn sigkill_tears_no_line_but_the_last() {
    for name in ["s.csv", "s.jsonl"] {
        let env = env(EIGHT_GPUS);
        let session = env
            .run(&format!("--interval 0.01 --series {name}"), "i=0; while :; do i=$((i+1)); echo $i; done")
            .start();
        let text = || fs::read_to_string(env.path(name)).unwrap_or_default();
        until("lines", || text().lines().count() > 200);
        session.send(Signal::SIGKILL);
        session.wait();
        let text = text();
        let whole = &text[..text.rfind('\n').expect("lines") + 1];
        if name.ends_with("csv") {
            assert!(csv(whole).len() >= 200);
        } else {
            whole.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).expect("JSON")));
        }
    }
}

#[test]
fn a_full_disk_costs_its_own_output_only() {
    let env = env("gpu = [{}]");
    symlink("/dev/full", env.path("full.csv")).expect("a link");
    let report = run(&env, "--series full.csv --tensorboard tb", TRAINING).done().report();
    assert_eq!(report.number("iterations.count"), 40.0);
    let told: Vec<_> = report.warnings().into_iter().filter(|warning| warning.contains("full.csv")).collect();
    assert!(told.len() == 1 && told[0].contains("No space left"), "{:?}", report.warnings());
    if let Some(scalars) = read(&["tensorboard", "tb"], &env) {
        assert_eq!(points(&scalars, "al_seconds").last().map(|point| point.1), Some(40));
    }
}

#[test]
fn a_disk_that_hangs_delays_nobody() {
    let env = env("gpu = [{}]");
    nix::unistd::mkfifo(&env.path("s.jsonl"), Mode::S_IRWXU).expect("a pipe");
    // Someone who opens it, and reads nothing.
    let reader = env.sh("exec 3< s.jsonl; echo open; exec sleep 60").start();
    let log: String = (1..=60_000).map(|i| format!("step {i} loss 0.5 took 50.0 ms\n")).collect();
    let begun = Instant::now();
    let report = run(env.write("log", log), "--series s.jsonl", "cat log").done().report();
    let took = begun.elapsed();
    assert!(report.number("command.wall_seconds") < 10.0 && took < Duration::from_secs(20), "{took:?}");
    let warnings = report.warnings();
    assert!(
        warnings.iter().any(|warning| warning.contains("s.jsonl") && warning.contains("hangs")),
        "{warnings:?}"
    );
    drop(reader);
}

// OpenMetrics

#[test]
fn prometheus_client_reads_what_is_written_and_what_is_served() {
    let env = env(EIGHT_GPUS);
    let address = free_address();
    let script = format!("{TRAINING}; read line || true");
    let session = run(&env, &format!("--openmetrics m.prom --listen {address}"), &script).start();
    until("the last step", || get(&address, "/metrics", "").contains("effllm_last_iteration 40"));
    let served = get(&address, "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    let (head, body) = served.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{head}");
    let older = get(&address, "/metrics", "");
    let (older_head, older) = older.split_once("\r\n\r\n").expect("a head and a body");
    assert!(older_head.contains("Content-Type: text/plain; version=0.0.4"), "{older_head}");
    env.write("older", older);
    assert!(get(&address, "/", "").starts_with("HTTP/1.1 404"));
    env.write("served", body);
    let report = session.wait().report();
    assert!(TcpStream::connect(&address).is_err(), "it ends with the run");

    assert_promtool_has_nothing_to_say(&env, &["older", "m.prom"]);
    let Some(read_older) = read(&["prometheus", "older", "m.prom"], &env) else { return };
    let Some(read) = read(&["openmetrics", "served"], &env) else { return };
    let (served, written) = (&read[0], &read_older[1]);
    assert_eq!(read_older[0]["effllm_iterations_total{}"], 40.0);
    assert_eq!(served["effllm_running{}"], 1.0);
    assert_eq!(written["effllm_running{}"], 0.0);
    assert_eq!(served["effllm_iterations_total{}"], 40.0);
    for (sample, path, factor) in [
        ("effllm_amu_bytes{}", "metrics.amu_gb", 1e9),
        ("effllm_pcu_ratio{}", "metrics.pcu_ratio", 1.0),
        ("effllm_al_p95_seconds{}", "metrics.al_p95_seconds", 1.0),
        ("effllm_tt_tokens_per_param_per_second{}", "metrics.tt_tokens_per_param_per_sec", 1.0),
        ("effllm_aec_watts{}", "metrics.aec_watts", 1.0),
        ("effllm_energy_joules{}", "metrics.energy_joules", 1.0),
        ("effllm_joules_per_token{}", "metrics.joules_per_token", 1.0),
        ("effllm_goodput_ratio{}", "metrics.goodput_ratio", 1.0),
        ("effllm_wall_seconds_total{}", "command.wall_seconds", 1.0),
        ("effllm_tokens_total{}", "iterations.tokens", 1.0),
        ("effllm_exit_code{}", "command.exit.code", 1.0),
    ] {
        let value = written[sample].as_f64().unwrap_or_else(|| panic!("no {sample} in {written}"));
        assert_near(value, report.number(path) * factor, 1e-12);
    }
    for gpu in 0..8 {
        let uuid = report.text(&format!("gpus.{gpu}.uuid"));
        let labels = format!(r#"{{"gpu": "{gpu}", "uuid": "{uuid}"}}"#);
        let energy = written[format!("effllm_gpu_energy_joules_total{labels}")].as_f64().expect("energy");
        assert_eq!(energy, report.number(&format!("gpus.{gpu}.energy_joules")));
        assert_eq!(written[format!("effllm_gpu_memory_total_bytes{labels}")], 80.0 * 1024f64.powi(3));
    }
}

/// Prometheus' own linter accepts these files.
fn assert_promtool_has_nothing_to_say(env: &TestEnv, files: &[&str]) {
    let Some(promtool) = available(program("promtool")) else { return };
    for file in files {
        env.sh(&format!("{promtool} check metrics < {file}")).done().printed();
    }
}

#[test]
fn labels_are_escaped_and_what_is_unknown_is_left_out() {
    let env = env("gpu = [{ name = 'a \"quoted\" back\\slash' }]");
    let report = run(&env, "--openmetrics m.txt", "true").done().report();
    report.why_null("al_seconds");
    let text = env.read("m.txt");
    assert!(text.contains(r#"name="a \"quoted\" back\\slash""#), "{text}");
    assert!(!text.contains("effllm_al_seconds") && !text.contains("NaN"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    read(&["openmetrics", "m.txt"], &env);
}

#[test]
fn clients_that_hang_keep_nobody_waiting() {
    let env = env("gpu = [{}]");
    let address = free_address();
    let session = run(&env, &format!("--listen {address}"), "read line || true").start();
    until("the server", || TcpStream::connect(&address).is_ok());
    let hang = |_| {
        let mut silent = TcpStream::connect(&address).expect("a connection");
        silent.write_all(b"GET /metrics").expect("half a request");
        silent.set_nonblocking(true).expect("a socket");
        silent
    };
    // The server hangs up on whoever takes too long, and on a busy machine the answer may, too.
    until("an answer while others hang", || {
        let silent: Vec<TcpStream> = (0..3).map(hang).collect();
        assert!(get(&address, "/metrics", "").starts_with("HTTP/1.1 200"));
        let hangs = |mut stream: &TcpStream| {
            stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        silent.iter().all(hangs)
    });
    // As many as are served at once, and more: they are cut off, and then it is others' turn.
    let silent: Vec<TcpStream> = (0..9).map(hang).collect();
    assert!(get(&address, "/metrics", "").starts_with("HTTP/1.1 200"));
    drop(silent);
    assert!(get(&address, "/metrics", &"X: y\r\n".repeat(100)).starts_with("HTTP/1.1 400"));
    assert_eq!(session.wait().code(), Some(0));
}

#[test]
fn an_address_without_a_host_is_this_machines_alone() {
    let env = env("gpu = []");
    let done = env.effllm(["run", "--listen", ":0", "--", "true"]).done();
    assert!(done.stderr().contains("the metrics are served at http://127.0.0.1:"), "{}", done.stderr());
}

fn free_address() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("its address").to_string()
}

/// The answer to a request.
fn get(address: &str, path: &str, headers: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

// What is impossible

#[test]
fn what_cannot_be_written_is_told_before_the_command_starts() {
    let env = env("gpu = [{}]");
    env.write("a-file", "");
    fs::create_dir(env.path("a-folder")).expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("its address");
    for (options, told) in [
        ("--tensorboard a-file", "TensorBoard's folder a-file cannot be written to: File exists"),
        ("--tensorboard a-file/tb", "TensorBoard's folder a-file/tb cannot be written to: Not a directory"),
        ("--series s.txt", ".csv or .jsonl"),
        ("--series none/s.csv", "the series cannot be written to none/s.csv: No such file"),
        ("--openmetrics none/m.prom", "OpenMetrics cannot be written to none/m.prom: No such file"),
        ("--openmetrics a-folder", "OpenMetrics cannot be written to a-folder: it is a folder"),
        ("--listen 70000", "0.0.0.0:9464 is open to other machines"),
        ("--listen example.org:80", "is not an address"),
        (&format!("--listen {taken}"), &format!("cannot listen at {taken}: Address already in use")),
    ] {
        let done = env.run(options, "touch started").done();
        assert_eq!(done.code(), Some(2), "{options}: {}", done.stderr());
        assert!(done.stderr().contains(told), "{options}: {}", done.stderr());
        assert!(!env.exists("started"), "{options}");
    }
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
