//! The bytes of stdin, stdout and stderr.

use std::fs;
use std::io::{PipeReader, Read};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::process::{children, is_pending};
use crate::harness::{Session, TestEnv, until};

/// Bytes of every kind, the same for the same seed: NUL, invalid UTF-8, every line end.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).flatten().take(length).collect();
    bytes.truncate(length);
    bytes
}

#[test]
fn ten_megabytes_of_noise_on_both_streams_arrive_byte_for_byte() {
    let env = TestEnv::new();
    let (out, err) = (noise(1, 10_000_000), noise(2, 10_000_000));
    env.write("out", &out).write("err", &err);
    let done = env.run("", "cat out & cat err >&2; wait").done();
    assert_eq!(done.code(), Some(0));
    assert!(done.stdout == out, "{} bytes of {}", done.stdout.len(), out.len());
    assert!(done.stderr == err, "{} bytes of {}", done.stderr.len(), err.len());
    assert_eq!(env.report().number("log.bytes"), 20_000_000.0);
}

#[test]
fn the_streams_are_not_mixed_and_keep_their_order() {
    let env = TestEnv::new();
    let done = env.run("", "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done").done();
    let expected = |name: &str| (1..=5).map(|i| format!("{name} {i}\n")).collect::<String>();
    assert_eq!(done.stdout(), expected("out"));
    assert_eq!(done.stderr(), expected("err"));
}

#[test]
fn output_without_a_last_newline_gets_none() {
    let done_alone = TestEnv::new().run("", r"printf 'a\0b\r\377'").done().stdout;
    assert_eq!(done_alone, b"a\0b\r\xff");
}

#[test]
fn a_prompt_arrives_before_its_newline_and_stdin_is_the_callers() {
    let env = TestEnv::new();
    let mut session =
        env.run("", "printf 'name? '; read name; printf \"hello $name, age? \"; read age; echo $age").start();
    session.wait_for("name? ");
    session.type_line("Ada");
    session.wait_for("hello Ada, age? ");
    session.type_line("36");
    assert_eq!(session.wait().stdout(), "name? hello Ada, age? 36\n");
}

#[test]
fn a_reader_that_comes_late_loses_nothing() {
    for stream in ["stdout", "stderr"] {
        let env = TestEnv::new();
        // More than one pipe holds, so that effllm still has some of it when the command has ended.
        let script = format!("head -c 120000 /dev/zero >/dev/{stream}; touch ended");
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut call = env.run("", &script);
        call.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match stream {
            "stdout" => call.command.stdout(writer),
            _ => call.command.stderr(writer),
        };
        let mut session = call.spawn();
        until("the command's end", || env.exists("ended"));
        // Longer than effllm waits for anything else.
        let begun = Instant::now();
        until("a while", || session.has_ended() || begun.elapsed() > Duration::from_secs(4));
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("a pipe can be read");
        assert_eq!((session.wait().code(), bytes.len()), (Some(0), 120_000), "{stream}");
    }
}

/// Starts a command that has ended, and whose output waits for its reader.
fn ended_before_its_reader<'a>(env: &'a TestEnv, ignored: Option<Signal>) -> (Session<'a>, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut call = env.run("", "head -c 120000 /dev/zero; touch ended").with_signals(ignored, None);
    call.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    let session = call.spawn();
    until("the command's end", || env.exists("ended"));
    until("effllm to see it", || children(session.pid()).is_empty());
    (session, reader)
}

#[test]
fn a_reader_that_never_comes_can_be_given_up_by_a_signal() {
    let env = TestEnv::new();
    let (session, reader) = ended_before_its_reader(&env, None);
    assert_eq!(session.end_by(Signal::SIGTERM).code(), Some(0));
    let report = env.report();
    assert_eq!(report.at("command.exit.code"), 0);
    let lost = "a signal ended the wait for the reader of the command's output; what was left is lost";
    assert_eq!(report.warnings(), [lost]);
    drop(reader);
}

#[test]
fn a_signal_that_the_caller_ignores_does_not_cut_the_output() {
    for ignored in [Signal::SIGHUP, Signal::SIGINT] {
        let env = TestEnv::new();
        let (session, mut reader) = ended_before_its_reader(&env, Some(ignored));
        session.send(ignored);
        until("effllm to read it", || !is_pending(session.pid(), ignored));
        thread::sleep(Duration::from_secs(1)); // in which effllm could end
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("a pipe can be read");
        assert_eq!((session.wait().code(), bytes.len()), (Some(0), 120_000), "{ignored}");
        assert_eq!(env.report().warnings(), [""; 0]);
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_as_it_would_without_effllm() {
    let env = TestEnv::new();
    let alone = env.sh("(yes; echo yes ended with $? >&2) | head -n 1").done();
    let wrapped = env.sh("$effllm run -q -- sh -c 'yes; echo yes ended with $? >&2' | head -n 1").done();
    assert_eq!(wrapped.stdout(), "y\n");
    assert_eq!(wrapped.stdout(), alone.stdout());
    assert_eq!(wrapped.stderr(), "yes ended with 141\n");
    assert_eq!(wrapped.stderr(), alone.stderr());
}

#[test]
fn a_grandchild_that_keeps_the_pipes_open_does_not_hold_effllm() {
    let env = TestEnv::new();
    let done = env.run("", "sleep 1000 & echo $!").done();
    let sleeper = Pid::from_raw(done.stdout().trim().parse().expect("a process id"));
    kill(sleeper, Signal::SIGKILL).expect("the grandchild outlives effllm");
    assert_eq!(done.code(), Some(0));
    let report = env.report();
    assert!(report.warnings().iter().any(|warning| warning.contains("holds its output open")));
}

#[test]
fn a_grandchild_that_goes_on_writing_does_not_hold_effllm_either() {
    let env = TestEnv::new();
    let mut call = env.run("", "yes 0123456789abcdef & echo the end >&2");
    call.command
        .stdin(Stdio::null())
        .stdout(fs::File::create(env.path("out")).expect("a file"))
        .stderr(Stdio::piped());
    let done = call.spawn().wait();
    assert_eq!((done.code(), done.stderr()), (Some(0), "the end\n".to_owned()));
    // However slowly.
    for pause in ["0.2", "0.01"] {
        let script = format!(
            "(i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo on; sleep {pause}; done) & date +%s.%N >ended; exit 3"
        );
        let done = env.run("", &script).done();
        let left = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let took = left - env.read("ended").trim().parse::<f64>().expect("a time");
        assert_eq!(done.code(), Some(3));
        // Half a second on a machine that has nothing else to do.
        assert!(took < 3.0, "{pause}: {took} s");
        let report = env.report();
        assert!(report.warnings().iter().any(|warning| warning.contains("holds its output open")));
    }
}
