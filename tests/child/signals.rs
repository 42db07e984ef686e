//! Signals sent to effllm, what is kept from the command, and how the end is brought about.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::shell::{Call, Session, Shell, until};

/// Counts the signals that it gets, until `stop` is there.
const COUNTS: &str = "for s in INT TERM HUP QUIT USR1 USR2 ALRM TSTP CONT WINCH; do trap \"echo $s\" $s; done; \
                      echo ready; until [ -e stop ]; do sleep 0.02; done; echo over";

const FORWARDED: [Signal; 10] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

fn bare(signal: Signal) -> &'static str {
    signal.as_str().trim_start_matches("SIG")
}

#[test]
fn each_signal_is_forwarded_once() {
    let shell = Shell::new();
    let session = shell.run("", COUNTS).start();
    session.wait_for("ready");
    let mut expected = "ready\n".to_owned();
    for signal in FORWARDED {
        session.send(signal);
        session.wait_for(&format!("\n{}\n", bare(signal)));
        expected += &format!("{}\n", bare(signal));
    }
    shell.write("stop", "");
    assert_eq!(session.wait().stdout(), expected + "over\n");
}

#[test]
fn whatever_would_end_the_command_ends_it_and_not_effllm_alone() {
    let shell = Shell::new();
    let own = [
        // By a fault of effllm's own; of the C library.
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS, 32, 33]
            .as_slice(),
        &[libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU],
        &[libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH],
        &[libc::SIGKILL],
    ]
    .concat();
    thread::scope(|scope| {
        for part in 0..4 {
            let (shell, own) = (&shell, &own);
            scope.spawn(move || {
                let signals = (1..=libc::SIGRTMAX()).filter(|signal| !own.contains(signal));
                for signal in signals.filter(|signal| signal % 4 == part) {
                    let script = format!("echo $$ >pid-{signal}; echo ready; ulimit -c 0; exec sleep 600");
                    let session = shell.run(&format!("-o {signal}.json"), &script).start();
                    session.wait_for("ready");
                    // SAFETY: takes numbers.
                    assert_eq!(unsafe { libc::kill(session.pid().as_raw(), signal) }, 0);
                    assert_eq!(session.wait().signal(), Some(signal));
                    let command: i32 =
                        shell.read(&format!("pid-{signal}")).trim().parse().expect("a process id");
                    assert!(kill(Pid::from_raw(command), None).is_err(), "{signal} left the command running");
                }
            });
        }
    });
}

#[test]
fn real_time_signals_arrive_each_with_its_value() {
    let shell = Shell::new();
    shell.write(
        "waits",
        "import signal\nwaited = {signal.SIGRTMIN + 1}\nsignal.pthread_sigmask(signal.SIG_BLOCK, waited)\n\
         print('ready', flush=True)\n\
         for _ in range(4):\n  info = signal.sigwaitinfo(waited)\n  print(info.si_code, info.si_status, flush=True)\n",
    );
    let session = shell.effllm(["run", "-q", "--", "python3", "waits"]).start();
    session.wait_for("ready");
    let (pid, signal) = (session.pid().as_raw(), libc::SIGRTMIN() + 1);
    for value in 1..=3 {
        let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value) };
        // SAFETY: takes numbers; the value is not looked at.
        assert_eq!(unsafe { libc::sigqueue(pid, signal, value) }, 0);
    }
    session.wait_for("3\n");
    // SAFETY: takes numbers.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    let done = session.wait();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(0), "ready\n-1 1\n-1 2\n-1 3\n0 0\n"));
}

#[test]
fn what_is_not_to_be_forwarded_is_kept_from_the_command() {
    let shell = Shell::new();
    shell.write("effllm.toml", "no-forward = ['HUP']\n");
    for (options, kept) in [("--no-forward USR1 --no-forward SIGTERM", "USR1 TERM"), ("", "HUP")] {
        let session = shell.run(options, COUNTS).start();
        session.wait_for("ready");
        for signal in FORWARDED.iter().filter(|signal| kept.contains(bare(**signal))) {
            session.send(*signal);
        }
        session.send(Signal::SIGUSR2);
        session.wait_for("USR2");
        shell.write("stop", "");
        assert_eq!(session.wait().stdout(), "ready\nUSR2\nover\n");
        std::fs::remove_file(shell.path("stop")).expect("it is there");
    }
    let done = shell.run("--no-forward KILL", "echo started").done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(2), ""));
    assert!(done.stderr().contains("INT, TERM, HUP"), "{}", done.stderr());
    // A real-time one by its name.
    let session = shell.run("--no-forward RTMIN+2", COUNTS).start();
    session.wait_for("ready");
    // SAFETY: takes numbers.
    assert_eq!(unsafe { libc::kill(session.pid().as_raw(), libc::SIGRTMIN() + 2) }, 0);
    session.send(Signal::SIGUSR2);
    session.wait_for("USR2");
    shell.write("stop", "");
    assert_eq!(session.wait().stdout(), "ready\nUSR2\nover\n");
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let shell = Shell::new();
    for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
        let script = "echo ready; until [ -e stop ]; do sleep 0.02; done; echo over";
        let session = shell.run("", script).with_signals(Some(ignored), None).start();
        session.wait_for("ready");
        session.send(ignored);
        shell.write("stop", "");
        let done = session.wait();
        assert_eq!((done.code(), done.stdout().as_str()), (Some(0), "ready\nover\n"), "{ignored}");
        std::fs::remove_file(shell.path("stop")).expect("it is there");
    }
}

#[test]
fn a_command_that_ignores_the_end_is_killed_with_its_tree_if_that_is_asked_for() {
    let shell = Shell::new();
    let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >worker; while :; do sleep 1; done' & \
                  until [ -s worker ]; do sleep 0.01; done; echo ready; while :; do sleep 1; done";
    let session = shell.run("--kill-after 300ms", script).start();
    session.wait_for("ready");
    let worker: i32 = shell.read("worker").trim().parse().expect("a process id");
    session.send(Signal::SIGTERM);
    let done = session.wait();
    assert_eq!(done.signal(), Some(libc::SIGKILL));
    until("the worker's end", || kill(Pid::from_raw(worker), None).is_err());
}

#[test]
fn without_being_asked_nothing_is_killed() {
    let shell = Shell::new();
    let session = shell.run("", COUNTS).start();
    session.wait_for("ready");
    session.send(Signal::SIGTERM);
    session.wait_for("TERM");
    shell.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
    let done = shell.run("--kill-after soon", "echo started").done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(2), ""));
}

#[test]
fn a_report_is_there_as_soon_as_the_end_is_announced() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let shell = Shell::new();
        // The command takes its time, and looks for the report itself.
        let script = "trap 'until [ -s effllm-report.json ]; do sleep 0.005; done; cp effllm-report.json seen; exit 0' TERM HUP; \
                      echo ready; while :; do sleep 0.02; done";
        let session = shell.run("", script).start();
        session.wait_for("ready");
        assert!(!shell.exists("effllm-report.json"));
        let sent = Instant::now();
        session.send(signal);
        until("the report", || shell.exists("seen"));
        eprintln!("the report came {:?} after {signal}", sent.elapsed());
        assert_eq!(session.wait().code(), Some(0));
        let seen: effllm::report::Report = serde_json::from_str(&shell.read("seen")).expect("a whole report");
        assert_eq!(seen.status, effllm::report::Status::Running);
        assert_eq!(shell.report().at("status"), "completed");
    }
}

#[test]
fn time_in_which_the_command_was_stopped_counts_in_no_average() {
    let mut shell = Shell::new();
    // What is drawn while the command is stopped is not its own.
    shell.gpus("[[gpu]]\npower_watts = { steps = [[0, 100]] }\nenergy = false");
    let script = "echo ready; until [ -e stop ]; do sleep 0.02; done";
    let session = shell.run("--interval 0.05", script).start();
    session.wait_for("ready");
    // The command alone: effllm runs on, since nobody would let it go on.
    let command = children(session.pid())[0];
    kill(command, Signal::SIGSTOP).expect("the command is there");
    until("it to stop", || state(command) == 'T');
    let begun = Instant::now();
    thread::sleep(Duration::from_millis(1200));
    let stopped = begun.elapsed().as_secs_f64();
    assert_ne!(state(session.pid()), 'T');
    kill(command, Signal::SIGCONT).expect("the command is there");
    thread::sleep(Duration::from_millis(200));
    shell.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
    let report = shell.report();
    let suspended = report.number("command.suspended_seconds");
    // effllm is told of both moments a little later.
    assert!(suspended >= stopped - 0.2, "{suspended} {stopped}");
    let wall = report.number("command.wall_seconds");
    assert!(report.number("gpus.0.coverage_ratio") <= 1.0 - suspended / wall + 0.1);
    assert!(report.number("gpus.0.energy_joules") <= 100.0 * (wall - suspended) + 1.0);
}

#[test]
fn a_stop_of_effllm_is_a_warning_alone_and_a_suspension_together_with_the_command() {
    for whole_job in [false, true] {
        let shell = Shell::new();
        let script =
            "echo ready; mkfifo never; exec 3<>never; until [ -e stop ]; do read -rt 0.05 -u 3; done; exit 0";
        let mut call = shell.effllm(["run", "--quiet", "--gpus", "none", "--", "bash", "-c", script]);
        call.command.process_group(0);
        let session = call.start();
        session.wait_for("ready");
        let effllm = session.pid();
        let target = if whole_job { Pid::from_raw(-effllm.as_raw()) } else { effllm };
        kill(target, Signal::SIGSTOP).expect("effllm is there");
        until("effllm to stop", || state(effllm) == 'T');
        // Longer than a busy machine keeps effllm from running.
        let stopped = Instant::now();
        thread::sleep(Duration::from_millis(1500));
        kill(target, Signal::SIGCONT).expect("effllm is there");
        let stopped = stopped.elapsed().as_secs_f64();
        until("effllm to go on", || state(effllm) != 'T');
        shell.write("stop", "");
        assert_eq!(session.wait().code(), Some(0));
        let report = shell.report();
        let warnings = report.warnings();
        let is_warned = warnings.iter().any(|warning| warning.starts_with("effllm was stopped "));
        assert_eq!(is_warned, !whole_job, "{warnings:?}");
        let suspended = report.number("command.suspended_seconds");
        assert!(if whole_job { suspended >= stopped } else { suspended == 0.0 }, "{suspended} {stopped}");
    }
}

pub fn children(pid: Pid) -> Vec<Pid> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}

pub fn state(pid: Pid) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or(' ')
}

#[test]
fn the_death_signal_is_the_commands_too() {
    let shell = Shell::new();
    // A caller that dies takes effllm with it, and effllm the command.
    let call = shell.sh("setpriv --pdeathsig KILL $effllm run --quiet -- sh -c 'echo $$ >pid; exec sleep 600' & until [ -s pid ]; do sleep 0.01; done");
    assert_eq!(call.start().wait().code(), Some(0));
    let command: i32 = shell.read("pid").trim().parse().expect("a process id");
    until("the command's end", || kill(Pid::from_raw(command), None).is_err());
}

#[test]
fn a_caller_that_ignores_the_end_of_its_children_is_told_of_the_commands() {
    let shell = Shell::new();
    for _ in 0..3 {
        let call = shell.run("", "sleep 0.1; exit 4").with_signals(Some(Signal::SIGCHLD), None);
        assert_eq!(call.done().code(), Some(4));
        assert_eq!(shell.report().at("command.exit.code"), 4);
    }
}

/// The write end of a pipe that holds as much as it can, and its other end.
fn full_pipe() -> (io::PipeReader, OwnedFd) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("its flags");
    while writer.write(&[b'x'; 4096]).is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).expect("its flags");
    (reader, writer.into())
}

/// Starts effllm with one of stdout and stderr, which nobody reads.
fn start_unread<'a>(mut call: Call<'a>, unread: OwnedFd, is_stdout: bool) -> Session<'a> {
    call.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if is_stdout {
        call.command.stdout(unread)
    } else {
        call.command.stderr(unread)
    };
    call.start_as_it_is()
}

#[test]
fn last_words_that_nobody_reads_hold_up_no_end() {
    let shell = Shell::new();
    let (_reader, unread) = full_pipe();
    let options = ["run", "--", "sh", "-c", "exit 5"];
    let done = start_unread(shell.effllm(options), unread, false).wait();
    assert_eq!(done.code(), Some(5));
    assert_eq!(shell.report().at("command.exit.code"), 5);
}

#[test]
fn what_effllm_alone_waits_for_can_be_given_up() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let shell = Shell::new();
        mkfifo(&shell.path("fifo.csv"), Mode::S_IRWXU).expect("a named pipe");
        let ends = |session: Session| {
            session.send(signal);
            assert_eq!(session.wait().signal(), Some(signal as i32));
        };
        // Before the command: it is not started.
        let session = shell.run("--series fifo.csv", "echo >started").start();
        until("effllm to wait", || waits_in(session.pid(), "open"));
        ends(session);
        assert!(!shell.exists("started"));
        // After its end.
        let session = shell.run("-o fifo.csv", "echo >started").start();
        until("effllm to wait", || shell.exists("started") && waits_in(session.pid(), "open"));
        ends(session);
        let (_reader, unread) = full_pipe();
        let session = start_unread(shell.run("-o -", "echo >written"), unread, true);
        until("effllm to wait", || shell.exists("written") && children(session.pid()).is_empty());
        ends(session);
        // Where there will be no command.
        let (_reader, unread) = full_pipe();
        let session = start_unread(shell.effllm(["run", "--", "no-such-command"]), unread, false);
        until("effllm to wait", || waits_in(session.pid(), "write"));
        ends(session);
    }
}

/// Whether the main thread of a process waits in a system call (proc_pid_syscall(5)).
fn waits_in(pid: Pid, call: &str) -> bool {
    let number = if call == "open" { libc::SYS_openat } else { libc::SYS_write };
    let told = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    told.split(' ').next() == Some(&number.to_string())
}

#[test]
fn a_whole_job_that_is_stopped_and_let_go_on_ends_well() {
    let shell = Shell::new();
    // A shell that starts no processes: they would not be let go on with it.
    let script =
        "mkfifo never; exec 3<>never; echo ready; until [ -e stop ]; do read -rt 0.05 -u 3; done; exit 0";
    let mut call = shell.effllm(["run", "--quiet", "--", "bash", "-c", script]);
    call.command.process_group(0);
    let session = call.start();
    session.wait_for("ready");
    let (command, group) = (children(session.pid())[0], Pid::from_raw(-session.pid().as_raw()));
    kill(group, Signal::SIGSTOP).expect("the job is there");
    until("both to stop", || state(command) == 'T' && state(session.pid()) == 'T');
    kill(group, Signal::SIGCONT).expect("the job is there");
    until("both to go on", || state(command) != 'T' && state(session.pid()) != 'T');
    // effllm alone is let go on: the command with it.
    kill(group, Signal::SIGSTOP).expect("the job is there");
    until("both to stop", || state(command) == 'T' && state(session.pid()) == 'T');
    session.send(Signal::SIGCONT);
    until("both to go on", || state(command) != 'T' && state(session.pid()) != 'T');
    shell.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
}
