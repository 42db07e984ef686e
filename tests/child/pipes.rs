//! Readers that go away or do not come, and disks that are full.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::libc;

use crate::screen::Screen;
use crate::shell::{Report, Shell, until};

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
        let shell = Shell::new();
        let outcome = |script: &str| {
            let done = shell.sh(script).done();
            // A program that cannot write says so in words of its own; a shell names the line.
            (done.code(), done.stdout(), done.stderr().replace("sh: 1: ", ""))
        };
        assert_eq!(outcome(plain), outcome(wrapped), "{plain}");
    }
}

#[test]
fn a_reader_that_stops_reading_slows_the_command_in_bounded_memory() {
    let shell = Shell::new();
    for options in ["", "--stdio pty"] {
        let script =
            "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i >count; printf '%01000d\\n' $i; done";
        let mut call = shell.run(options, script);
        call.command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
        let mut child = call.command.spawn().expect("it starts");
        let count =
            || fs::read_to_string(shell.path("count")).unwrap_or_default().trim().parse::<u64>().unwrap_or(0);
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
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a size");
        assert!(kilobytes < 64 * 1024, "{kilobytes} kB");
        // And it goes on when the reader does.
        let mut first = vec![0; 1 << 20];
        child.stdout.take().expect("a pipe").read_exact(&mut first).expect("a megabyte");
        drop(first);
        child.wait().expect("it ends by its broken pipe");
    }
}

#[test]
fn a_terminal_that_takes_nothing_slows_the_command_and_loses_nothing() {
    for options in ["", "--stdio pty"] {
        let shell = Shell::new();
        let screen = Screen::new(24, 80);
        screen.pause(true);
        let script = "i=0; while [ $i -lt 50 ]; do seq 2000; i=$((i+1)); echo $i >count; done; echo over";
        let session = screen.start(shell.run(options, script));
        let mut before = String::new();
        until("the command to wait", || {
            thread::sleep(Duration::from_millis(300));
            let now = if shell.exists("count") { shell.read("count") } else { String::new() };
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
        let shell = Shell::new();
        let screen = Screen::new(24, 80);
        screen.pause(true);
        // As much as fits into what lies between, so that the command itself can end.
        let session = screen.start(shell.run(options, "echo first; sleep 0.2; seq 4000; echo >over; exit 3"));
        until("the command's end", || shell.exists("over"));
        thread::sleep(Duration::from_millis(200));
        screen.press("\x03");
        let done = session.wait();
        assert!(done.code() == Some(3) || done.signal() == Some(libc::SIGINT), "{:?}", done.status);
        screen.pause(false);
    }
}

#[test]
fn a_full_disk_at_the_report_costs_neither_the_report_nor_the_exit_status() {
    // By default a write beyond the limit ends who writes: it is not the command that does here.
    for disposition in [libc::SIG_IGN, libc::SIG_DFL] {
        let shell = Shell::new();
        // A limit on the size of files stands for the disk: the command itself writes none.
        let mut call = shell.run("", "exit 5");
        // SAFETY: sets a limit and a disposition of the process that is about to be executed.
        unsafe {
            call.command.pre_exec(move || {
                let limit = libc::rlimit { rlim_cur: 100, rlim_max: 100 };
                libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit);
                libc::signal(libc::SIGXFSZ, disposition);
                Ok(())
            })
        };
        let done = call.done();
        assert_eq!(done.code(), Some(5));
        let stderr = done.stderr();
        let (error, json) = stderr.split_once('\n').expect("an error and a report");
        assert!(
            error.starts_with("effllm: error: the report cannot be written to effllm-report.json: "),
            "{error}"
        );
        assert_eq!(Report::parse(json).at("command.exit.code"), 5);
        assert_eq!(shell.files(), [""; 0], "nothing is left behind");
    }
    let shell = Shell::new();
    // A device that is full takes the report as a stream.
    let done = shell.run("-o /dev/full", "exit 6").done();
    assert_eq!(done.code(), Some(6));
    assert!(
        done.stderr().starts_with("effllm: error: the report cannot be written to /dev/full: "),
        "{}",
        done.stderr()
    );
    // As does stdout.
    let done = shell.sh("$effllm run -q -o - -- sh -c 'exit 7' >/dev/full").done();
    assert_eq!(done.code(), Some(7));
    assert!(
        done.stderr().contains("effllm: error: the report cannot be written to stdout: "),
        "{}",
        done.stderr()
    );
}

#[test]
fn output_that_cannot_be_written_fails_in_the_command() {
    let shell = Shell::new();
    let done = shell.sh("$effllm run -q -- sh -c 'seq 100000; echo $? >&2' >/dev/full").done();
    assert_eq!(done.code(), Some(0));
    // Without effllm it would be told of the full device; through a pipe, of the broken pipe.
    assert_ne!(done.stderr().trim(), "0");
}
