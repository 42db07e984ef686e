//! Flags.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use insta::assert_snapshot;

use super::layers::parameters;
use super::refused;
use crate::harness::{Report, TestEnv};

#[test]
fn an_interval_that_is_none_is_refused() {
    let env = TestEnv::new();
    assert_snapshot!(refused(&env, &["--interval", "0"]), @r"
    effllm: error: --interval: '0' must be between 0.01 and 3600 seconds
      see 'effllm run --help'
    ");
    for none in ["NaN", "-1", "abc", "", "inf", "0.001", "3601"] {
        let said = refused(&env, &[&format!("--interval={none}")]);
        assert_eq!(refused(&env, &["--interval", none]), said);
        assert!(said.contains(&format!("--interval: '{none}' ")) || none.is_empty(), "{said}");
        assert!(said.contains("--interval"), "{said}");
    }
}

#[test]
fn numbers_that_are_none_are_refused_by_name() {
    let env = TestEnv::new();
    for option in [
        "--params=many",
        "--params=0",
        "--params=-7B",
        "--params=7.6Q",
        "--seq-len=nan",
        "--seq-len=0",
        "--global-batch-size=1e30",
        "--history-size=0",
        "--history-size=1.5",
        "--log-interval=0",
        "--log-interval=-10",
        "--warmup=-1",
        "--live=sometimes",
        "--gpus=zero",
        "--gpus=0,,1",
        "--report=",
    ] {
        let (name, value) = option.split_once('=').expect("a name and a value");
        let said = refused(&env, &[option]);
        assert_eq!(refused(&env, &[name, value]), said);
        assert!(said.contains(name) && said.lines().count() <= 6, "{option}: {said}");
        assert!(!said.contains("invalid digit"), "{option}: {said}");
    }
}

#[test]
fn a_number_without_its_suffix_is_no_count() {
    let env = TestEnv::new();
    assert_snapshot!(refused(&env, &["--params", "7.6"]), @r"
    effllm: error: --params: '7.6' must be a whole number; did you mean 7.6B, 7.6M or 7.6k?
      see 'effllm run --help'
    ");
    assert_snapshot!(refused(&env, &["--params", "7"]), @r"
    effllm: error: --params: '7' is too few for a model; did you mean 7B, 7M or 7k?
      see 'effllm run --help'
    ");
    for option in ["--seq-len=1.5", "--global-batch-size=31.9", "--seq-len=2.00001"] {
        assert!(refused(&env, &[option]).contains("must be a whole number"), "{option}");
    }
    env.write("effllm.toml", "seq-len = 2048\nparams = 7.6\n");
    assert!(
        refused(&env, &[])
            .starts_with("effllm: error: effllm.toml:2:10: params: '7.6' must be a whole number")
    );
    // These are whole, however they are written.
    for (params, value) in
        [("494.032768M", 494_032_768.0), ("7.6B", 7.6e9), ("1e3", 1000.0), ("0.3M", 300_000.0)]
    {
        let done = TestEnv::new();
        let report = done.effllm(["run", "-q", "--params", params, "--", "true"]).done().report();
        assert_eq!(parameters(&report), value);
    }
}

#[test]
fn a_misspelt_flag_is_answered_with_the_nearest_one() {
    let said = refused(&TestEnv::new(), &["--intervall", "1"]);
    assert!(said.starts_with("effllm: error: "), "{said}");
    assert!(
        said.contains("unexpected argument '--intervall'") && said.contains("did you mean '--interval'?"),
        "{said}"
    );
}

#[test]
fn a_command_is_needed() {
    let env = TestEnv::new();
    for arguments in [&["run"][..], &["run", "--"], &["run", "--interval", "1"], &["run", "true"]] {
        let done = env.effllm(arguments).done();
        assert_eq!(done.code(), Some(2), "{arguments:?}: {}", done.stderr());
        assert!(done.stderr().starts_with("effllm: error: "), "{arguments:?}: {}", done.stderr());
    }
    let done = env.effllm(["run", "python", "train.py"]).done();
    assert!(
        done.stderr().contains("  put the command after `--`: effllm run [OPTIONS] -- python …"),
        "{}",
        done.stderr()
    );
    let done = env.effllm(["run", "--help"]).done();
    assert!(done.stdout().starts_with("Examples:") && done.stderr().is_empty());
}

#[test]
fn a_report_that_could_not_be_written_is_refused() {
    let env = TestEnv::new();
    env.write("file", "");
    fs::create_dir(env.path("folder")).expect("a folder");
    assert_snapshot!(refused(&env, &["-o", "missing/report.json"]), @r"
    effllm: error: --report: the report cannot be written to missing/report.json: No such file or directory (os error 2)
      -o FILE names another place, -o - prints it on stdout
    ");
    assert_snapshot!(refused(&env, &["-o", "folder"]), @r"
    effllm: error: --report: the report cannot be written to folder: it is a folder
      -o FILE names another place, -o - prints it on stdout
    ");
    assert_snapshot!(refused(&env, &["-o", "file/report.json"]), @r"
    effllm: error: --report: the report cannot be written to file/report.json: Not a directory (os error 20)
      -o FILE names another place, -o - prints it on stdout
    ");
    // /proc takes no files of ours, whoever asks.
    assert_snapshot!(refused(&env, &["-o", "/proc/report.json"]), @r"
    effllm: error: --report: the report cannot be written to /proc/report.json: No such file or directory (os error 2)
      -o FILE names another place, -o - prints it on stdout
    ");
}

#[test]
fn a_file_may_have_any_name() {
    let env = TestEnv::new();
    let name = |end: &str| OsString::from_vec([b"\xff", end.as_bytes()].concat());
    let arguments = ["run", "-q", "-o"].map(OsString::from).into_iter().chain([name(".json")]);
    let arguments = arguments.chain([OsString::from("--series"), name(".csv")]);
    let done = env.effllm(arguments.chain(["--", "true"].map(OsString::from))).done();
    assert_eq!((done.code(), done.stderr()), (Some(0), String::new()));
    assert!(env.path(name(".csv")).is_file());
    Report::parse(&fs::read_to_string(env.path(name(".json"))).expect("a report"));
}
