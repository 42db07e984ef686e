//! Filters that carry the command's output on, and have some of it left when the command has ended.

use std::fs::File;
use std::io::{PipeReader, Read};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::harness::process::{exists, kill_tree, written_in};
use crate::harness::{Call, Session, TestEnv, until};

const HELD: &str = "holds its output open";

/// `effllm run -q -- bash -c SCRIPT`.
fn bash<'a>(env: &'a TestEnv, script: &str) -> Call<'a> {
    env.effllm(["run", "-q", "--", "bash", "-c", script])
}

/// Starts it with a pipe for stdout.
fn start(mut call: Call<'_>) -> (Session<'_>, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    call.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    (call.spawn(), reader)
}

/// Reads to the end, at no more than 40 kB/s.
fn read_slowly(mut reader: PipeReader) -> Vec<u8> {
    let mut all = Vec::new();
    let mut bytes = [0; 2000];
    while let Ok(length @ 1..) = reader.read(&mut bytes) {
        all.extend_from_slice(&bytes[..length]);
        thread::sleep(Duration::from_millis(50));
    }
    all
}

fn is_held(env: &TestEnv) -> bool {
    env.report().warnings().iter().any(|warning| warning.contains(HELD))
}

#[test]
fn a_script_that_logs_through_tee_loses_nothing_to_a_slow_reader() {
    for filter in ["tee train.log", "sed -u s/^/x/ | cut -c 2- | tee train.log"] {
        let env = TestEnv::new();
        let (session, reader) = start(bash(&env, &format!("exec > >({filter}) 2>&1; seq 40000")));
        let all = read_slowly(reader);
        assert_eq!(session.wait().code(), Some(0));
        assert!(all.ends_with(b"\n40000\n"), "{filter}: {} bytes", all.len());
        assert!(all == env.read("train.log").as_bytes(), "{filter}");
        assert!(!is_held(&env));
    }
}

#[test]
fn a_filter_that_lags_is_waited_for() {
    let env = TestEnv::new();
    let script = "exec > >(touch filter; until [ -e go ]; do sleep 0.02; done; tee train.log; sleep 1; echo over); \
                  until [ -e filter ]; do sleep 0.02; done; echo first; echo last; echo $$ >command";
    let session = bash(&env, script).start();
    let command = written_in(&env, "command");
    until("the command's end", || !exists(command));
    thread::sleep(Duration::from_secs(2)); // longer than a program that the command left running is waited for
    env.write("go", "");
    assert_eq!(session.wait().stdout(), "first\nlast\nover\n");
    assert_eq!(env.read("train.log"), "first\nlast\n");
    assert!(!is_held(&env));
}

/// Programs that have the command's output and go on; each writes its ID into a file.
const LEFT_RUNNING: [&str; 8] = [
    // No filters: their stdin is /dev/null.
    "sh -c 'echo $$ >left; sleep 1000; echo late' &",
    "nohup sh -c 'echo $$ >left; sleep 1000' &",
    "setsid sh -c 'echo $$ >left; while echo on; do sleep 0.1; done' &",
    // A filter that does not come to read, and one in name only.
    "echo x | sh -c 'echo $$ >left; sleep 1000; cat' &",
    "echo x | setsid sh -c 'echo $$ >left; cat; while echo on; do sleep 0.1; done' &",
    // Filters that such a program writes to.
    "exec > >(tee log) 2>&1; sh -c 'echo $$ >left; sleep 1000' &",
    "exec > >(tee log) 2>&1; sh -c 'echo $$ >left; while echo on; do sleep 0.1; done' &",
    "exec > >(tee log) 2>&1; sh -c 'echo $$ >left; while seq 2000; do :; done' &",
];

#[test]
fn programs_left_running_do_not_hold_effllm_whatever_their_pipes() {
    thread::scope(|scope| {
        for script in LEFT_RUNNING {
            scope.spawn(move || {
                let env = TestEnv::new();
                let script = format!("{script} until [ -s left ]; do sleep 0.02; done; echo the end; exit 3");
                let mut call = bash(&env, &script);
                let out = File::create(env.path("out")).expect("a file");
                call.command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
                let done = call.spawn().wait();
                kill_tree(written_in(&env, "left"));
                assert_eq!(done.code(), Some(3), "{script}");
                assert!(is_held(&env), "{script}");
                assert!(env.read("out").contains("the end\n"), "{script}");
            });
        }
    });
}
