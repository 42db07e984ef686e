//! The page: what is on it, and that it needs nothing but itself.

use serde_json::{Value, json};

use crate::reports::{Files, TRAINING, page, week};

#[test]
fn it_shows_the_metrics_with_definition_and_origin_and_why_there_is_none() {
    let page = page(&TRAINING);
    for text in [
        "Average Memory Utilization: mean over the GPUs of the time average of memory used, in 10^9 bytes.",
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
    report["unavailable"]["aec_watts"] = json!("libnvidia-ml.so.1 is not on this machine");
    assert!(page(&report).contains("No GPU figures: libnvidia-ml.so.1 is not on this machine"));

    report["iterations"]["count"] = json!(0);
    report["unavailable"]["al_seconds"] = json!("no iterations were recognised in the log");
    assert!(page(&report).contains("None: no iterations were recognised in the log"));
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
    assert!(page.contains("<tr class=\"unlike\"><th scope=\"row\">Global batch size"));
    assert!(!page.contains("<tr class=\"unlike\"><th scope=\"row\">Sequence length"));
    // Told by colour and by word, and more by pointer; what may be chance by neither.
    let changes: Vec<&str> = page.split("<span class=\"change ").collect();
    let told = |start: &str, end: &str| {
        assert!(changes.iter().any(|c| c.starts_with(start) && c.contains(end)), "{start}: {changes:?}");
    };
    told("worse\" title=\"worse (p", ">+50.0 % <span>worse</span></span>");
    told("\" title=\"no test speaks for it, so it may be chance\"", ">+100.0 % <span></span></span>");
}

#[test]
fn long_names_are_short_above_the_columns_and_whole_once() {
    let files = [("a-name-that-is-too-long-for-a-column.json", &*TRAINING), ("b.json", &TRAINING)];
    let page = Files::of(&files).text("html");
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
    let files = Files::of(&[("report.json", &TRAINING)]);
    let mut report = TRAINING.clone();
    let required = ["al < 1 h", "pcu >= 1", "it >= 10"].map(|expression| ["--require", expression]);
    report["gate"] = files.gate(&required.concat());
    let page = page(&report);
    let gate = page.split("<section class=\"gate\">").nth(1).unwrap_or_default();
    let gate = gate.split("</section>").next().unwrap_or_default();
    assert!(gate.contains("<small class=\"bad\">failed: 1 of 3, no data for 1</small>"), "{gate}");
    let rows: Vec<&str> = gate.split("<tr>").skip(2).collect();
    for (row, (expression, class, word)) in rows.iter().zip([
        ("al &lt; 1 h", "good", "pass"),
        ("pcu &gt;= 1", "bad", "fail"),
        ("it &gt;= 10", "doubtful", "no data"),
    ]) {
        assert!(row.contains(&format!(">{expression}</th>")), "{row}");
        assert!(row.contains(&format!("<span class=\"pill {class}\">{word}</span>")), "{row}");
    }
    assert!(rows[2].contains("no generated tokens in this log"), "{}", rows[2]);
    let markdown = Files::of(&[("report.json", &report)]).text("markdown");
    assert!(
        markdown.contains("\nGate failed: 1 of 3, no data for 1\n\n| | require | got | margin |\n"),
        "{markdown}"
    );
    assert!(markdown.contains("\n| ✅ pass | `al < 1 h` | "), "{markdown}");
    let table = Files::of(&[("report.json", &report)]).text("table");
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
    Files::of(&[("before.json", &TRAINING), ("after.json", &after)]).text("html")
}
