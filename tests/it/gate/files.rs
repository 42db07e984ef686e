//! Files that a gate writes, and streams that are full.

use std::fs;

use super::{env, train};

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
