//! Reports and logs that are judged again.

use serde_json::Value;

use super::{env, env_with_baselines, table, train};
use crate::harness::Report;
use crate::library::METRICS;

#[test]
fn a_report_is_judged_again_and_again() {
    let env = env_with_baselines();
    let gate = |arguments: &[&str]| env.effllm(["gate"].iter().chain(arguments)).done();
    assert_eq!(gate(&["a.json", "--require", "al < 1100 ms"]).code(), Some(0));
    let failed = gate(&["b.json", "--baseline", "a.json", "--require", "al <= baseline", "--junit", "j.xml"]);
    assert_eq!((failed.code(), failed.stdout().as_str()), (Some(99), ""));
    assert!(failed.stderr().contains("baseline 1.000 s (1 run), 1.0 % slower"), "{}", failed.stderr());
    assert!(env.exists("j.xml"));
    let read_from_stdin = env.sh("$effllm gate - --json --require 'al < 1' < b.json").done();
    let verdicts: Value = serde_json::from_str(&read_from_stdin.stdout()).expect("JSON");
    assert_eq!((read_from_stdin.code(), &verdicts["verdict"]), (Some(99), &Value::from("fail")));
    for wrong in
        [&["a.json"][..], &["none.json", "--require", "al < 1"], &["train.sh", "--require", "al < 1"], &[]]
    {
        assert_eq!(gate(wrong).code(), Some(2), "{wrong:?}");
    }
    let listed = gate(&["--metrics"]).stdout();
    assert_eq!(listed.lines().count(), METRICS.len() + 1);
}

#[test]
fn the_report_of_a_run_that_failed_or_goes_on_does_not_pass() {
    let env = env();
    let gate = |options: &str| {
        let arguments = ["gate", "effllm-report.json", "--require", "al < 2 s", "--junit", "j.xml"];
        env.effllm(arguments.into_iter().chain(options.split_whitespace())).done()
    };
    train(&env, &["-q"], "40 1000 3");
    let crashed = gate("--allow-no-data");
    assert_eq!(crashed.code(), Some(99));
    let last = "gate failed: command exit 3 (exit 99)\n";
    assert!(table(&crashed).ends_with(last), "{}", crashed.stderr());
    assert!(env.read("j.xml").contains("command exit 3"));

    env.effllm(["run", "-q", "--", "sh", "-c", "sh train.sh 40 1000; kill -KILL $$"]).done();
    assert!(table(&gate("")).ends_with("gate failed: command killed by SIGKILL (exit 99)\n"));

    // As it is found while the command runs, or after effllm was killed.
    train(&env, &["-q"], "40 1000");
    let report = env.read("effllm-report.json");
    let mut report: Value = serde_json::from_str(&report).expect("JSON");
    (report["status"], report["command"]["exit"]) = ("running".into(), Value::Null);
    env.write("effllm-report.json", report.to_string());
    let running = gate("");
    assert_eq!(running.code(), Some(99));
    assert!(
        table(&running).ends_with("gate failed: command still running (exit 99)\n"),
        "{}",
        running.stderr()
    );
    let so_far = gate("--allow-no-data");
    assert_eq!(so_far.code(), Some(0));
    assert!(table(&so_far).ends_with("gate passed: 1 of 1, command still running\n"), "{}", so_far.stderr());
}

#[test]
fn a_baseline_whose_run_had_not_ended_or_was_short_is_told_wherever_it_is_used() {
    let env = env();
    for (name, training) in [("killed.json", "40 1000"), ("few.json", "4 1000"), ("good.json", "40 1000")] {
        train(&env, &["-q", "-o", name], training);
    }
    let mut killed: Value = serde_json::from_str(&env.read("killed.json")).expect("JSON");
    (killed["status"], killed["command"]["exit"]) = ("running".into(), Value::Null);
    env.write("killed.json", killed.to_string());
    for (name, why) in [
        ("killed.json", "command still running; use the report of a successful run"),
        ("few.json", "only 4 of 10 iterations; use the report of a longer run"),
    ] {
        let options = ["--require", "al <= baseline + 20 %", "--baseline", name];
        let told = format!("the baseline {name} may be unreliable: {why}");
        for done in [
            env.effllm(["gate", "good.json"].iter().chain(&options)).done(),
            train(&env, &options, "40 1000"),
        ] {
            let stderr = done.stderr();
            assert!(done.code() == Some(0) && stderr.contains(&format!("warning: {told}")), "{stderr}");
        }
        let report = env.report();
        let warnings = report.warnings();
        assert!(warnings.iter().any(|warning| warning.starts_with(&told)), "{warnings:?}");
    }
    let compared = |format| env.effllm(["compare", "--format", format, "good.json", "killed.json"]).done();
    for (format, told) in [
        ("table", "runs differ in: command exit 0 vs still running\n"),
        ("markdown", "runs differ in: command exit 0 vs still running\n"),
        ("json", "\"differences\": [\n    \"command exit 0 vs still running\"\n  ]"),
    ] {
        assert!(compared(format).stdout().contains(told), "{}", compared(format).stdout());
    }
}

#[test]
fn a_log_is_judged_too() {
    let env = env();
    let parse = |options: &str| env.sh(&format!("sh train.sh 40 1000 | $effllm parse {options}")).done();
    assert_eq!(parse("--require 'al < 2'").code(), Some(0));
    let failed = parse("--json --require 'al < 500 ms'");
    assert_eq!(failed.code(), Some(99));
    assert_eq!(Report::parse(&failed.stdout()).text("gate.verdict"), "fail");
    assert!(failed.stderr().ends_with("gate failed: 1 of 1 (exit 99)\n"), "{}", failed.stderr());
    assert_eq!(parse("--events --require 'al < 500 ms'").code(), Some(0), "events are not judged");
}
