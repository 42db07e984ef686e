//! OpenMetrics and Prometheus.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::{EIGHT_GPUS, TRAINING, env, read, run};
use crate::harness::requirements::{available, program};
use crate::harness::{TestEnv, assert_near, until};

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
    // More than are served at once: the first ones are cut off.
    let silent: Vec<TcpStream> =
        (0..400).map(|_| TcpStream::connect(&address).expect("a connection")).collect();
    assert!(get(&address, "/metrics", "").starts_with("HTTP/1.1 200"));
    drop(silent);
    assert!(
        get(&address, "/metrics", &format!("X: {}\r\n", "y".repeat(100_000))).starts_with("HTTP/1.1 400")
    );
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
