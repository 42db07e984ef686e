//! Reports to render, and documents that are rendered from them.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::harness::TestEnv;

/// A training of iterations on two GPUs, one of which knows no memory; measured once for all tests.
pub static TRAINING: LazyLock<Value> = LazyLock::new(|| {
    let scenario = "
        [[gpu]]
        power_watts = { square = { low = 200, high = 600, period_s = 0.6 } }
        [[gpu]]
        not_supported = ['nvmlDeviceGetMemoryInfo', 'nvmlDeviceGetMemoryInfo_v2']
    ";
    let script = "
        printf ' global_batch_size ............... 32\\n seq_length ............... 2048\\n'
        sleep 0.5
        for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
            sleep 0.1
            printf ' iteration %d/ 12 | consumed samples: %d | ' $i $((i * 32))
            printf 'elapsed time per iteration (ms): 10%d.5 | lm loss: %d.5E+00 |\\n' $((i % 7)) $((14 - i))
        done
        sleep 0.4";
    let mut env = TestEnv::new();
    env.gpus(scenario);
    env.run("--params 7.6B --interval 0.05", script).done().report().0
});

/// Puts the harm into every text of a report but those that must be one of a few words.
pub fn poisoned(report: &Value, harm: &str) -> Value {
    fn poison(key: &str, value: &mut Value, harm: &str) {
        match value {
            Value::String(_)
                if ["schema", "status", "window", "name_of_phase", "energy_source"].contains(&key) => {}
            Value::String(text) => harm.clone_into(text),
            Value::Array(values) => values.iter_mut().for_each(|value| poison(key, value, harm)),
            Value::Object(fields) => {
                let is_phase = fields.contains_key("from_seconds");
                for (key, value) in fields.iter_mut() {
                    if !(is_phase && key == "name") {
                        poison(key, value, harm);
                    }
                }
                if key == "scheduler" {
                    fields.insert(harm.to_owned(), json!(harm));
                }
            }
            _ => {}
        }
    }
    let mut report = report.clone();
    report["warnings"] = json!(["w"]);
    report["job"]["scheduler"] = json!({});
    report["command"]["exit"] = json!({ "signal": "SIGTERM" });
    for gpu in 0..2 {
        report["gpus"][gpu]["unavailable"] = json!({ "power_watts": "w", "memory_used_bytes": "w" });
        report["gpus"][gpu]["power_watts"] = json!({ "mean": null, "max": null });
    }
    poison("", &mut report, harm);
    report
}

/// A folder with these reports.
pub fn written(reports: &[(&str, &Value)]) -> TestEnv {
    let env = TestEnv::new();
    for (name, report) in reports {
        env.write(name, report.to_string());
    }
    env
}

/// `effllm report` of all of them, in a format.
#[track_caller]
pub fn rendered(reports: &[(&str, &Value)], format: &str) -> String {
    let names = reports.iter().map(|(name, _)| *name);
    written(reports).effllm(["report", "--format", format].into_iter().chain(names)).done().printed()
}

/// The page of one report.
pub fn page(report: &Value) -> String {
    rendered(&[("report.json", report)], "html")
}

/// The training, as if it had lasted for a week with a long history: eight GPUs, a gap, a peak.
pub fn week() -> Value {
    const POINTS: usize = 100_000;
    let mut report = TRAINING.clone();
    let seconds: Vec<f64> =
        (0..POINTS).map(|i| i as f64 * 6.0 + if i > 40_000 { 4000.0 } else { 0.0 }).collect();
    let wave = |low: f64, high: f64, by: usize| {
        (0..POINTS).map(|i| low + (high - low) * ((i * by) % 97) as f64 / 97.0).collect::<Vec<_>>()
    };
    let series = |index: usize| {
        json!({
            "index": index,
            "seconds": seconds,
            "memory_used_bytes": wave(6e10, 7e10, index + 1),
            "utilization_ratio": wave(0.5, 1.0, index + 2),
            "power_watts": wave(300.0, 650.0, index + 3),
        })
    };
    let gpu = |index: usize| {
        let mut gpu = report["gpus"][0].clone();
        gpu["index"] = json!(index);
        gpu["samples"] = json!(604_800);
        gpu
    };
    report["gpus"] = (0..8).map(gpu).collect();
    report["command"]["wall_seconds"] = json!(604_800.0);
    report["phases"] = json!({
        "startup": phase(0.0, 900.0, 2e6),
        "train": phase(900.0, 604_000.0, 2.9e9),
        "after": phase(604_000.0, 604_800.0, 1e6),
    });
    report["series"] = json!({
        "gpus": (0..8).map(series).collect::<Vec<_>>(),
        "iterations": {
            "iteration": (1..=POINTS).collect::<Vec<_>>(),
            "seconds": seconds,
            "latency_seconds": wave(5.9, 6.1, 7),
            "loss": wave(1.9, 2.1, 11),
        },
    });
    report
}

/// A phase of one episode, in which one GPU used so many joules; `None` for a GPU that was not read.
pub fn phase(from: f64, to: f64, joules: impl Into<Option<f64>>) -> Value {
    let (seconds, joules) = (to - from, joules.into());
    let gauge = |area: Option<f64>| json!({ "integral": area.unwrap_or(0.0), "seconds": if area.is_some() { seconds } else { 0.0 }, "max": null });
    let amount = json!({ "total": 0.0, "timed": 0.0, "seconds": 0.0 });
    json!({
        "episodes": 1,
        "sums": {
            "seconds": seconds,
            "gpus": { "GPU-0": {
                "memory_used_bytes": gauge(None),
                "utilization_ratio": gauge(None),
                "power_watts": gauge(joules),
                "temperature_celsius": gauge(None),
                "sm_clock_mhz": gauge(None),
                "energy_counter": { "integral": 0.0, "seconds": 0.0 },
            } },
            "iterations": {
                "count": 0, "timed": 0, "seconds": 0.0, "error_seconds": 0.0, "error_iterations": 0, "pooled": 0,
            },
            "tokens": amount, "samples": amount, "generated_tokens": amount,
        },
        "metrics": { "energy_joules": joules },
        "longest": [{ "name": null, "from_seconds": from, "to_seconds": to, "energy_joules": joules }],
    })
}
