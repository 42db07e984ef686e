//! Readers that go away or do not come, and disks that are full.

use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::libc;

use crate::harness::process::kibibytes;
use crate::harness::requirements::{available, other_users};
use crate::harness::terminal::{Screen, Terminal};
use crate::harness::{Call, Report, TestEnv, until};

#[test]
fn a_pipeline_behaves_as_without_effllm() {
    for (plain, wrapped) in [
        ("yes | head -n 3", "$effllm run --quiet -- yes | head -n 3"),
        ("seq 100000 | head -c 9", "$effllm run --quiet -- seq 100000 | head -c 9"),
        ("(yes; echo $? >&2) | true", "($effllm run --quiet -- yes; echo $? >&2) | true"),
        (
            "(trap '' PIPE; yes; echo $? >&2) | true",
            "(trap '' PIPE; $effllm run --quiet -- yes; echo $? >&2) | true",
        ),
        ("seq 3 | cat | (read a; cat)", "seq 3 | $effllm run --quiet -- cat | (read a; cat)"),
        ("echo x | (exec <&-; cat; echo $?)", "echo x | (exec <&-; $effllm run --quiet -- cat; echo $?)"),
        (
            "(echo a; exec >&-; echo b) 2>&1; echo $?",
            "$effllm run --quiet -- sh -c '(echo a; exec >&-; echo b) 2>&1'; echo $?",
        ),
    ] {
        let env = TestEnv::new();
        let outcome = |script: &str| {
            let done = env.sh(script).done();
            // A program that cannot write says so in words of its own; a shell names the line.
            (done.code(), done.stdout(), done.stderr().replace("sh: 1: ", ""))
        };
        assert_eq!(outcome(plain), outcome(wrapped), "{plain}");
    }
}

#[test]
fn a_quiet_command_learns_that_its_reader_has_gone() {
    for options in ["", "--stdio pty", "--stdio inherit"] {
        let env = TestEnv::new();
        // A program that waits for nothing but the end of its reader, as `tail -f` does.
        env.write(
            "wait.py",
            "import os, select\npoller = select.poll()\npoller.register(1, 0)\nopen('waits', 'w')\n\
             print(bool(poller.poll(60_000)), file=open('told', 'w'))\n",
        );
        let script = format!(
            "$effllm run -q {options} -- python3 wait.py | (until [ -e waits ]; do sleep 0.01; done)"
        );
        let done = env.sh(&script).done();
        assert_eq!((done.code(), env.read("told").as_str()), (Some(0), "True\n"), "{options}");
    }
}

/// Writes lines of several lengths, each in one write, as Python does without buffering.
const RANK: &str = "\
import os, sys
for i in range(10_000):
    os.write(1, sys.argv[1].encode() * (60 + i % 77) + b'.\\n')
    if i == 400:
        open('writes' + sys.argv[1], 'w')
";

#[test]
fn lines_of_several_commands_in_one_pipe_stay_whole() {
    // Once every writer waits for the reader, it reads.
    let reader = "(for i in 1 2 3 4; do until [ -e writes$i ]; do sleep 0.02; done; done; cat)";
    for to in [format!("| {reader}"), format!("2>&1 | {reader}"), ">>out; cat out".to_owned()] {
        let env = TestEnv::new();
        env.write("rank.py", RANK);
        let ranks = "(for i in 1 2 3 4; do $effllm run -q -o report$i -- python3 rank.py $i & done; wait)";
        let all = env.sh(&format!("{ranks} {to}")).done().printed();
        let is_whole = |line: &str| {
            let rank = line.trim_end_matches('.').as_bytes();
            line.len() == rank.len() + 1 && rank.len() >= 60 && rank.iter().all(|byte| *byte == rank[0])
        };
        let torn: Vec<_> = all.lines().filter(|line| !is_whole(line)).collect();
        assert!(torn.is_empty(), "{to}: {} torn lines, as {:?}", torn.len(), torn[0]);
        assert_eq!(all.lines().count(), 4 * 10_000, "{to}");
    }
}

#[test]
fn a_line_longer_than_a_pipe_takes_at_once_arrives_whole() {
    let env = TestEnv::new();
    let line = "x".repeat(300_000);
    env.write("lines", format!("{line}\n{line}\nshort\n{line}"));
    assert_eq!(env.run("", "cat lines").done().printed(), env.read("lines"));
}

#[test]
fn a_reader_that_stops_reading_slows_the_command_in_bounded_memory() {
    let env = TestEnv::new();
    for options in ["", "--stdio pty"] {
        let script =
            "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i >count; printf '%01000d\\n' $i; done";
        let mut call = env.run(options, script);
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        call.command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(writer);
        let session = call.spawn();
        let count =
            || fs::read_to_string(env.path("count")).unwrap_or_default().trim().parse::<u64>().unwrap_or(0);
        // A pipe holds 64 KiB; effllm's own and one buffer lie between.
        let mut before = 0;
        until("the command to wait", || {
            thread::sleep(Duration::from_millis(300));
            let now = count();
            let waits = now == before && now > 0;
            before = now;
            waits
        });
        assert!(before * 1001 < 4 * 64 * 1024, "{before} kB were taken without a reader");
        let resident = kibibytes(session.pid(), "VmRSS");
        assert!(resident < 64 * 1024, "{resident} KiB");
        // And it goes on when the reader does.
        let mut first = vec![0; 1 << 20];
        reader.read_exact(&mut first).expect("a megabyte");
        drop(reader);
        session.wait(); // it ends by its broken pipe
    }
}

#[test]
fn a_terminal_that_takes_nothing_slows_the_command_and_loses_nothing() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        screen.pause(true);
        let script = "i=0; while [ $i -lt 50 ]; do seq 2000; i=$((i+1)); echo $i >count; done; echo over";
        let session = screen.start(env.run(options, script));
        let mut before = String::new();
        until("the command to wait", || {
            thread::sleep(Duration::from_millis(300));
            let now = if env.exists("count") { env.read("count") } else { String::new() };
            let waits = !now.starts_with("50") && now == before;
            before = now;
            waits
        });
        screen.pause(false);
        assert_eq!(session.wait().code(), Some(0));
        screen.wait_for("over");
        assert_eq!(String::from_utf8_lossy(&screen.bytes()).lines().count(), 100_001);
    }
}

#[test]
fn a_terminal_that_takes_nothing_any_more_can_be_given_up_by_control_c() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        screen.pause(true);
        // As much as fits into what lies between, so that the command itself can end.
        let session = screen.start(env.run(options, "echo first; sleep 0.2; seq 4000; echo >over; exit 3"));
        until("the command's end", || env.exists("over"));
        thread::sleep(Duration::from_millis(200));
        screen.press("\x03");
        let done = session.wait();
        assert!(done.code() == Some(3) || done.signal() == Some(libc::SIGINT), "{:?}", done.status);
        screen.pause(false);
    }
}

/// Limits the size of the files that a call can write, with a disposition of the signal that a larger one leads to.
fn with_largest_file(call: Call<'_>, bytes: u64, disposition: libc::sighandler_t) -> Call<'_> {
    call.before_exec(move || {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: reads a limit that is there, and installs no code.
        unsafe {
            libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit);
            libc::signal(libc::SIGXFSZ, disposition);
        }
        Ok(())
    })
}

#[test]
fn a_full_disk_at_the_report_costs_neither_the_report_nor_the_exit_status() {
    // By default a write beyond the limit ends who writes: it is not the command that does here.
    for disposition in [libc::SIG_IGN, libc::SIG_DFL] {
        let env = TestEnv::new();
        // A limit on the size of files stands for the disk: the command itself writes none.
        let done = with_largest_file(env.run("", "exit 5"), 100, disposition).done();
        assert_eq!(done.code(), Some(5));
        let stderr = done.stderr();
        let (error, json) = stderr.split_once('\n').expect("an error and a report");
        assert!(
            error.starts_with("effllm: error: the report cannot be written to effllm-report.json: "),
            "{error}"
        );
        assert_eq!(Report::parse(json).at("command.exit.code"), 5);
        assert_eq!(env.files(), [""; 0], "nothing is left behind");
    }
    let env = TestEnv::new();
    // A device that is full takes the report as a stream.
    let done = env.run("-o /dev/full", "exit 6").done();
    assert_eq!(done.code(), Some(6));
    assert!(
        done.stderr().starts_with("effllm: error: the report cannot be written to /dev/full: "),
        "{}",
        done.stderr()
    );
    // As does stdout.
    let done = env.sh("$effllm run -q -o - -- sh -c 'exit 7' >/dev/full").done();
    assert_eq!(done.code(), Some(7));
    assert!(
        done.stderr().contains("effllm: error: the report cannot be written to stdout: "),
        "{}",
        done.stderr()
    );
}

/// What a run tells of output that was lost: when it began, and in the end how much it was.
#[track_caller]
fn assert_loss(report: &Report, why: &str, bytes: u64) {
    let begun = format!("the command's standard output cannot be passed on, and is lost meanwhile: {why}");
    let missing = format!("{bytes} bytes of the command's standard output were lost");
    let warnings = report.warnings();
    assert!(warnings.len() == 2 && warnings[0].starts_with(&begun) && warnings[1] == missing, "{warnings:?}");
}

#[test]
fn output_that_a_full_disk_does_not_take_is_lost_and_told() {
    let env = TestEnv::new();
    let done = env.sh("$effllm run -q -- sh -c 'seq 100000; echo $? >&2; exit 3' >/dev/full").done();
    assert_eq!(done.code(), Some(3));
    let stderr = done.stderr();
    let mut lines: Vec<_> = stderr.lines().collect();
    lines.sort_unstable();
    assert!(
        lines.len() == 2
            && lines[0] == "0"
            && lines[1].starts_with("effllm: the command's standard output cannot be passed on"),
        "{stderr}"
    );
    assert_loss(&env.report(), "No space left on device", 588_895);
    // Read all the same, with what went to standard error.
    assert_eq!(env.report().number("log.bytes"), 588_897.0);
}

#[test]
fn output_goes_on_when_there_is_room_again_and_nothing_is_doubled() {
    for disposition in [libc::SIG_IGN, libc::SIG_DFL] {
        let env = TestEnv::new();
        let script = "seq 100000; touch full; until [ -e room ]; do sleep 0.02; done; echo more; exit 4";
        let out = fs::File::options().append(true).create(true).open(env.path("out")).expect("a file");
        let mut call = env.run("", script);
        call.command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
        // A limit on the size of files stands for the disk; the report is smaller.
        let session = with_largest_file(call, 100_000, disposition).spawn();
        until("all to be printed", || env.exists("full"));
        let first = env.read("out");
        fs::File::options().write(true).open(env.path("out")).expect("a file").set_len(0).expect("room");
        env.write("room", "");
        assert_eq!(session.wait().code(), Some(4));
        let all: String = (1..=100_000).map(|i| format!("{i}\n")).chain(["more\n".to_owned()]).collect();
        let rest = env.read("out");
        assert_eq!(first.len(), 100_000);
        assert!(
            all.starts_with(&first)
                && all.ends_with(&rest)
                && rest.ends_with("\nmore\n") | (rest == "more\n")
        );
        assert_loss(&env.report(), "File too large", (all.len() - first.len() - rest.len()) as u64);
    }
}

#[test]
fn a_terminal_that_has_hung_up_costs_the_command_nothing_but_its_output() {
    let env = TestEnv::new();
    let terminal = Terminal::new();
    let script = "echo seen; until [ -e gone ]; do sleep 0.02; done; echo unseen; echo over >over; exit 4";
    let mut call = env.run("", script);
    call.command.stdin(Stdio::null()).stdout(terminal.stream()).stderr(Stdio::null());
    let session = call.spawn();
    terminal.expect("seen\r\n");
    terminal.hang_up();
    env.write("gone", "");
    assert_eq!(session.wait().code(), Some(4));
    assert!(env.exists("over"));
    assert_loss(&env.report(), "Input/output error", "unseen\n".len() as u64);
}

#[test]
fn an_error_that_cannot_be_told_does_not_change_the_exit_status() {
    let env = TestEnv::new();
    for (arguments, code) in
        [("run -q -- no-such-command", 127), ("run -o no/such/folder -- true", 2), ("run --no-such", 2)]
    {
        for to in [">/dev/full 2>&1", ">&- 2>&-", "2>&1 | true"] {
            let script = format!("($effllm {arguments}; echo $? >code) {to}");
            env.sh(&script).done();
            assert_eq!(env.read("code").trim(), code.to_string(), "{script}");
        }
    }
}

#[test]
fn where_descriptors_are_short_the_command_takes_the_place_of_effllm() {
    let env = TestEnv::new();
    let outputs = "--series x.csv --openmetrics x.prom --tensorboard events --listen 0 --stdio pty";
    // With fewer the loader finds no library, of effllm or of the command.
    for limit in 4..=12 {
        for options in ["", outputs] {
            let call =
                format!("ulimit -n {limit}; exec $effllm run -q {options} -- sh -c 'echo out; exit 3'");
            let done = env.sh(&call).done();
            let stderr = done.stderr();
            assert_eq!((done.code(), done.stdout().as_str()), (Some(3), "out\n"), "{limit}: {stderr}");
            let replaces = "effllm: the command replaces effllm and nothing is measured";
            assert!(stderr.starts_with(replaces), "{limit}: {stderr}");
        }
    }
    // Who waits for a verdict or a report is not to take this for one.
    for options in ["--require 'al < 1'", "-o -"] {
        let done = env.sh(&format!("ulimit -n 8; exec $effllm run -q {options} -- echo out")).done();
        assert_eq!((done.code(), done.stdout().as_str()), (Some(125), ""), "{}", done.stderr());
        assert!(done.stderr().contains("Too many open files"), "{}", done.stderr());
    }
}

#[test]
fn where_processes_are_short_measurements_are_lost_and_no_output() {
    // The limit is the user's, and root has none: a user is needed who runs nothing else.
    let Some(()) = available(other_users()) else { return };
    let user = 2_000_000 + std::process::id();
    let mut env = TestEnv::new();
    env.open_to_others();
    let call = |arguments: &[&str], most: u64| {
        env.effllm(arguments).before_exec(move || {
            let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
            // SAFETY: reads a limit that is there.
            unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) };
            nix::unistd::setgid(user.into())?;
            nix::unistd::setuid(user.into())?;
            Ok(())
        })
    };
    for most in 1..=10 {
        let done = call(&["run", "-q", "--gpus", "none", "--", "seq", "30000"], most).done();
        let stderr = done.stderr();
        assert_eq!((done.code(), done.stdout.len()), (Some(0), 168_894), "{most}: {stderr}");
        assert_eq!(most < 6, !stderr.is_empty(), "{most}: {stderr}");
        if most > 1 {
            let report = env.report();
            assert_eq!(report.at("command.exit.code"), 0);
            assert_eq!(report.warnings().len(), usize::from(most < 6), "{:?}", report.warnings());
            assert!(most > 5 || report.why_null("al_seconds").contains("no threads"));
            fs::remove_file(env.path("effllm-report.json")).expect("a report");
        }
    }
}

#[test]
fn where_memory_is_short_the_command_runs_unmeasured() {
    let env = TestEnv::new();
    let limits = ["-v 40000", "-v 60000", "-v 100000", "-v 200000", "-d 8000", "-d 50000", "-s 64", "-s 256"];
    for limit in limits {
        let run = |options: &str| {
            env.sh(&format!("ulimit {limit}; exec $effllm run -q {options} -- sh -c 'echo out; exit 3'"))
                .done()
        };
        let done = run("");
        assert_eq!((done.code(), done.stdout().as_str()), (Some(3), "out\n"), "{limit}: {}", done.stderr());
        assert!(done.stderr().contains("nothing is measured"), "{limit}: {}", done.stderr());
        for options in ["-o -", "--require 'al <= 1'"] {
            let done = run(options);
            assert_eq!((done.code(), done.stdout().as_str()), (Some(125), ""), "{limit}: {}", done.stderr());
        }
    }
    for limit in ["-l 0", "-f 0", "-t 9", "-s 1024"] {
        let done = env.sh(&format!("ulimit {limit}; exec $effllm run -q -- sh -c 'echo out; exit 3'")).done();
        assert_eq!((done.code(), done.stdout().as_str()), (Some(3), "out\n"), "{limit}: {}", done.stderr());
    }
}
