//! Signals sent to effllm, what is kept from the command, and how the end is brought about.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::harness::process::{children, exists, state, written_in};
use crate::harness::{Call, Report, Session, TestEnv, until};

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
    let env = TestEnv::new();
    let session = env.run("", COUNTS).start();
    session.wait_for("ready");
    let mut expected = "ready\n".to_owned();
    for signal in FORWARDED {
        session.send(signal);
        session.wait_for(&format!("\n{}\n", bare(signal)));
        expected += &format!("{}\n", bare(signal));
    }
    env.write("stop", "");
    assert_eq!(session.wait().stdout(), expected + "over\n");
}

#[test]
fn whatever_would_end_the_command_ends_it_and_not_effllm_alone() {
    let env = TestEnv::new();
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
            let (env, own) = (&env, &own);
            scope.spawn(move || {
                let signals = (1..=libc::SIGRTMAX()).filter(|signal| !own.contains(signal));
                for signal in signals.filter(|signal| signal % 4 == part) {
                    let script = format!("echo $$ >pid-{signal}; echo ready; ulimit -c 0; exec sleep 600");
                    let session = env.run(&format!("-o {signal}.json"), &script).start();
                    session.wait_for("ready");
                    // SAFETY: takes numbers.
                    assert_eq!(unsafe { libc::kill(session.pid().as_raw(), signal) }, 0);
                    assert_eq!(session.wait().signal(), Some(signal));
                    let command = written_in(env, &format!("pid-{signal}"));
                    assert!(!exists(command), "{signal} left the command running");
                }
            });
        }
    });
}

#[test]
fn real_time_signals_arrive_each_with_its_value() {
    let env = TestEnv::new();
    env.write(
        "waits",
        "import signal\nwaited = {signal.SIGRTMIN + 1}\nsignal.pthread_sigmask(signal.SIG_BLOCK, waited)\n\
         print('ready', flush=True)\n\
         for _ in range(4):\n  info = signal.sigwaitinfo(waited)\n  print(info.si_code, info.si_status, flush=True)\n",
    );
    let session = env.effllm(["run", "-q", "--", "python3", "waits"]).start();
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
    let env = TestEnv::new();
    env.write("effllm.toml", "no-forward = ['HUP']\n");
    for (options, kept) in [("--no-forward USR1 --no-forward SIGTERM", "USR1 TERM"), ("", "HUP")] {
        let session = env.run(options, COUNTS).start();
        session.wait_for("ready");
        for signal in FORWARDED.iter().filter(|signal| kept.contains(bare(**signal))) {
            session.send(*signal);
        }
        session.send(Signal::SIGUSR2);
        session.wait_for("USR2");
        env.write("stop", "");
        assert_eq!(session.wait().stdout(), "ready\nUSR2\nover\n");
        std::fs::remove_file(env.path("stop")).expect("it is there");
    }
    let done = env.run("--no-forward KILL", "echo started").done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(2), ""));
    assert!(done.stderr().contains("HUP, INT, QUIT"), "{}", done.stderr());
    // A real-time one by its name.
    let session = env.run("--no-forward RTMIN+2", COUNTS).start();
    session.wait_for("ready");
    // SAFETY: takes numbers.
    assert_eq!(unsafe { libc::kill(session.pid().as_raw(), libc::SIGRTMIN() + 2) }, 0);
    session.send(Signal::SIGUSR2);
    session.wait_for("USR2");
    env.write("stop", "");
    assert_eq!(session.wait().stdout(), "ready\nUSR2\nover\n");
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let env = TestEnv::new();
    for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
        let script = "echo ready; until [ -e stop ]; do sleep 0.02; done; echo over";
        let session = env.run("", script).with_signals(Some(ignored), None).start();
        session.wait_for("ready");
        session.send(ignored);
        env.write("stop", "");
        let done = session.wait();
        assert_eq!((done.code(), done.stdout().as_str()), (Some(0), "ready\nover\n"), "{ignored}");
        std::fs::remove_file(env.path("stop")).expect("it is there");
    }
}

#[test]
fn a_command_that_ignores_the_end_is_killed_with_its_tree_if_that_is_asked_for() {
    let env = TestEnv::new();
    let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >worker; while :; do sleep 1; done' & \
                  until [ -s worker ]; do sleep 0.01; done; echo ready; while :; do sleep 1; done";
    let session = env.run("--kill-after 300ms", script).start();
    session.wait_for("ready");
    let worker = written_in(&env, "worker");
    session.send(Signal::SIGTERM);
    let done = session.wait();
    assert_eq!(done.signal(), Some(libc::SIGKILL));
    until("the worker's end", || !exists(worker));
}

#[test]
fn without_being_asked_nothing_is_killed() {
    let env = TestEnv::new();
    let session = env.run("", COUNTS).start();
    session.wait_for("ready");
    session.send(Signal::SIGTERM);
    session.wait_for("TERM");
    env.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
    let done = env.run("--kill-after soon", "echo started").done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(2), ""));
}

#[test]
fn a_report_is_there_as_soon_as_the_end_is_announced() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let env = TestEnv::new();
        // The command takes its time, and looks for the report itself.
        let script = "trap 'until [ -s effllm-report.json ]; do sleep 0.005; done; cp effllm-report.json seen; exit 0' TERM HUP; \
                      echo ready; while :; do sleep 0.02; done";
        let session = env.run("", script).start();
        session.wait_for("ready");
        assert!(!env.exists("effllm-report.json"));
        let sent = Instant::now();
        session.send(signal);
        until("the report", || env.exists("seen"));
        eprintln!("the report came {:?} after {signal}", sent.elapsed());
        assert_eq!(session.wait().code(), Some(0));
        assert_eq!(Report::parse(&env.read("seen")).at("status"), "running");
        assert_eq!(env.report().at("status"), "completed");
    }
}

#[test]
fn time_in_which_the_command_was_stopped_counts_in_no_average() {
    let mut env = TestEnv::new();
    // What is drawn while the command is stopped is not its own.
    env.gpus("[[gpu]]\npower_watts = { steps = [[0, 100]] }\nenergy = false");
    let script = "echo ready; until [ -e stop ]; do sleep 0.02; done";
    let session = env.run("--interval 0.05", script).start();
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
    env.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
    let report = env.report();
    let suspended = report.number("command.suspended_seconds");
    // effllm is told of both moments a little later.
    assert!(suspended >= stopped - 0.2, "{suspended} {stopped}");
    let wall = report.number("command.wall_seconds");
    assert!(report.number("gpus.0.coverage_ratio") <= 1.0 - suspended / wall + 0.1);
    assert!(report.number("gpus.0.energy_joules") <= 100.0 * (wall - suspended) + 1.0);
}

/// A shell that answers two signals until `stop` is there. It starts no processes: they would not be
/// continued with it.
const ANSWERS: &str = "trap 'echo one' USR1; trap 'echo two' USR2; mkfifo never; exec 3<>never; echo ready; \
                       until [ -e stop ]; do read -rt 0.05 -u 3; done; exit 0";

/// Waits until effllm has handled every signal that it was sent before: it forwards a first signal perhaps
/// together with them, and another one after that.
fn wait_until_handled(session: &Session) {
    for (signal, answer) in [(Signal::SIGUSR1, "one"), (Signal::SIGUSR2, "two")] {
        session.send(signal);
        session.wait_for(answer);
    }
}

#[test]
fn a_stop_of_effllm_is_a_warning_alone_and_a_suspension_together_with_the_command() {
    for whole_job in [false, true] {
        let env = TestEnv::new();
        let mut call = env.effllm(["run", "--quiet", "--gpus", "none", "--", "bash", "-c", ANSWERS]);
        call.command.process_group(0);
        let session = call.start();
        session.wait_for("ready");
        let effllm = session.pid();
        let target = if whole_job { Pid::from_raw(-effllm.as_raw()) } else { effllm };
        kill(target, Signal::SIGSTOP).expect("effllm is there");
        until("effllm to stop", || state(effllm) == 'T');
        // Longer than a busy machine keeps effllm from running.
        let stopped = Instant::now();
        thread::sleep(Duration::from_secs(3));
        kill(target, Signal::SIGCONT).expect("effllm is there");
        let stopped = stopped.elapsed().as_secs_f64();
        wait_until_handled(&session);
        env.write("stop", "");
        assert_eq!(session.wait().code(), Some(0));
        let report = env.report();
        let warnings = report.warnings();
        let is_warned = warnings.iter().any(|warning| warning.starts_with("effllm was stopped "));
        assert_eq!(is_warned, !whole_job, "{warnings:?}");
        let suspended = report.number("command.suspended_seconds");
        // effllm notices a stop at most one heartbeat earlier or later.
        let expected = if whole_job { stopped } else { 0.0 };
        assert!((suspended - expected).abs() < 1.0, "{suspended} {stopped}");
    }
}

#[test]
fn the_death_signal_is_the_commands_too() {
    let env = TestEnv::new();
    // A caller that dies takes effllm with it, and effllm the command.
    let call = env.sh("setpriv --pdeathsig KILL $effllm run --quiet -- sh -c 'echo $$ >pid; exec sleep 600' & until [ -s pid ]; do sleep 0.01; done");
    assert_eq!(call.start().wait().code(), Some(0));
    let command = written_in(&env, "pid");
    until("the command's end", || !exists(command));
}

#[test]
fn a_caller_that_ignores_the_end_of_its_children_is_told_of_the_commands() {
    let env = TestEnv::new();
    for _ in 0..3 {
        let call = env.run("", "sleep 0.1; exit 4").with_signals(Some(Signal::SIGCHLD), None);
        assert_eq!(call.done().code(), Some(4));
        assert_eq!(env.report().at("command.exit.code"), 4);
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
    call.spawn()
}

#[test]
fn last_words_that_nobody_reads_hold_up_no_end() {
    let env = TestEnv::new();
    let (_reader, unread) = full_pipe();
    let options = ["run", "--", "sh", "-c", "exit 5"];
    let done = start_unread(env.effllm(options), unread, false).wait();
    assert_eq!(done.code(), Some(5));
    assert_eq!(env.report().at("command.exit.code"), 5);
}

#[test]
fn what_effllm_alone_waits_for_can_be_given_up() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let env = TestEnv::new();
        mkfifo(&env.path("fifo.csv"), Mode::S_IRWXU).expect("a named pipe");
        let ends = |session: Session| {
            session.send(signal);
            assert_eq!(session.wait().signal(), Some(signal as i32));
        };
        // A reader that does not read.
        let mut options = File::options();
        let reader =
            options.read(true).custom_flags(libc::O_NONBLOCK).open(env.path("fifo.csv")).expect("a pipe");
        fcntl(&reader, FcntlArg::F_SETPIPE_SZ(4096)).expect("a small pipe");
        let session = env.run("-o fifo.csv", "echo >started").start();
        until("effllm to wait", || env.exists("started") && waits_to_write(session.pid()));
        ends(session);
        let (_reader, unread) = full_pipe();
        let session = start_unread(env.run("-o -", "echo >written"), unread, true);
        until("effllm to wait", || env.exists("written") && children(session.pid()).is_empty());
        ends(session);
        // Where there will be no command.
        let (_reader, unread) = full_pipe();
        let session = start_unread(env.effllm(["run", "--", "no-such-command"]), unread, false);
        until("effllm to wait", || waits_to_write(session.pid()));
        ends(session);
    }
}

/// Whether the main thread of a process waits in a system call (proc_pid_syscall(5)).
fn waits_to_write(pid: Pid) -> bool {
    let number = libc::SYS_write;
    let told = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    told.split(' ').next() == Some(&number.to_string())
}

#[test]
fn a_whole_job_that_is_stopped_and_let_go_on_ends_well() {
    let env = TestEnv::new();
    let mut call = env.effllm(["run", "--quiet", "--", "bash", "-c", ANSWERS]);
    call.command.process_group(0);
    let session = call.start();
    session.wait_for("ready");
    let (command, group) = (children(session.pid())[0], Pid::from_raw(-session.pid().as_raw()));
    kill(group, Signal::SIGSTOP).expect("the job is there");
    until("both to stop", || state(command) == 'T' && state(session.pid()) == 'T');
    kill(group, Signal::SIGCONT).expect("the job is there");
    until("both to go on", || state(command) != 'T' && state(session.pid()) != 'T');
    wait_until_handled(&session); // the SIGCONT that effllm forwards would undo the next stop
    // effllm alone is let go on: the command with it.
    kill(group, Signal::SIGSTOP).expect("the job is there");
    until("both to stop", || state(command) == 'T' && state(session.pid()) == 'T');
    session.send(Signal::SIGCONT);
    until("both to go on", || state(command) != 'T' && state(session.pid()) != 'T');
    env.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
}
