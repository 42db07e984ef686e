//! The report's file.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use nix::sys::stat::{Mode, umask};
use nix::unistd::mkfifo;

use crate::harness::{EFFLLM, Report, TestEnv, until};

#[test]
fn a_report_on_stdout_leaves_the_commands_output_on_stderr() {
    let env = TestEnv::new();
    let done = env.run("-o -", "echo out; echo err >&2; exit 3").done();
    assert_eq!(done.code(), Some(3));
    let report = Report::parse(&done.stdout());
    assert_eq!(report.at("command.exit.code"), 3);
    let stderr = done.stderr();
    let mut lines: Vec<_> = stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
    assert_eq!(env.files(), [""; 0]);
}

#[test]
fn an_old_report_is_replaced_as_a_whole() {
    let env = TestEnv::new();
    env.write("effllm-report.json", "the old report");
    let mut old = fs::File::open(env.path("effllm-report.json")).expect("it is there");
    assert_eq!(env.run("", "cat effllm-report.json").done().stdout(), "the old report");
    let mut text = String::new();
    old.read_to_string(&mut text).expect("it is still readable");
    assert_eq!(text, "the old report", "it was overwritten in place");
    env.report();
    assert_eq!(env.files(), ["effllm-report.json"]);
}

#[test]
fn the_report_has_the_permissions_that_the_umask_leaves() {
    for (mask, mode) in [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)] {
        let env = TestEnv::new();
        let call = env.run("", "umask").before_exec(move || {
            umask(Mode::from_bits_truncate(mask));
            Ok(())
        });
        assert_eq!(call.done().stdout(), format!("{mask:04o}\n"));
        let report = fs::metadata(env.path("effllm-report.json")).expect("a report");
        assert_eq!(report.mode() & 0o777, mode);
    }
}

#[test]
fn a_report_that_is_a_link_is_written_to_where_it_leads() {
    let env = TestEnv::new();
    env.write("results/run-1.json", "");
    symlink("results/run-1.json", env.path("latest.json")).expect("a link");
    assert!(env.run("-o latest.json", "true").done().status.success());
    assert!(fs::symlink_metadata(env.path("latest.json")).expect("the link").is_symlink());
    Report::parse(&env.read("results/run-1.json"));
    assert_eq!(env.files(), ["latest.json", "results"]);
    assert_eq!(fs::read_dir(env.path("results")).expect("a folder").count(), 1);
}

#[test]
fn a_link_to_what_is_not_there_yet_leads_there_too() {
    let env = TestEnv::new();
    env.write("results/old.json", "");
    symlink("results/newest.json", env.path("latest.json")).expect("a link");
    symlink("run-1.json", env.path("results/newest.json")).expect("a link");
    assert!(env.run("-o latest.json", "true").done().status.success());
    assert!(fs::symlink_metadata(env.path("latest.json")).expect("the link").is_symlink());
    assert!(fs::symlink_metadata(env.path("results/newest.json")).expect("the link").is_symlink());
    Report::parse(&env.read("results/run-1.json"));
    symlink("loop.json", env.path("loop.json")).expect("a link");
    let done = env.run("-o loop.json", "touch started").done();
    assert!(!env.exists("started") && done.code() == Some(2), "{}", done.stderr());
}

#[test]
fn a_report_in_shared_memory_is_a_file_like_any() {
    let folder = tempfile::TempDir::new_in("/dev/shm").expect("shared memory");
    let path = folder.path().join("report.json");
    for _ in 0..2 {
        let env = TestEnv::new();
        let done = env.effllm(["run", "-q", "-o", path.to_str().expect("UTF-8"), "--", "true"]).done();
        assert_eq!((done.code(), done.stderr()), (Some(0), String::new()));
        Report::parse(&fs::read_to_string(&path).expect("a report"));
    }
    let env = TestEnv::new();
    let done = env.run("-o /dev/no-such-thing", "touch started").done();
    assert!(!env.exists("started") && done.code() == Some(2), "{}", done.stderr());
}

#[test]
fn a_report_can_be_written_into_a_pipe() {
    let env = TestEnv::new();
    mkfifo(&env.path("pipe"), Mode::S_IRWXU).expect("a named pipe");
    let path = env.path("pipe");
    let reader = std::thread::spawn(move || fs::read_to_string(path).expect("the pipe is read"));
    assert!(env.run("-o pipe", "true").done().status.success());
    // A report that took the pipe's place would leave its reader waiting.
    until("the report", || reader.is_finished() || env.path("pipe").is_file());
    assert_eq!(env.files(), ["pipe"]);
    assert!(!env.path("pipe").is_file(), "the pipe is gone");
    Report::parse(&reader.join().expect("the reader"));
    let done = env.sh("$effllm run -q -o /dev/stdout -- true | cat").done();
    Report::parse(&done.stdout());
}

#[test]
fn a_device_is_not_replaced_by_a_report() {
    let env = TestEnv::new();
    // Never the real one: a report renamed onto it would be the machine's end.
    symlink("/dev/null", env.path("null")).expect("a link");
    let done = env.run("-o null", "echo hi").done();
    assert_eq!((done.code(), done.stdout(), done.stderr()), (Some(0), "hi\n".to_owned(), String::new()));
    let null = fs::metadata(env.path("null")).expect("still there");
    assert!(null.file_type().is_char_device());
    assert_eq!(env.files(), ["null"]);
}

#[test]
fn a_report_that_cannot_be_written_at_the_end_is_printed_instead() {
    let env = TestEnv::new();
    env.write("results/keep", "");
    let script = "rm -r results; exit 4";
    let done = env.run("-o results/report.json", script).done();
    assert_eq!(done.code(), Some(4));
    let stderr = done.stderr();
    let (error, json) = stderr.split_once('\n').expect("an error and a report");
    assert!(
        error.starts_with("effllm: error: the report cannot be written to results/report.json"),
        "{error}"
    );
    assert_eq!(Report::parse(json).at("command.exit.code"), 4);
    env.write("results/keep", "");
    for place in ["results/report.json", "/dev/full"] {
        let done = env.effllm(["run", "-o", place, "--", "sh", "-c", script]).done();
        let stderr = done.stderr();
        assert!(stderr.contains("effllm: error: the report cannot be written to "), "{stderr}");
        // The summary is there, but does not speak of a report that is not.
        assert!(stderr.contains("\neffllm · sh -c") && !stderr.contains("\nreport: "), "{stderr}");
    }
}

#[test]
fn effllm_can_wrap_effllm() {
    let env = TestEnv::new();
    let done = env
        .effllm([
            "run",
            "-o",
            "outer.json",
            "--",
            EFFLLM,
            "run",
            "-o",
            "inner.json",
            "--",
            "sh",
            "-c",
            "echo deep; exit 5",
        ])
        .done();
    assert_eq!((done.code(), done.stdout()), (Some(5), "deep\n".to_owned()));
    assert_eq!(Report::parse(&env.read("outer.json")).at("command.exit.code"), 5);
    assert_eq!(Report::parse(&env.read("inner.json")).at("command.exit.code"), 5);
}

#[test]
fn runs_at_the_same_time_keep_each_others_finished_reports() {
    let env = TestEnv::new();
    let script = |n: usize| format!("echo ready; until [ -e go ]; do sleep 0.01; done; exit {n}");
    env.write("effllm-report.json", "of an earlier run");
    let sessions: Vec<_> = (0..4).map(|n| env.run("", &script(n)).start()).collect();
    sessions.iter().for_each(|session| session.wait_for("ready"));
    env.write("go", "");
    let told = sessions.into_iter().map(|session| session.wait().stderr());
    let told: Vec<String> = told.filter(|stderr| !stderr.is_empty()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for said in &told {
        assert!(
            said.contains("effllm-report.json meanwhile, which is now $PWD/effllm-report.json."),
            "{said}"
        );
    }
    let names = ["", ".1", ".2", ".3"].map(|ending| format!("effllm-report.json{ending}"));
    let codes = names.map(|name| Report::parse(&env.read(&name)).number("command.exit.code") as u64);
    assert_eq!(codes.iter().sum::<u64>(), 6, "{codes:?}");
    // An effllm in an effllm.
    let done = env.sh("rm effllm-report.json*; $effllm run -q -- $effllm run -q -- sh -c 'exit 3'").done();
    assert!(done.stderr().contains("effllm-report.json.1"), "{}", done.stderr());
    assert_eq!(env.files(), ["effllm-report.json", "effllm-report.json.1", "go"]);
    // One after the other replaces.
    assert_eq!(env.run("", "true").done().stderr(), "");
    assert_eq!(env.files(), ["effllm-report.json", "effllm-report.json.1", "go"]);
}
