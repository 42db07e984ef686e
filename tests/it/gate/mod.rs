//! Gates and comparisons by the real binary, as a CI calls it: commands that print Megatron's lines
//! with times of our own.

mod comparisons;
mod recipes;

use std::fs;

use quick_junit::TestCaseStatus;
use serde_json::Value;

use crate::harness::{Done, Report, TestEnv, assert_near, until};
use crate::library::METRICS;

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
fn a_summary_that_cannot_be_written_changes_no_verdict() {
    let mut env = env();
    train(&env, &["-q", "-o", "run.json"], "40 1000");
    fs::create_dir(env.path("folder")).expect("a folder");
    env.set("GITHUB_ACTIONS", "true");
    for (summary, why) in [("nowhere/summary.md", "No such file or directory"), ("folder", "Is a directory")]
    {
        env.set("GITHUB_STEP_SUMMARY", summary);
        let judge = |expression: &str, code| {
            let run = train(&env, &["--require", expression, "--junit", "j.xml"], "40 1000");
            let again = env.effllm(["gate", "run.json", "--require", expression, "--junit", "j.xml"]).done();
            let log = format!("sh train.sh 40 1000 | $effllm parse --require '{expression}'");
            for done in [run, again, env.sh(&log).done()] {
                assert_eq!(done.code(), Some(code), "{}", done.stderr());
                let warning = format!(
                    "effllm: warning: GITHUB_STEP_SUMMARY: cannot add the summary to {summary}: {why}"
                );
                assert!(done.stderr().contains(&warning), "{}", done.stderr());
                assert!(done.stderr().contains("\n  the verdict is the same; "), "{}", done.stderr());
            }
            assert!(env.read("j.xml").contains("<testsuite"), "the other files are written");
        };
        judge("al < 2 s", 0);
        judge("al < 1 ms", 99);
    }
}

#[test]
fn a_file_that_was_asked_for_and_cannot_be_written_fails_a_pass_but_no_run() {
    let env = env();
    train(&env, &["-q", "-o", "run.json"], "40 1000");
    let judge = |expression: &str, codes: [i32; 3]| {
        let options = ["--require", expression, "--junit", "/dev/full", "--gitlab-metrics", "metrics.txt"];
        let run = train(&env, &options, "40 1000");
        let again = env.effllm(["gate", "run.json"].iter().chain(&options)).done();
        let log = format!("sh train.sh 40 1000 | $effllm parse --require '{expression}' --junit /dev/full");
        for (done, code) in [run, again, env.sh(&log).done()].into_iter().zip(codes) {
            let said = done.stderr();
            assert_eq!(done.code(), Some(code), "{said}");
            assert!(said.contains("effllm: error: --junit: /dev/full cannot be written: No space"), "{said}");
            assert!(said.contains("\ngate passed: ") || said.contains("\ngate failed: "), "{said}");
        }
        assert!(env.exists("metrics.txt"), "the other file is written");
    };
    judge("al < 2 s", [0, 125, 125]);
    judge("al < 1 ms", [99, 99, 99]);
}

#[test]
fn no_output_takes_the_place_of_another_file_that_is_named() {
    let env = env();
    train(&env, &["-q", "-o", "a.json"], "40 1000");
    let before = env.read("a.json");
    env.write("effllm.toml", "[gate]\ngitlab-metrics = \"m.txt\"\n");
    env.write("c.toml", "").sh("$effllm profiles show megatron >own.toml").done();
    env.sh("mkdir sub; ln -s ../a.json sub/link.json; ln -s . here").done();
    let refused = [
        ("gate a.json --require al<1 --junit a.json", "--junit would replace a.json, which REPORT reads"),
        (
            "gate a.json --require al<1 --junit sub/../a.json",
            "--junit would replace sub/../a.json, which REPORT",
        ),
        (
            "gate a.json --require al<1 --junit sub/link.json",
            "--junit would replace sub/link.json, which REPORT",
        ),
        (
            "gate a.json --require al<1 --junit m.txt",
            "--junit and gitlab-metrics in effllm.toml would both write",
        ),
        (
            "run --rules own.toml -o own.toml -- touch ran",
            "--report would replace own.toml, which --rules reads",
        ),
        ("run -o effllm.toml -- touch ran", "--report would replace effllm.toml, which effllm reads"),
        (
            "run --config c.toml --series c.csv -o c.toml -- touch ran",
            "--report would replace c.toml, which --config",
        ),
        ("report a.json -o a.json", "-o would replace a.json, which REPORT reads"),
        (
            "parse train.sh --gitlab-metrics train.sh",
            "--gitlab-metrics would replace train.sh, which FILE reads",
        ),
        ("monitor --pid 1 --log a.json -o a.json", "--report would replace a.json, which --log reads"),
        (
            "run -o a.json --baseline a.json -- touch ran",
            "--report would replace a.json, which --baseline reads",
        ),
        (
            "run -o y.json --require al<1 --junit here/y.json -- touch ran",
            "--report and --junit would both write",
        ),
        (
            "run --series x.csv --openmetrics x.csv -- touch ran",
            "--series and --openmetrics would both write to x",
        ),
    ];
    for (arguments, why) in refused {
        let done = env.effllm(arguments.split(' ')).done();
        let error = format!("effllm: error: {why}");
        assert!(
            done.code() == Some(2) && done.stderr().starts_with(&error),
            "{arguments}: {}",
            done.stderr()
        );
        assert!(done.stderr().contains("\n  name another file for "), "{}", done.stderr());
    }
    assert_eq!(env.read("a.json"), before);
    for never in ["ran", "x.csv", "y.json", "m.txt"] {
        assert!(!env.exists(never), "{never}");
    }
    // What is no file is not replaced, and what is only read is not lost.
    let streams = ["--require", "al < 2", "--junit", "/dev/null", "--openmetrics", "/dev/null"];
    assert_eq!(train(&env, &streams, "40 1000").code(), Some(0));
    let twice = ["a.json", "--baseline", "a.json", "--baseline", "a.json", "--require", "al <= baseline"];
    assert_eq!(env.effllm(["gate"].iter().chain(&twice)).done().code(), Some(0));
}

#[test]
fn a_stderr_that_is_full_changes_no_exit_status() {
    let env = env();
    train(&env, &["-q", "-o", "run.json"], "40 1000");
    for (arguments, code) in [
        ("gate run.json --require 'al < 2 s'", 0),
        ("gate run.json --require 'al < 1 ms'", 99),
        ("gate run.json --require 'al << 1 ms'", 2),
        ("gaet run.json", 2),
    ] {
        assert_eq!(env.sh(&format!("$effllm {arguments} 2> /dev/full")).done().code(), Some(code));
    }
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

#[test]
fn a_hopeless_run_is_ended_early_with_all_that_it_started() {
    let env = env();
    // As launch scripts do it: a shell that waits for what trains, which works for ever.
    env.write(
        "forever.sh",
        r#"i=0
           while :; do
               i=$((i + 1))
               echo " [2026-01-01 00:00:00] iteration $i/ 9999 | elapsed time per iteration (ms): 90.0 |"
               sleep 0.1
           done"#,
    );
    train(&env, &["-q", "-o", "good.json"], "40 10");
    let options = ["run", "-q", "--require", "al < baseline + 2 ms", "--baseline", "good.json"];
    let options = options.iter().chain(&["--min-iterations", "3", "--fail-fast=0.3"]);
    let command = ["--", "sh", "-c", "sh forever.sh & echo $! > pid; wait $!; true"];
    let done = env.effllm(options.chain(&command)).done();
    assert_eq!(done.code(), Some(99), "{}", done.stderr());
    let warning = "ended early by --fail-fast (SIGTERM): 'al < baseline + 2 ms' was not met for ";
    assert!(done.stderr().contains(warning), "{}", done.stderr());
    let report = env.report();
    assert!(report.warnings().iter().any(|told| told.starts_with(warning)));
    assert_eq!((report.text("gate.verdict"), report.text("command.exit.signal")), ("fail", "SIGTERM"));
    let blamed = report.warnings().iter().any(|told| told.starts_with("not like the baseline"));
    assert!(!blamed, "effllm itself ended the run: {:?}", report.warnings());
    let training = format!("/proc/{}", env.read("pid").trim());
    until("the end of the training", || fs::metadata(&training).is_err());
}

#[test]
fn a_run_that_passes_is_not_ended_early() {
    let env = env();
    let options = ["--require", "al < 2", "--min-iterations", "3", "--fail-fast=0.1"];
    let command = ["--", "sh", "-c", "sh train.sh 40 1000; sleep 2.5; echo done"];
    let done = env.effllm(["run", "-q"].iter().chain(&options).chain(&command)).done();
    assert!(done.code() == Some(0) && done.stdout().ends_with("done\n"), "{}", done.stderr());
}
