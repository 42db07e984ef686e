//! Exit statuses, and runs without measurements.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

use nix::libc;
use nix::sys::signal::Signal;

use crate::harness::TestEnv;

#[test]
fn the_exit_status_is_the_commands() {
    for code in [0, 1, 7, 99, 125, 126, 127, 255] {
        let env = TestEnv::new();
        let done = env.run("", &format!("exit {code}")).done();
        assert_eq!(done.code(), Some(code));
        let report = env.report();
        assert_eq!(report.at("command.exit.code"), code);
        assert_eq!(report.text("status"), "completed");
        assert_eq!(done.stderr(), "");
    }
}

#[test]
fn a_death_by_a_signal_is_effllms_too_and_leaves_no_core() {
    use Signal::{SIGABRT, SIGKILL, SIGSEGV, SIGTERM, SIGUSR1};
    for signal in [SIGKILL, SIGSEGV, SIGTERM, SIGABRT, SIGUSR1] {
        let env = TestEnv::new();
        let name = &signal.as_str()[3..];
        // The command itself leaves none; the limit that effllm runs under would allow one.
        let call = env.run("", &format!("ulimit -c 0; kill -{name} $$"));
        let unlimited = || {
            use nix::sys::resource::{Resource, getrlimit, setrlimit};
            let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
            Ok(setrlimit(Resource::RLIMIT_CORE, hard, hard)?)
        };
        let done = call.before_exec(unlimited).done();
        assert_eq!(done.signal(), Some(signal as i32), "{:?}", done.status);
        assert!(!done.status.core_dumped(), "{signal}");
        assert_eq!(env.files(), ["effllm-report.json"]);
        let report = env.report();
        assert_eq!(report.at("command.exit.signal"), signal.as_str());
        assert_eq!(report.text("status"), "interrupted");
    }
}

#[test]
fn a_death_by_a_realtime_signal_is_told_as_such() {
    let env = TestEnv::new();
    let number = libc::SIGRTMIN() + 1;
    let done = env.run("", &format!("kill -{number} $$")).done();
    assert_eq!(done.signal(), Some(number), "{:?}", done.status);
    assert_eq!(env.report().text("status"), "interrupted");
}

#[test]
fn a_command_that_cannot_be_run_is_told_as_a_shell_does() {
    let env = TestEnv::new();
    env.write("plain", "#!/bin/sh\n").write("folder/file", "").write("orphan", "#!/no/such/interpreter\n");
    fs::set_permissions(env.path("orphan"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    for (program, code, words) in [
        ("no-such-command", 127, "'no-such-command': command not found"),
        ("./no-such-file", 127, "'./no-such-file': no such file"),
        ("./orphan", 127, "interpreter"),
        ("./plain", 126, "'./plain' cannot be executed: Permission denied"),
        ("./folder", 126, "'./folder' cannot be executed"),
    ] {
        let done = env.effllm(["run", "--", program]).done();
        assert_eq!(done.code(), Some(code), "{program}: {}", done.stderr());
        assert!(done.stderr().starts_with("effllm: error: "), "{}", done.stderr());
        assert!(done.stderr().contains(words), "{}", done.stderr());
        assert!(!env.exists("effllm-report.json"), "{program}");
    }
}

#[test]
fn with_metrics_disabled_effllm_becomes_the_command() {
    for no in ["false", "0", "no", "OFF"] {
        let mut env = TestEnv::new();
        env.set("EFFICIENTLLM_METRICS_ENABLED", no);
        let session = env.run("", "echo $$ ${PYTHONUNBUFFERED-unset}; kill -KILL $$").start();
        let pid = session.pid();
        let done = session.wait();
        assert_eq!(done.stdout(), format!("{pid} unset\n"));
        assert_eq!(done.signal(), Some(libc::SIGKILL));
        assert_eq!(env.files(), [""; 0]);
    }
}

#[test]
fn with_metrics_disabled_a_gate_is_told_that_it_is_not_judged() {
    let mut env = TestEnv::new();
    env.set("EFFICIENTLLM_METRICS_ENABLED", "false");
    let told = "effllm: warning: EFFICIENTLLM_METRICS_ENABLED=false: nothing is measured, and the gate is not \
                judged\n  unset the variable to judge the gate\n";
    let run = |options: &[&str], script| {
        let command = ["--", "sh", "-c", script];
        let done = env.effllm(["run"].iter().chain(options).chain(&command)).done();
        (done.code(), done.stderr())
    };
    assert_eq!(run(&["--require=al<1"], "exit 3"), (Some(3), told.to_owned()));
    assert_eq!(run(&["--warn=al<1"], "exit 3"), (Some(3), String::new()));
    env.write("effllm.toml", "[gate]\nrequire = 'al < 1'\n");
    assert_eq!(run(&[], "true"), (Some(0), told.to_owned()));
    assert_eq!(run(&["-q"], "true"), (Some(0), String::new()));
}

#[test]
fn with_metrics_disabled_a_command_that_is_not_there_is_still_told() {
    let mut env = TestEnv::new();
    env.set("EFFICIENTLLM_METRICS_ENABLED", "false");
    let done = env.effllm(["run", "--", "no-such-command"]).done();
    assert_eq!(done.code(), Some(127));
    let said = "effllm: error: 'no-such-command': command not found\n  it is in no directory of PATH; give its path\n";
    assert_eq!(done.stderr(), said);
}
