//! The series of samples and records.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use serde_json::Value;

use super::tensorboard::points;
use super::{EIGHT_GPUS, TRAINING, env, read, run};
use crate::harness::{assert_near, until};

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
    let mut reader = env.sh("exec 3< s.jsonl; echo open; exec sleep 600").start();
    let log: String = (1..=60_000).map(|i| format!("step {i} loss 0.5 took 50.0 ms\n")).collect();
    let report = run(env.write("log", log), "--series s.jsonl", "cat log").done().report();
    assert!(!reader.has_ended(), "nobody waited for the reader");
    let warnings = report.warnings();
    assert!(
        warnings.iter().any(|warning| warning.contains("s.jsonl") && warning.contains("hangs")),
        "{warnings:?}"
    );
    drop(reader);
}
