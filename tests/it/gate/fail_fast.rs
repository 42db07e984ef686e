//! Runs that are ended early.

use std::fs;

use super::{env, train};
use crate::harness::until;

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
