//! Gates and comparisons by the real binary, as a CI calls it: commands that print Megatron's lines
//! with times of our own.

mod again;
mod comparisons;
mod fail_fast;
mod files;
mod recipes;

use std::fs;

use quick_junit::TestCaseStatus;
use serde_json::Value;

use crate::harness::{Done, TestEnv, assert_near};

/// A folder with `train.sh ITERATIONS MILLISECONDS [EXIT]`, whose iterations take that long by what it
/// prints, give or take two milliseconds.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.write(
        "train.sh",
        r#"i=0
           while [ $i -lt $1 ]; do
               i=$((i + 1))
               echo " [2026-01-01 00:00:00] iteration $i/ $1 | consumed samples: $((i * 32)) |" \
                    "elapsed time per iteration (ms): $(($2 + i * 7 % 5 - 2)).0 | global batch size: 32 |"
           done
           exit ${3:-0}"#,
    );
    env
}

/// `effllm run OPTIONS -- sh train.sh ITERATIONS MILLISECONDS [EXIT]`.
fn train<'a>(env: &'a TestEnv, options: &[&str], training: &str) -> Done<'a> {
    let training = training.split_whitespace();
    let arguments = ["run", "--live", "off"].into_iter().chain(options.iter().copied());
    env.effllm(arguments.chain(["--", "sh", "train.sh"]).chain(training)).done()
}

/// Reports of three runs of about a second an iteration.
const BASELINES: [&str; 6] = ["--baseline", "a.json", "--baseline", "b.json", "--baseline", "c.json"];

fn env_with_baselines() -> TestEnv {
    let env = env();
    for (name, training) in [("a.json", "40 1000"), ("b.json", "40 1010"), ("c.json", "40 996")] {
        assert_eq!(train(&env, &["-q", "-o", name], training).code(), Some(0));
    }
    env
}

/// The lines of the gate's table.
fn table(done: &Done<'_>) -> String {
    let stderr = done.stderr();
    let start = stderr.find("gate   ").unwrap_or_else(|| panic!("no gate in: {stderr}"));
    stderr[start..].to_owned()
}

#[test]
fn a_run_as_fast_as_the_baselines_passes() {
    let env = env_with_baselines();
    let require = ["--require", "al <= baseline * 1.02", "--require", "samples_per_sec >= baseline - 5%"];
    let done = train(&env, &[&BASELINES[..], &require].concat(), "40 1005");
    assert_eq!(done.code(), Some(0), "{}", done.stderr());
    insta::assert_snapshot!(table(&done));
    let report = env.report();
    assert_eq!(report.text("gate.verdict"), "pass");
    assert_eq!(report.at("gate.results.0.baseline.runs"), 3);
    assert_eq!(report.number("gate.results.0.baseline.median"), 1.0);
    assert_eq!(report.number("gate.results.0.expected"), 1.02);
    assert_near(report.number("gate.results.0.baseline.spread_ratio"), 0.007, 1e-6);
}

#[test]
fn a_run_that_is_a_fifth_slower_fails_and_a_ci_is_told() {
    let mut env = env_with_baselines();
    let summary = env.path("summary.md");
    env.set("GITHUB_ACTIONS", "true").set("GITHUB_STEP_SUMMARY", &summary).write("summary.md", "# before\n");
    let require = [
        "--require",
        "al <= baseline * 1.02",
        "--require",
        "pcu >= 85%",
        "--require",
        "al < 2 s",
        "--warn",
        "al <= 1100 ms",
        "--junit",
        "junit.xml",
        "--gitlab-metrics",
        "metrics.txt",
    ];
    let done = train(&env, &[&BASELINES[..], &require].concat(), "40 1200");
    assert_eq!(done.code(), Some(99));
    insta::assert_snapshot!("a_fifth_slower", table(&done));
    assert!(!done.stdout().contains("::error"), "stdout is the command's");
    insta::assert_snapshot!("a_fifth_slower_summary", env.read("summary.md"));
    insta::assert_snapshot!("a_fifth_slower_metrics", env.read("metrics.txt"));

    let junit = quick_junit::Report::deserialize_from_str(&env.read("junit.xml")).expect("JUnit XML");
    let suite = &junit.test_suites[0];
    assert_eq!((suite.tests, suite.failures, suite.errors), (4, 1, 1));
    let names: Vec<&str> = suite.test_cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["al <= baseline * 1.02", "pcu >= 85 %", "al < 2 s", "al <= 1100 ms"]);
    let TestCaseStatus::NonSuccess { message, .. } = &suite.test_cases[0].status else { panic!() };
    let message = message.as_ref().expect("a message").as_str();
    assert!(message.contains("20.0 % slower"), "{message}");

    let report = env.report();
    assert_eq!(report.text("gate.verdict"), "fail");
    let verdicts: Vec<&str> = (0..4).map(|i| report.text(&format!("gate.results.{i}.verdict"))).collect();
    assert_eq!(verdicts, ["fail", "no_data", "pass", "fail"]);
}

#[test]
fn the_commands_failure_outranks_the_gates() {
    let env = env();
    let failing = ["--require", "al < 1 ms"];
    let done = train(&env, &failing, "40 1000 3");
    assert_eq!(done.code(), Some(3));
    assert!(table(&done).ends_with("gate failed: 1 of 1, command exit 3 (exit 3)\n"));
    assert_eq!(env.report().text("gate.verdict"), "fail");
    let by_signal = env.effllm(["run", "--require", "al < 1 ms", "--", "sh", "-c", "kill -KILL $$"]).done();
    assert_eq!(by_signal.signal(), Some(9));
}

#[test]
fn a_misspelt_metric_is_told_and_nothing_starts() {
    let env = env();
    let done = env.effllm(["run", "--require", "pcuu >= 0.5", "--", "touch", "started"]).done();
    assert_eq!(done.code(), Some(2));
    assert_eq!(
        done.stderr(),
        "effllm: error: --require: unknown metric 'pcuu'\n    pcuu >= 0.5\n    ^^^^\n  \
         did you mean 'pcu'? 'effllm gate --metrics' lists them all\n"
    );
    assert_eq!(env.files(), ["train.sh"]);
}

#[test]
fn what_can_never_be_judged_is_told_before_the_command_starts() {
    let env = env();
    env.write("other.json", r#"{"schema": "effllm.report/3"}"#).write("text.json", "no JSON");
    train(&env, &["-q", "-o", "run.json"], "40 1000");
    fs::remove_file(env.path("train.sh")).expect("it is there");
    let cases: [&[&str]; 11] = [
        &["--require", "al <= baseline"],
        &["--require", "pcu >= baseline", "--baseline", "run.json"],
        &["--require", "al <= baseline", "--baseline", "none.json"],
        &["--require", "al <= baseline", "--baseline", "text.json"],
        &["--require", "al <= baseline", "--baseline", "other.json"],
        &["--require", "al < 5 W"],
        &["--junit", "junit.xml"],
        &["--fail-fast"],
        &["--fail-fast", "--warn", "al < 5"],
        &["--require", "al < 5", "--junit", "none/junit.xml"],
        &["--require", "al < 5", "--gitlab-metrics", "."],
    ];
    let errors = cases.map(|options| {
        let arguments = ["run"].iter().chain(options).chain(&["--", "touch", "started"]);
        let done = env.effllm(arguments).done();
        assert_eq!(done.code(), Some(2), "{options:?}");
        format!("$ effllm run {}\n{}", options.join(" "), done.stderr())
    });
    assert!(!env.exists("started"));
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_file_requires_as_flags_do_and_flags_take_its_place() {
    let env = env();
    env.write("effllm.toml", "[gate]\nrequire = ['al < 500 ms']\nmin-iterations = 50\n");
    let by_file = train(&env, &[], "40 1000");
    assert_eq!(by_file.code(), Some(99));
    assert!(table(&by_file).contains("only 40 of 50 iterations"));
    let by_flag = train(&env, &["--require", "al < 2", "--min-iterations", "5"], "40 1000");
    assert_eq!((by_flag.code(), table(&by_flag).contains("500 ms")), (Some(0), false));

    let wrong = [
        "[gate]\nrequire = ['al < 500 ms',\n           'pcuu > 0.5']\n",
        "[gate]\nwarn = ['al < 5 W']\n",
        "[gate]\nallow-nodata = true\n",
        "[gate]\nfail-fast = 'soon'\n",
        "[gate]\nmin-seconds = -5\n",
    ];
    let errors = wrong.map(|text| {
        env.write("effllm.toml", text);
        let done = train(&env, &[], "40 1000");
        assert_eq!(done.code(), Some(2));
        done.stderr()
    });
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn missing_data_fails_unless_it_may_be_missing() {
    let env = env();
    let require = ["--require", "it >= 10", "--require", "al < 2"];
    let strict = train(&env, &require, "40 1000");
    assert_eq!((strict.code(), env.report().text("gate.verdict")), (Some(99), "no_data"));
    insta::assert_snapshot!("missing_data", table(&strict));
    let lenient = train(&env, &[&require[..], &["--allow-no-data"]].concat(), "40 1000");
    assert_eq!((lenient.code(), env.report().text("gate.verdict")), (Some(0), "pass"));
    insta::assert_snapshot!("missing_data_allowed", table(&lenient));
    let early = train(&env, &require[2..], "9 1000");
    assert_eq!((early.code(), early.stderr().contains("only 9 of 10 iterations")), (Some(99), true));
}

#[test]
fn a_warning_fails_nothing_and_quiet_says_nothing_of_a_pass() {
    let env = env();
    let warned = train(&env, &["--warn", "al < 500 ms"], "40 1000");
    assert_eq!(warned.code(), Some(0));
    insta::assert_snapshot!("a_warning", table(&warned));
    let quiet = train(&env, &["-q", "--require", "al < 2"], "40 1000");
    assert_eq!(quiet.stderr(), "");
    let quiet = train(&env, &["-q", "--require", "al < 500 ms"], "40 1000");
    assert!(quiet.stderr().starts_with("gate   "), "{}", quiet.stderr());
}

#[test]
fn what_looks_like_a_slip_is_told_before_the_command_and_after_it() {
    let env = env();
    let warning = "warning: 'goodput_ratio < 0.5 %': 0.5 % is 0.005; did you mean 50 %?\n";
    let done = train(&env, &["--require", "goodput_ratio < 0.5 %"], "1 1");
    let said = done.stderr();
    assert!(said.starts_with(&format!("effllm: {warning}")), "{said}");
    assert_eq!(said.matches(warning).count(), 2, "{said}");
    let quiet = train(&env, &["-q", "--require", "goodput_ratio < 0.5 %"], "1 1");
    assert!(!quiet.stderr().contains("warning"), "{}", quiet.stderr());
}

#[test]
fn a_run_without_a_gate_has_none_in_its_report() {
    let env = env();
    assert_eq!(train(&env, &[], "40 1000").report().at("gate"), &Value::Null);
}
