//! TensorBoard.

use std::fs;

use serde_json::Value;

use super::{EIGHT_GPUS, READ, TRAINING, env, read, run};
use crate::harness::requirements::{available, python};
use crate::harness::{TestEnv, assert_near, until};

/// The points of a tag: wall time, step, value.
pub fn points(scalars: &Value, tag: &str) -> Vec<(f64, u64, f64)> {
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
