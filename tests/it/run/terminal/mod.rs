//! On a real terminal: what is shown, what keys do, and how it is left.

mod after;
mod job_control;
mod keys;
mod output;

use nix::sys::signal::Signal;

use crate::harness::terminal::Screen;
use crate::harness::{TestEnv, until};

#[test]
fn a_prompt_is_answered_and_a_password_is_not_shown() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let script = "printf 'name? '; read name; stty -echo; printf 'password? '; read word; stty echo; \
                      echo; echo \"$name has $word\"; cat >rest; echo rest: $(cat rest)";
        let session = screen.start(env.run(&format!("{options} --live table"), script));
        screen.wait_for("name? ");
        screen.press("ada\r");
        screen.wait_for("password? ");
        screen.press("secret\r");
        screen.wait_for("ada has secret");
        // Ctrl-D ends the input.
        screen.press("line\r\x04");
        screen.wait_for("rest: line");
        assert_eq!(session.wait().code(), Some(0));
        assert_eq!(screen.contents().matches("secret").count(), 1, "{}", screen.contents());
    }
}

#[test]
fn the_controlling_terminal_is_the_commands_as_it_was() {
    let script = "test -t 0; echo $?; exec >told; ps -o tty= -p $$; tty; tty </dev/tty; stty size </dev/tty; \
                  [ $(ps -o pgid= -p $$) = $(ps -o tpgid= -p $$) ]; echo $?; stty -a";
    let told = ["plain", "", "--stdio inherit"].map(|options| {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let plain = || env.command(["sh", "-c", script]);
        let call = if options == "plain" { plain() } else { env.run(options, script) };
        assert_eq!(screen.start(call).wait().code(), Some(0));
        let name = screen.name();
        let stars = |text: String| {
            text.replace(&name, "/dev/pts/*").replace(name.trim_start_matches("/dev/"), "pts/*")
        };
        stars(env.read("told"))
    });
    assert!(told[0].contains("pts/*\n/dev/pts/*\n/dev/tty\n24 80\n0\n"), "{}", told[0]);
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
}

#[test]
fn with_a_terminal_of_its_own_the_command_sees_one() {
    let env = TestEnv::new();
    let screen = Screen::new(30, 90);
    let script = "for fd in 0 1 2; do test -t $fd; echo $?; done; stty size; tty >/dev/tty; ps -o sid= -p $$ | grep -vqw $$ && ps -o pgid= -p $$ | grep -qw $$ && echo leads its group; \
                  trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let session = screen.start(env.run("--stdio pty", script));
    screen.wait_for("ready");
    let contents = screen.contents();
    assert!(contents.starts_with("0\n0\n0\n30 90\n/dev/pts/"), "{contents}");
    assert!(contents.contains("leads its group"), "{contents}");
    screen.resize(40, 70);
    screen.wait_for("40 70");
    assert_eq!(session.wait().code(), Some(0));
}

#[test]
fn raw_keys_reach_a_command_that_wants_them() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let script = "stty raw -echo; printf 'ready'; dd bs=1 count=4 2>/dev/null >keys; stty sane; echo; od -An -tx1 keys";
    let session = screen.start(env.run("--stdio pty", script));
    screen.wait_for("ready");
    screen.press("\x03\x1a\x04q");
    screen.wait_for("03 1a 04 71");
    assert_eq!(session.wait().code(), Some(0));
}

#[test]
fn the_terminal_is_left_as_the_command_leaves_it() {
    for (script, signal) in [
        (
            "modes=$(stty -g); stty raw -echo; echo ready; until [ -e stop ]; do sleep 0.05; done; stty $modes",
            None,
        ),
        ("echo ready; exec sleep 600", Some(Signal::SIGTERM)),
        ("echo ready; exec sleep 600", Some(Signal::SIGINT)),
        ("echo ready; ulimit -c 0; exec sleep 600", Some(Signal::SIGABRT)),
        // effllm itself dies of it.
        ("echo ready; exec sleep 600", Some(Signal::SIGSYS)),
    ] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let before = screen.modes();
        let session = screen.start(env.run("--stdio pty", script));
        screen.wait_for("ready");
        until("raw mode", || screen.modes() != before);
        match signal {
            None => drop(env.write("stop", "")),
            Some(signal) => session.send(signal),
        }
        let done = session.wait();
        assert_eq!(done.signal(), signal.map(|signal| signal as i32));
        assert!(screen.modes() == before, "{script} {signal:?}: {:?}", screen.modes());
    }
}

#[test]
fn a_terminal_of_its_own_keeps_no_signal_from_the_command() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let script = "trap 'echo stop?' TSTP; trap 'echo size?' WINCH; echo ready; until [ -e stop ]; do sleep 0.02; done; echo over";
    let session = screen.start(env.run("--stdio pty", script));
    screen.wait_for("ready");
    session.send(Signal::SIGTSTP);
    screen.wait_for("stop?");
    session.send(Signal::SIGWINCH);
    screen.wait_for("size?");
    screen.resize(30, 90);
    screen.wait_until("another", |screen| screen.matches("size?").count() == 2);
    env.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
    screen.wait_for("over");
    assert_eq!(screen.contents().matches('?').count(), 3, "{}", screen.contents());
}
