//! Signals that effllm gets.

use std::os::unix::process::CommandExt;
use std::process::Stdio;

use nix::libc;
use nix::sys::signal::Signal;

use crate::harness::process::{state, written_in};
use crate::harness::terminal::Terminal;
use crate::harness::{Call, TestEnv, until};

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

#[test]
fn a_script_that_ends_its_group_ends_its_children() {
    let run = ["run", "-q"];
    for (options, group) in [
        // Alone, as the leader of its group; then the ways that the README names.
        (None, "-$$"),
        (Some(&["--", "sh"][..]), "0"),
        (Some(&["--", "setsid", "sh"]), "-$$"),
        (Some(&["--stdio", "pty", "--", "sh"]), "-$$"),
    ] {
        let env = TestEnv::new();
        let script = "trap 'trap - TERM; kill -- GROUP' TERM; sleep 600 & echo $! >child; >ready; wait";
        env.write("script", script.replace("GROUP", group));
        let mut call = match options {
            None => env.command(["sh", "script"]),
            Some(options) => env.effllm(run.iter().chain(options).chain(&["script"])),
        };
        let terminal = Terminal::new();
        let session = if options.is_some_and(|options| options.contains(&"pty")) {
            terminal.start(call)
        } else {
            call.command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            call.spawn()
        };
        let child = written_in(&env, "child");
        // A shell's child loses the signal that comes before it has executed its program.
        let program = || std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        until("the script and its child", || env.exists("ready") && program() == "sleep\n");
        session.send(Signal::SIGTERM);
        assert_eq!(session.wait().signal(), Some(libc::SIGTERM), "{options:?}");
        until("the child's end", || ['Z', ' '].contains(&state(child)));
    }
}
