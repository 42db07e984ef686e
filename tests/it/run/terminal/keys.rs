//! Keys that interrupt the command.

use std::fs;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::process::{exists, state, written_in};
use crate::harness::requirements::available;
use crate::harness::terminal::Screen;
use crate::harness::{EFFLLM, Session, TestEnv, until};

#[test]
fn control_c_is_delivered_once() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let script =
            "trap 'echo interrupted' INT; echo ready; until [ -e stop ]; do sleep 0.05; done; echo over";
        let session = screen.start(env.run(options, script));
        screen.wait_for("ready");
        screen.press("\x03");
        screen.wait_for("interrupted");
        env.write("stop", "");
        assert_eq!(session.wait().code(), Some(0));
        screen.wait_for("over");
        assert_eq!(screen.contents().matches("interrupted").count(), 1, "{}", screen.contents());
        // One that is not caught ends it.
        let session = screen.start(env.run(options, "echo waiting; exec sleep 600"));
        screen.wait_for("waiting");
        screen.press("\x03");
        assert_eq!(session.wait().signal(), Some(libc::SIGINT));
        assert_eq!(env.report().at("command.exit.signal"), "SIGINT");
    }
}

#[test]
fn control_c_while_the_listed_gpus_are_checked_keeps_the_command_from_starting() {
    for options in ["--gpus 0", "--gpus 0 --stdio pty"] {
        let mut env = TestEnv::new();
        env.gpus("[[fault]]\ncall = 'nvmlInit_v2'\ndelay_s = 1.5");
        let screen = Screen::new(24, 80);
        let session = screen.start(env.run(options, "echo $$ >started; exec sleep 600"));
        // A signal of a user keeps its default action until the command is started; the others wait for it.
        until("effllm to take signals", || is_in(session.pid(), "SigBlk:", Signal::SIGUSR1));
        screen.press("\x03");
        assert_eq!(session.wait().signal(), Some(libc::SIGINT));
        assert!(!env.exists("started"));
    }
}

/// Whether a signal is in one of a process's sets (proc_pid_status(5)).
fn is_in(pid: Pid, set: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix(set)).unwrap_or_default();
    u64::from_str_radix(set.trim(), 16).is_ok_and(|set| set & 1 << (signal as i32 - 1) != 0)
}

/// Presses Ctrl-C until effllm has read three within two seconds. Two that come before effllm has read the first are
/// one signal.
#[track_caller]
fn press_three_times(screen: &Screen, session: &Session) {
    let mut pressed = Vec::new();
    loop {
        pressed.push(Instant::now());
        screen.press("\x03");
        screen.wait_until("the key", |screen| screen.matches("^C").count() == pressed.len());
        until("effllm to read it", || !is_in(session.pid(), "ShdPnd:", Signal::SIGINT));
        if let [.., first, _, _] = pressed[..]
            && first.elapsed() < Duration::from_millis(1900)
        {
            return;
        }
    }
}

#[test]
fn three_impatient_interrupts_kill_the_whole_tree() {
    for options in ["", "--stdio inherit"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let script = "trap '' INT; setsid sh -c 'echo $$ >worker; exec sleep 600' & \
                      until [ -s worker ]; do sleep 0.01; done; echo ready; wait";
        let session = screen.start(env.run(options, script));
        screen.wait_for("ready");
        let worker = written_in(&env, "worker");
        press_three_times(&screen, &session);
        assert_eq!(session.wait().signal(), Some(libc::SIGKILL));
        until("the worker's end", || !exists(worker));
    }
}

#[test]
fn without_proc_three_interrupts_still_kill_the_command() {
    let env = TestEnv::new();
    let unmounted = env.sh("unshare -m umount -l /proc").done();
    let can_unmount = unmounted.status.success().then_some(());
    let Some(()) = available(can_unmount.ok_or_else(|| "/proc cannot be unmounted".into())) else { return };
    for options in ["", "--stdio inherit"] {
        let screen = Screen::new(24, 80);
        let script = format!(
            "umount -l /proc; exec {EFFLLM} run -q {options} -- sh -c 'trap \"\" INT; echo ready; while :; do sleep 1; done'"
        );
        let session = screen.start(env.command(["unshare", "-m", "sh", "-c", &script]));
        screen.wait_for("ready");
        press_three_times(&screen, &session);
        assert_eq!(session.wait().signal(), Some(libc::SIGKILL));
    }
}

#[test]
fn what_ran_before_the_command_is_not_killed_with_it() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    // Its parent becomes effllm. In a session of its own the end of this one means nothing to it.
    let script = format!(
        "setsid sh -c 'echo $$ >daemon; exec sleep 600' & exec {EFFLLM} run --quiet -- sh -c 'trap \"\" INT; echo ready; while :; do sleep 1; done'"
    );
    let session = screen.start(env.command(["sh", "-c", &script]));
    screen.wait_for("ready");
    let daemon = written_in(&env, "daemon");
    press_three_times(&screen, &session);
    assert_eq!(session.wait().signal(), Some(libc::SIGKILL));
    let runs_on = state(daemon) == 'S';
    let _ = kill(daemon, Signal::SIGKILL);
    assert!(runs_on);
}
