//! The wrapped command is what it would be alone: bytes, stdin, arguments, environment, signals and
//! its end.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, mkfifo};

use crate::harness::process::children;
use crate::harness::terminal::Terminal;
use crate::harness::{Call, EFFLLM, Report, TestEnv, until};

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

// Bytes

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

#[test]
fn a_reader_that_never_comes_can_be_given_up_by_a_signal() {
    let env = TestEnv::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut call = env.run("", "head -c 120000 /dev/zero; touch ended");
    call.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    let session = call.spawn();
    until("the command's end", || env.exists("ended"));
    until("effllm to see it", || children(session.pid()).is_empty());
    session.send(Signal::SIGTERM);
    assert_eq!(session.wait().code(), Some(0));
    assert_eq!(env.report().at("command.exit.code"), 0);
    drop(reader);
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

// What the command is given

#[test]
fn arguments_arrive_as_they_are() {
    let env = TestEnv::new();
    let odd: [&OsStr; 6] = ["--report", "", "-- x", "a\nb", "$HOME *", "--"].map(OsStr::new);
    let bytes = OsStr::from_bytes(b"\xff\xfe\x01");
    let mut arguments: Vec<&OsStr> = ["run", "--", "printf", r"[%s]"].map(OsStr::new).to_vec();
    arguments.extend(odd);
    arguments.push(bytes);
    let done = env.effllm(arguments).done();
    assert_eq!(done.stdout, b"[--report][][-- x][a\nb][$HOME *][--][\xff\xfe\x01]");
    assert_eq!(env.report().at("command.argv.2"), "--report");
}

#[test]
fn the_folder_and_the_environment_are_the_callers() {
    let mut env = TestEnv::new();
    env.set("ODD", OsString::from_vec(b"a\xff\nb".to_vec())).set("EMPTY", "");
    let alone = env.command(["sh", "-c", "pwd; env"]).done();
    let wrapped = env.effllm(["run", "--no-unbuffer", "--", "sh", "-c", "pwd; env"]).done();
    assert!(wrapped.stdout == alone.stdout, "{}\nalone: {}", wrapped.stdout(), alone.stdout());
}

#[test]
fn python_is_told_not_to_hold_its_output_back() {
    let env = TestEnv::new();
    let done = env.run("", "echo ${PYTHONUNBUFFERED-unset}").done();
    assert_eq!(done.stdout(), "1\n");
    assert_eq!(done.report().at("command.python_unbuffered_set"), true);
}

#[test]
fn a_choice_of_pythons_buffering_is_kept() {
    for choice in ["", "0", "yes"] {
        let mut env = TestEnv::new();
        env.set("PYTHONUNBUFFERED", choice);
        let done = env.run("", "echo \"${PYTHONUNBUFFERED-unset}\"").done();
        assert_eq!(done.stdout(), format!("{choice}\n"));
        assert_eq!(done.report().at("command.python_unbuffered_set"), false);
    }
    let env = TestEnv::new();
    let done = env.run("--no-unbuffer", "echo ${PYTHONUNBUFFERED-unset}").done();
    assert_eq!(done.stdout(), "unset\n");
    assert_eq!(done.report().at("command.python_unbuffered_set"), false);
}

#[test]
fn the_command_is_in_effllms_process_group_and_session() {
    let env = TestEnv::new();
    let mut call = env.run("", "cut -d' ' -f 4-6 /proc/self/stat");
    call.command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let session = call.spawn();
    let (effllm, sid) = (session.pid(), nix::unistd::getsid(None).expect("a session"));
    let done = session.wait();
    let stat = done.stdout();
    let [_, group, session] = stat.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{stat}") };
    assert_eq!((group, session), (&*effllm.to_string(), &*sid.to_string()));
}

#[test]
fn no_descriptor_of_effllms_leaks_into_the_command() {
    let mut env = TestEnv::new();
    env.gpus("");
    let list = ["sh", "-c", "ls /proc/$$/fd"];
    let alone = env.command(list).done();
    let wrapped = env.effllm(["run", "--"].into_iter().chain(list)).done();
    assert_eq!(wrapped.stdout(), alone.stdout());
}

// How it ends

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

// Signals

/// Tells each of these signals, once for each time that it comes, until the file `stop` is there.
const TELL_SIGNALS: &str = r#"
    for name in INT TERM HUP QUIT USR1 USR2; do trap "echo caught $name" $name; done
    echo ready
    until [ -e stop ]; do sleep 0.02; done
"#;

#[test]
fn a_signal_sent_to_effllm_reaches_the_command_exactly_once() {
    let env = TestEnv::new();
    let session = env.run("", TELL_SIGNALS).start();
    session.wait_for("ready\n");
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    let signals = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2];
    for signal in signals {
        session.send(signal);
        session.wait_for(&format!("caught {}\n", &signal.as_str()[3..]));
    }
    env.write("stop", "");
    let done = session.wait();
    assert_eq!(
        done.stdout(),
        "ready\ncaught TERM\ncaught INT\ncaught HUP\ncaught QUIT\ncaught USR1\ncaught USR2\n"
    );
    assert_eq!(done.code(), Some(0));
    assert_eq!(env.report().text("status"), "completed");
}

#[test]
fn a_command_that_dies_by_a_forwarded_signal_takes_effllm_along() {
    let env = TestEnv::new();
    let session = env.run("", "echo ready; exec sleep 1000").start();
    session.wait_for("ready\n");
    session.send(Signal::SIGTERM);
    let done = session.wait();
    assert_eq!(done.signal(), Some(libc::SIGTERM));
    assert_eq!(env.report().at("command.exit.signal"), "SIGTERM");
}

#[test]
fn control_c_on_a_terminal_reaches_the_command() {
    let env = TestEnv::new();
    let terminal = Terminal::new();
    let session = terminal.start(env.run("", &format!("exec >told; {TELL_SIGNALS}")));
    until("the command", || env.exists("told") && env.read("told").contains("ready"));
    terminal.press("\x03");
    until("the signal", || env.read("told").contains("INT"));
    env.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
    assert_eq!(env.read("told"), "ready\ncaught INT\n");
}

#[test]
fn control_c_on_a_terminal_is_not_sent_a_second_time() {
    let env = TestEnv::new();
    // Two at once would look like one. So the command leaves the terminal: what comes, effllm sends.
    env.write("tell.sh", TELL_SIGNALS);
    let terminal = Terminal::new();
    let session = terminal.start(env.run("", "exec setsid sh tell.sh >told"));
    until("the command", || env.exists("told") && env.read("told").contains("ready"));
    terminal.press("\x03");
    session.send(Signal::SIGUSR1);
    until("another signal", || env.read("told").contains("USR1"));
    env.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
    assert_eq!(env.read("told"), "ready\ncaught USR1\n");
}

#[test]
fn a_terminal_that_hangs_up_tells_the_command() {
    let env = TestEnv::new();
    let terminal = Terminal::new();
    let session = terminal.start(env.run("", &format!("exec >told 2>&1 </dev/null; {TELL_SIGNALS}")));
    until("the command", || env.exists("told") && env.read("told").contains("ready"));
    // The kernel tells only the leader of the session, which is effllm in the command's place.
    terminal.hang_up();
    until("the hang-up", || env.read("told").contains("HUP"));
    env.write("stop", "");
    session.wait();
    assert_eq!(env.read("told"), "ready\ncaught HUP\n");
}

#[test]
fn the_commands_signal_mask_and_ignored_signals_are_the_callers() {
    let env = TestEnv::new();
    let status = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    let signals = |call: Call| call.with_signals(Some(Signal::SIGHUP), Some(Signal::SIGUSR2)).done().stdout();
    let alone = signals(env.command(status));
    assert!(alone.contains("SigBlk:\t0000000000000800"), "{alone}");
    let wrapped = signals(env.effllm(["run", "--"].into_iter().chain(status)));
    assert_eq!(wrapped, alone);
    let mut env = TestEnv::new();
    env.set("EFFICIENTLLM_METRICS_ENABLED", "false");
    let executed = signals(env.effllm(["run", "--"].into_iter().chain(status)));
    assert_eq!(executed, alone);
}

// Without measurements

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

// The report's file

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
