//! What is said of each misuse of the command line: what is wrong, of which flag, and the way out.

use crate::harness::TestEnv;

/// A folder with a report, one that is cut off, a newer one, an empty one, and a folder.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.effllm(["run", "-q", "-o", "report.json", "--", "true"]).done();
    let report = env.read("report.json");
    env.write("cut.json", report.lines().take(4).collect::<Vec<_>>().join("\n"));
    env.write("newer.json", report.replace("effllm.report/2", "effllm.report/3"));
    env.write("empty.json", "").write("text.json", "no report\n").write("folder/file", "");
    env
}

/// The calls, which must fail, with what they say and their exit status.
fn told(calls: &[&str]) -> String {
    let env = env();
    let before = env.files();
    let told = calls.iter().map(|call| {
        let done = env.sh(&format!("exec \"$effllm\" {call} < /dev/null")).done();
        assert_eq!(done.stdout(), "", "{call}");
        let said = done.stderr();
        assert!(said.starts_with("effllm: error: ") && said.contains("\n  "), "{call}: {said}");
        format!("$ effllm {call}\n{said}[{}]\n", done.code().expect("an exit status"))
    });
    let told: Vec<String> = told.collect();
    assert_eq!(env.files(), before, "nothing is left behind");
    told.join("\n")
}

#[test]
fn arguments_that_are_none() {
    let told = told(&[
        "run",
        "run true",
        "run --outptu x -- true",
        "run -- no-such-command",
        "run -- 'sleep 1'",
        "run -- ./nowhere",
        "run -- folder",
        "run -- ./folder",
        "run -- ./text.json",
        "rum",
        "bash train.sh",
        "--interval 1 run -- true",
        "-x run -- true",
        "run -- ''",
        "gate report.json 'al < 1 s'",
        "profiles sho",
        "profiles show megatrom",
        "gate",
        "report",
        "compare report.json",
        "schema x",
        "completions tcsh",
        "parse --json --events log",
        "parse --follow",
        "parse nowhere.log",
        "monitor --from-start",
        "monitor --log nowhere.log",
        "monitor --gpus none",
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn values_that_are_none() {
    let told = told(&[
        "run --interval 0 -- true",
        "run --interval abc -- true",
        "run --interval",
        r"run --interval $(printf '\377') -- true",
        "run -o '' -- true",
        "run --interval 1 --interval 2 -- true",
        "run --history-size -1 -- true",
        "run --log-interval 0 -- true",
        "run --warmup x -- true",
        "run --params x -- true",
        "run --params 7 -- true",
        "run --seq-len 1.5 -- true",
        "run --gpus x -- true",
        "run --profile nosuch -- true",
        "run --profile megatron --rules x -- true",
        "run --stdio x -- true",
        "run --live x -- true",
        "run --kill-after x -- true",
        "run --no-forward SIGFOO -- true",
        "run --series x.txt -- true",
        "run --listen abc -- true",
        "run --no-mask=1 -- true",
        "run --config nowhere.toml -- true",
        "run --rules nowhere.toml -- true",
        "run --require 'al < 1' --min-iterations x -- true",
        "run --require 'al < 1' --min-iterations -1 -- true",
        "run --require 'al < 1' --min-seconds x -- true",
        "run --require 'al < 1' --fail-fast=0 -- true",
        "run --require 'al < 1' --fail-fast soon -- true",
        "run --require 'al < 1' --junit nowhere/x.xml -- true",
        "run --require 'al <= baseline' --baseline nowhere.json -- true",
        "monitor --pid -1",
        "monitor --pid x",
        "monitor --pid 999999999",
        "monitor --duration x",
        "report report.json --format pdf",
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn reports_that_are_none() {
    let told = told(&[
        "report nowhere.json",
        "report folder",
        "report empty.json",
        "report text.json",
        "report cut.json",
        "report newer.json",
        "report - -",
        "gate nowhere.json --require 'al < 1'",
        "gate report.json",
        "gate report.json --require 'al <= baseline' --baseline cut.json",
        "report report.json -o x.pdf",
        "report report.json -o nowhere/x.html",
        "report report.json -o folder",
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn the_ending_of_a_files_name_is_that_of_a_format() {
    let env = env();
    for (name, begins) in [
        ("a.html", "<!DOCTYPE html>"),
        ("a.HTM", "<!DOCTYPE html>"),
        ("a.md", "**`true`**"),
        ("a.csv", "report,"),
        ("a.xml", "<?xml"),
        ("a.json", "{"),
        ("a.txt", "effllm · "),
        ("without", "effllm · "),
    ] {
        let done = env.effllm(["report", "report.json", "-o", name]).done();
        assert_eq!(done.code(), Some(0), "{}", done.stderr());
        assert!(env.read(name).starts_with(begins), "{name}: {:.60}", env.read(name));
    }
    let chosen = env.effllm(["report", "report.json", "-o", "x.pdf", "--format", "csv"]).done();
    assert_eq!((chosen.code(), env.exists("x.pdf")), (Some(0), true));
}
