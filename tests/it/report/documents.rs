//! Markdown, CSV, JSON and the table; and what is said of a file that is no report.

use serde_json::{Value, json};

use super::reports::{TRAINING, rendered, written};
use crate::harness::TestEnv;
use crate::library::METRICS;

#[test]
fn markdown_is_a_table_of_what_is_known_and_a_list_of_what_is_not() {
    let text = rendered(&[("a.json", &TRAINING)], "markdown");
    assert!(text.contains(
        "| metric | unit | training | whole run | from |\n|---|---|--:|--:|---|\n| `pcu_ratio` |  |"
    ));
    let unknown = text.lines().find(|line| line.contains("`it_tokens_per_sec`")).unwrap_or_default();
    assert!(unknown.starts_with("- ") && unknown.ends_with(": no generated tokens in this log"), "{unknown}");
    assert!(text.contains("exit 0"));
}

#[test]
fn markdown_of_several_reports_has_the_change_from_the_first() {
    let mut after = TRAINING.clone();
    after["metrics"]["al_seconds"] = json!(TRAINING["metrics"]["al_seconds"].as_f64().map(|al| 0.5 * al));
    let text = rendered(&[("a.json", &TRAINING), ("b.json", &after)], "markdown");
    let al = text.lines().find(|line| line.starts_with("| `al_seconds`")).unwrap_or_default();
    assert!(al.ends_with(" −50.0 % | not significant (p = 1.00) |"), "{al}");
}

#[test]
fn csv_has_a_row_a_report_and_every_metric_in_full() {
    let mut second = TRAINING.clone();
    second["command"]["argv"] = json!(["sh", "-c", "echo \"a,b\"\nexit"]);
    second["gate"] = json!({ "verdict": "no_data", "results": [] });
    let text = rendered(&[("a.json", &TRAINING), ("b.json", &second)], "csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("rows");
    assert_eq!(rows.len(), 2);
    let column = |name: &str| header.iter().position(|column| column == name).expect("a column");
    for metric in METRICS {
        let value = rows[0].get(column(metric.name)).and_then(|text| text.parse::<f64>().ok());
        assert_eq!(value, TRAINING["metrics"][metric.name].as_f64(), "{}", metric.name);
    }
    assert_eq!(rows[1].get(column("command")), Some("sh -c echo \"a,b\"\nexit"));
    assert_eq!(rows[1].get(column("exit")), Some("0"));
    assert_eq!(
        rows.iter().map(|row| row.get(column("gate"))).collect::<Vec<_>>(),
        [Some(""), Some("no_data")]
    );
}

#[test]
fn csv_shows_what_cannot_be_seen_and_is_no_formula() {
    let mut report = TRAINING.clone();
    report["command"]["argv"] = json!(["=cmd|'/c calc'!A0", "\u{1b}[31m\0\r\u{202e}"]);
    report["job"]["host"] = json!("@node");
    report["gpus"][0]["name"] = json!("-x");
    report["metrics"]["joules_per_token"] = json!(-1.5);
    let text = rendered(&[("a.json", &report)], "csv");
    assert_eq!(text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}'), None, "{text:?}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let row = reader.records().next().expect("a row").expect("as long as its header");
    let column = |name: &str| header.iter().position(|column| column == name).and_then(|at| row.get(at));
    assert_eq!(column("command"), Some("'=cmd|'/c calc'!A0 ␛[31m␀␍\u{fffd}"));
    assert_eq!((column("host"), column("gpu_name")), (Some("'@node"), Some("'-x")));
    assert_eq!(column("joules_per_token"), Some("-1.5"));
}

#[test]
fn json_is_the_report_again_and_an_array_of_several() {
    let parsed = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
    let one = parsed(rendered(&[("a.json", &TRAINING)], "json"));
    assert_eq!(one, *TRAINING);
    let two = parsed(rendered(&[("a.json", &TRAINING), ("b.json", &TRAINING)], "json"));
    assert_eq!(two, json!([*TRAINING, *TRAINING]));
}

#[test]
fn a_file_is_written_in_the_form_that_its_name_says() {
    let env = written(&[("a.json", &TRAINING)]);
    for (name, start) in [
        ("a.html", "<!DOCTYPE html>"),
        ("a.md", "**`sh -c"),
        ("a.csv", "report,"),
        ("a.txt", "effllm · sh -c"),
    ] {
        assert_eq!(env.effllm(["report", "a.json", "-o", name]).done().printed(), "", "{name}");
        assert!(env.read(name).starts_with(start), "{name}: {:.80}", env.read(name));
    }
}

#[test]
fn a_report_is_read_from_standard_input() {
    let env = written(&[("a.json", &TRAINING)]);
    let csv = env.sh("$effllm report - --format csv < a.json").done().printed();
    assert!(csv.contains("\n-,\"sh -c"), "{csv}");
}

#[test]
fn what_is_no_report_is_named_with_the_way_out() {
    let mut newer = TRAINING.clone();
    newer["schema"] = json!("effllm.report/9");
    for (report, why, help) in [
        (json!({}), "missing field `schema`", "'effllm run -o FILE'"),
        (json!([1]), "a.json is not a valid report", "'effllm run -o FILE'"),
        (
            json!({ "schema": "other/1" }),
            "its schema is 'other/1', not 'effllm.report/2'",
            "'effllm run -o FILE'",
        ),
        (newer, "has the schema effllm.report/9; this effllm reads effllm.report/2", "or with a newer one"),
    ] {
        let error = rejected(&written(&[("a.json", &report)]), &["a.json"]);
        assert!(error.contains(why) && error.contains(help), "{error}");
    }
    let env = TestEnv::new();
    rejected(&env, &["-", "-"]);
    for (text, why) in [("", "a.json is not a valid report: it is empty"), ("hi", "it is not JSON")] {
        let error = rejected(env.write("a.json", text), &["a.json"]);
        assert!(error.contains(why), "{text}: {error}");
    }
    assert!(rejected(&env, &["/nowhere/a.json"]).contains("cannot read the report /nowhere/a.json"));
}

/// What `effllm report` says of files that are no reports.
#[track_caller]
fn rejected(env: &TestEnv, files: &[&str]) -> String {
    let done = env.effllm(["report"].iter().chain(files)).done();
    assert_eq!((done.code(), done.stdout()), (Some(2), String::new()), "{}", done.stderr());
    done.stderr()
}
