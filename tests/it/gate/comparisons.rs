//! `effllm compare`: what it prints where, and what it says when there is nothing to compare.

use serde_json::Value;

use super::{env_with_baselines, train};
use crate::harness::TestEnv;
use crate::harness::terminal::Screen;

/// A folder with `a.json`, `b.json`, `c.json`, and `slow.json`, whose iterations are a fifth slower.
fn env_with_reports() -> TestEnv {
    let env = env_with_baselines();
    train(&env, &["-q", "-o", "slow.json", "--global-batch-size", "64"], "40 1200");
    env
}

fn printed(env: &TestEnv, arguments: &str) -> String {
    env.effllm(arguments.split(' ')).done().printed()
}

#[test]
fn reports_are_compared() {
    let env = env_with_reports();
    insta::assert_snapshot!("compared", printed(&env, "compare a.json slow.json"));
    insta::assert_snapshot!("compared_three", printed(&env, "compare a.json slow.json b.json"));
    let json: Value =
        serde_json::from_str(&printed(&env, "compare --format json a.json slow.json")).expect("JSON");
    let told = |name: &str| {
        let metrics = json["metrics"].as_array().expect("metrics");
        let metric = metrics.iter().find(|metric| metric["name"] == name).expect(name);
        (metric["changes"][0]["direction"].clone(), metric["changes"][0]["rank_test"].is_object())
    };
    assert_eq!(told("al_seconds"), ("worse".into(), true));
    assert_eq!(told("al_p99_seconds"), ("untested".into(), false));
}

#[test]
fn markdown_is_one_whichever_command_writes_it() {
    let env = env_with_reports();
    let text = printed(&env, "compare --format markdown a.json a.json slow.json");
    assert_eq!(text, printed(&env, "report --format markdown a.json a.json slow.json"));
    let (table, runs) = text.split_once("\n- ").expect("what was run");
    insta::assert_snapshot!("compared_markdown", table);
    assert!(runs.contains("\n- slow.json: `sh train.sh 40 1200` · exit 0 · "), "{runs}");
}

#[test]
fn reports_without_a_metric_are_not_compared_in_silence() {
    let env = TestEnv::new();
    env.sh("echo nothing | $effllm parse --json > a.json; cp a.json b.json").done();
    let told = "none of these reports has a metric; 'effllm report REPORT' shows the reasons";
    for format in ["table", "markdown"] {
        let text = printed(&env, &format!("compare --format {format} a.json b.json"));
        assert!(text.contains(told), "{text}");
    }
    assert!(printed(&env, "report a.json").contains("no iterations were recognised in the log"));
}

#[test]
fn on_a_terminal_it_takes_no_more_columns_than_there_are() {
    let env = env_with_reports();
    let screen = Screen::new(40, 60);
    screen.start(env.effllm(["compare", "a.json", "slow.json", "b.json"])).wait();
    screen.settle();
    let shown = screen.all();
    let rows = |start: &str| shown.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    assert_eq!(rows("metric").len(), 2, "{shown}");
    assert_eq!(rows("much they vary").len(), 1, "between words: {shown}");
    let latency = rows("AL (s)");
    assert!(latency.len() == 2 && latency[0].ends_with("  1.200  +20.0 %  worse"), "{shown}");
}

#[test]
fn what_cannot_be_compared_is_named_with_the_way_out() {
    let env = env_with_baselines();
    env.write("train.log", "iteration 1\n");
    for (arguments, what, help) in [
        (
            "compare a.json",
            "there is no second report to compare a.json with",
            "'effllm compare a.json OTHER' compares two",
        ),
        ("compare a.json none.json", "cannot read the report none.json", "'effllm parse --json LOG'"),
        ("compare a.json train.log", "train.log is not a valid report", "'effllm parse --json LOG'"),
    ] {
        let done = env.effllm(arguments.split(' ')).done();
        let error = done.stderr();
        assert_eq!(done.code(), Some(2), "{error}");
        assert!(error.starts_with(&format!("effllm: error: {what}")) && error.contains(help), "{error}");
    }
}
