//! The page: what is on it, and that it needs nothing but itself.

use serde_json::{Value, json};

use super::reports::{TRAINING, page, phase, rendered, week, written};
use crate::harness::{Report, TestEnv};

#[test]
fn it_shows_the_metrics_with_definition_and_origin_and_why_there_is_none() {
    let page = page(&TRAINING);
    for text in [
        "Average Memory Utilization: mean over the GPUs of the time average of memory used; 1 GB is 10^9 bytes.",
        "NVML energy counter, 2 GPUs",
        "no generated tokens in this log",
        "tt_<wbr>tokens_<wbr>per_<wbr>param_<wbr>per_<wbr>sec<wbr>",
        "Where the energy went",
        "start-up",
        "Distribution",
        "Loss",
        "Environment",
        "global batch size",
    ] {
        assert!(page.to_lowercase().contains(&text.to_lowercase()), "{text}");
    }
    let null = page.split("<dt>").find(|tile| tile.contains(">IT<wbr>")).unwrap_or_default();
    assert!(null.contains("–") && null.contains("no generated tokens"), "{null}");
}

#[test]
fn it_needs_no_network_and_no_script() {
    for page in [page(&TRAINING), comparison()] {
        assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none';"));
        for outside in ["://", "<script", "<link rel=\"stylesheet", " src=", "url(", "@import", "<iframe"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}

#[test]
fn it_is_made_for_phones_for_paper_for_dark_rooms_and_for_those_who_do_not_see() {
    let page = page(&TRAINING);
    for text in [
        "<html lang=\"en\">",
        "name=\"viewport\" content=\"width=device-width, initial-scale=1\"",
        "@media print",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let charts: Vec<&str> = page.split("<svg ").skip(1).collect();
    assert!(charts.len() > 12, "{}", charts.len());
    for chart in charts {
        let start = chart.get(..200.min(chart.len())).unwrap_or(chart);
        assert!(start.contains("role=\"img\"><title>"), "{start}");
    }
    let described = page.matches("<desc>").count();
    assert!(described >= 10, "{described}");
}

#[test]
fn the_charts_over_time_draw_every_reading_of_a_short_run() {
    let mut report = TRAINING.clone();
    let seconds: Vec<f64> = (0..7).map(f64::from).chain([6.3]).collect();
    report["command"]["wall_seconds"] = json!(6.3);
    for gpu in 0..2 {
        for key in ["memory_used_bytes", "utilization_ratio", "power_watts"] {
            report["series"]["gpus"][gpu][key] =
                json!(seconds.iter().map(|at| 0.03 + 0.01 * at).collect::<Vec<_>>());
        }
        report["series"]["gpus"][gpu]["seconds"] = json!(seconds);
    }
    let page = page(&report);
    for name in ["Power", "Utilization", "Memory"] {
        let chart = page.split(&format!("<title>{name}</title><desc>")).nth(1).unwrap_or_default();
        let chart = chart.split("</svg>").next().unwrap_or_default();
        let drawn: Vec<f64> =
            chart.split("<circle cx=\"").skip(1).filter_map(|c| c.split('"').next()?.parse().ok()).collect();
        assert_eq!(drawn.len(), seconds.len(), "{name}: {chart}");
        // To the ends of the axis, with the last reading as far from its neighbour as it was taken.
        let (axis, step) = (drawn[7] - drawn[0], drawn[1] - drawn[0]);
        assert!((axis / step - 6.3).abs() < 0.02 && axis > 4000.0, "{name}: {drawn:?}");
    }
    let utilization = page.split("<title>Utilization</title>").nth(1).unwrap_or_default();
    assert!(utilization.split("</svg>").next().is_some_and(|chart| chart.contains(">1<")), "of 0.09 at most");
}

#[test]
fn energies_that_stand_together_have_one_unit() {
    let mut report = TRAINING.clone();
    report["phases"] = json!({
        "startup": phase(0.0, 0.5, 900.0), "train": phase(0.5, 1.0, 3e6), "after": phase(1.0, 1.5, 2e5),
    });
    report["metrics"]["energy_joules"] = json!(3e6);
    report["metrics_whole_run"]["energy_joules"] = json!(4e6);
    for (gpu, joules) in [(0, 3000.0), (1, 4e6)] {
        report["gpus"][gpu]["energy_joules"] = json!(joules);
    }
    let page = page(&report);
    let phases = page.split("Where the energy went").nth(1).and_then(|rest| rest.split("</section>").next());
    for text in ["889.1 Wh in 2 GPUs", ">0.2 Wh<", ">833.3 Wh<", ">55.6 Wh<"] {
        assert!(phases.is_some_and(|phases| phases.contains(text)), "{text}: {phases:?}");
    }
    for text in [">0.833 <span", "whole run 1.111", ">0.001 kWh<", ">1.111 kWh<"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn an_energy_with_a_part_missing_is_no_whole() {
    let mut report = TRAINING.clone();
    report["phases"] = json!({ "startup": phase(0.0, 1.0, 90.0), "train": phase(1.0, 2.0, None) });
    let page = page(&report);
    let phases = page.split("Where the energy went").nth(1).and_then(|rest| rest.split("</section>").next());
    let phases = phases.expect("a section of it");
    assert!(phases.contains("incomplete") && phases.contains("90.00 J"), "{phases}");
    assert!(!phases.contains('%') && !phases.contains("class=\"energy\""), "{phases}");
}

#[test]
fn a_quantity_that_a_gpu_does_not_know_is_missing_with_its_reason() {
    let why = TRAINING["gpus"][1]["unavailable"]["memory_used_bytes"].as_str().unwrap_or("no reason");
    let page = page(&TRAINING);
    let gpu = page.split("<h3>GPU 1</h3>").nth(1).unwrap_or_default();
    let gpu = gpu.split("</article>").next().unwrap_or_default();
    assert!(gpu.contains(why), "{why}: {gpu}");
}

#[test]
fn without_gpus_and_without_iterations_it_says_why() {
    let mut report = TRAINING.clone();
    report["gpus"] = json!([]);
    report["series"] = json!({ "gpus": [], "iterations": TRAINING["series"]["iterations"] });
    report["unavailable"]["amu_gb"] = json!("libnvidia-ml.so.1 is not on this machine");
    assert!(page(&report).contains("No GPU figures: libnvidia-ml.so.1 is not on this machine"));

    report["iterations"]["count"] = json!(0);
    report["unavailable"]["al_seconds"] = json!("no iterations were recognised in the log");
    assert!(page(&report).contains("No iterations: no iterations were recognised in the log"));
}

#[test]
fn of_a_week_with_a_long_history_it_stays_small_and_shows_the_gap() {
    let page = page(&week());
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("nothing was sampled"));
    assert!(page.contains("d since the start"));
}

#[test]
fn several_reports_are_compared_with_the_first() {
    let page = comparison();
    assert!(page.contains("Comparison of 2 runs"));
    assert!(page.contains("before.json") && page.contains("after.json"));
    assert!(page.contains("+50.0 %"), "al_seconds");
    assert!(page.contains("<tr class=\"differs\"><th scope=\"row\">Global batch size"));
    assert!(!page.contains("<tr class=\"differs\"><th scope=\"row\">Sequence length"));
    // Told by colour and by word, and more by pointer; what may be chance by neither.
    let changes: Vec<&str> = page.split("<span class=\"change ").collect();
    let told = |start: &str, end: &str| {
        assert!(changes.iter().any(|c| c.starts_with(start) && c.contains(end)), "{start}: {changes:?}");
    };
    told("worse\" title=\"worse (p", ">+50.0 % <span>worse</span></span>");
    told("\" title=\"not tested\"", ">+100.0 % <span></span></span>");
}

#[test]
fn long_names_are_short_above_the_columns_and_whole_once() {
    let files = [("a-name-that-is-too-long-for-a-column.json", &*TRAINING), ("b.json", &TRAINING)];
    let page = rendered(&files, "html");
    assert!(page.contains("<b>a-name-that…-column.json</b>"), "{page:.3000}");
    assert_eq!(page.matches("a-name-that-is-too-long-for-a-column.json</span>").count(), 1);
    let heads: Vec<&str> = page.split("<th class=\"number\" scope=\"col\">").skip(1).collect();
    assert!(
        heads.len() == 4
            && heads[0].split("</th>").next().is_some_and(|head| head.ends_with("…-column.json"))
    );
}

#[test]
fn what_was_required_is_shown_with_what_came_of_it() {
    assert!(!page(&TRAINING).contains("<section class=\"gate\">"), "nothing was required");
    let env = written(&[("report.json", &TRAINING)]);
    let mut report = TRAINING.clone();
    let required = ["al < 1 h", "pcu >= 1", "it >= 10"].map(|expression| ["--require", expression]).concat();
    let judged = env.effllm(["gate", "report.json", "--json"].into_iter().chain(required)).done();
    report["gate"] = serde_json::from_slice(&judged.stdout).expect("JSON");
    let page = page(&report);
    let gate = page.split("<section class=\"gate\">").nth(1).unwrap_or_default();
    let gate = gate.split("</section>").next().unwrap_or_default();
    assert!(gate.contains("<small class=\"bad\">failed: 1 of 3, no data for 1</small>"), "{gate}");
    let rows: Vec<&str> = gate.split("<tr>").skip(2).collect();
    for (row, (expression, class, word)) in rows.iter().zip([
        ("al &lt; 1 h", "good", "pass"),
        ("pcu &gt;= 1", "bad", "fail"),
        ("it &gt;= 10", "uncertain", "no data"),
    ]) {
        assert!(row.contains(&format!(">{expression}</th>")), "{row}");
        assert!(row.contains(&format!("<span class=\"pill {class}\">{word}</span>")), "{row}");
    }
    assert!(rows[2].contains("no generated tokens in this log"), "{}", rows[2]);
    let markdown = rendered(&[("report.json", &report)], "markdown");
    assert!(
        markdown.contains("\nGate failed: 1 of 3, no data for 1\n\n| | require | got | margin |\n"),
        "{markdown}"
    );
    assert!(markdown.contains("\n| ✅ pass | `al < 1 h` | "), "{markdown}");
    let table = rendered(&[("report.json", &report)], "table");
    assert!(table.ends_with("\ngate failed: 1 of 3, no data for 1\n"), "{table}");
}

fn comparison() -> String {
    let mut after: Value = TRAINING.clone();
    after["metrics"]["al_seconds"] = json!(TRAINING["metrics"]["al_seconds"].as_f64().map(|al| 1.5 * al));
    for time in after["series"]["iterations"]["latency_seconds"].as_array_mut().expect("times") {
        *time = json!(time.as_f64().map(|time| 1.5 * time));
    }
    for (metric, factor) in [("aec_watts", 0.5), ("peak_power_watts", 2.0)] {
        after["metrics"][metric] = json!(TRAINING["metrics"][metric].as_f64().map(|value| factor * value));
    }
    after["model"]["global_batch_size"]["value"] = json!(64.0);
    rendered(&[("before.json", &TRAINING), ("after.json", &after)], "html")
}

#[test]
fn a_loss_that_is_no_number_is_told_and_not_denied() {
    let logged = |line: &dyn Fn(u32, &str) -> String, losses: &[&str]| {
        let log: String = (1..).zip(losses).map(|(i, loss)| line(i, loss)).collect();
        let env = TestEnv::new();
        env.write("train.log", log);
        Report::parse(&env.effllm(["parse", "--json", "train.log"]).done().printed()).0
    };
    let megatron = |i, loss: &str| {
        format!(" iteration {i}/ 9 | elapsed time per iteration (ms): 10.5 | lm loss: {loss} |\n")
    };
    let nanogpt = |i, loss: &str| format!("iter {i}: loss {loss}, time 10.50ms, mfu 40.00%\n");
    let told = |from: u32| {
        format!("the log states a loss that is no number (nan or infinite) from iteration {from} on")
    };
    let page = |report: &Value| rendered(&[("a.json", report)], "html");

    let never = logged(&megatron, &["NAN", "-INF", "NAN"]);
    assert_eq!(never["iterations"]["loss_last"], Value::Null);
    assert_eq!(never["unavailable"]["iterations.loss_last"], told(1));
    assert_eq!(never["warnings"], json!([told(1) + ": the training has diverged"]));
    assert!(
        page(&never).contains(&format!("– {}</p>", told(1)))
            && !page(&never).contains("the log states no loss")
    );

    assert_eq!(logged(&nanogpt, &["2.5", "nan"])["unavailable"]["iterations.loss_last"], told(2));

    let at_last = logged(&megatron, &["2.5E+00", "NAN", "2.4E+00", "NAN", "INF"]);
    assert_eq!(at_last["iterations"]["loss_last"], Value::Null, "2.4 is not the last one");
    assert_eq!(at_last["warnings"], json!([told(4) + ": the training has diverged"]));
    assert!(page(&at_last).contains(&format!("<p class=\"note\">{}</p>", told(4))));

    let at_times = logged(&megatron, &["2.5E+00", "NAN", "2.4E+00"]);
    assert_eq!(
        (&at_times["iterations"]["loss_last"], &at_times["unavailable"]["iterations.loss_last"]),
        (&json!(2.4), &Value::Null)
    );
    let once = "the log states a loss that is no number (nan or infinite) once, and numbers after that";
    assert_eq!(at_times["warnings"], json!([once]));

    let twice = "iter 1: loss 2.5, time 10.50ms, mfu 40.00%\niter 2: loss 2.5, time 10.50ms, mfu 40.00%\n";
    let both = logged(&|i, loss| twice.to_owned() + &nanogpt(i + 1, loss), &["nan"]);
    assert_eq!(
        (&both["iterations"]["loss_last"], &both["warnings"][0]),
        (&Value::Null, &json!(told(2) + ": the training has diverged"))
    );

    let silent = logged(&megatron, &["|"]);
    assert_eq!(silent["warnings"], json!([]));
    assert!(page(&silent).contains("the log states no loss"));
}
