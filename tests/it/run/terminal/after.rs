//! What a command leaves behind on the terminal: keys that it did not read, modes, and running programs.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, SpecialCharacterIndices};
use nix::unistd::getsid;

use super::job_control::interactive;
use crate::harness::process::{children, exists, state, written_in};
use crate::harness::requirements::available;
use crate::harness::terminal::Screen;
use crate::harness::{TestEnv, until};

/// Reads one line, and ends when there is a file `go`.
const READS_ONE_LINE: &str =
    "read -r line; echo \"got $line\"; >ready; until [ -e go ]; do sleep 0.02; done; echo over";

/// Whether a program may put keys back into its terminal (TIOCSTI, proc_sys_dev_tty(5)).
fn can_put_back() -> Result<(), String> {
    let legacy = fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti");
    let is_permitted = nix::unistd::geteuid().is_root() || legacy.is_ok_and(|text| text.trim() == "1");
    is_permitted.then_some(()).ok_or_else(|| "dev.tty.legacy_tiocsti is 0".into())
}

#[test]
fn lines_that_the_command_did_not_read_are_for_the_shell_behind() {
    for options in ["", "--stdio pty"] {
        if !options.is_empty() && available(can_put_back()).is_none() {
            return;
        }
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let _session = interactive(&env, &screen, options);
        env.write("command", READS_ONE_LINE);
        screen.press("$run bash command; echo >begun\r");
        screen.wait_for("begun");
        // Pasted while the command runs: a line for it, two for the shell and the beginning of a third.
        screen
            .press("one\recho second$((1+1)) >second; stty -a >modes\recho third$((1+1)) >third\recho four");
        until("the first line", || env.exists("ready"));
        env.write("go", "");
        until("the third line", || env.exists("third"));
        screen.wait_until("the fourth", |screen| screen.trim_end().ends_with("echo four"));
        screen.press("th$((1+1))\r");
        screen.wait_for("fourth2");
        assert_eq!((env.read("second").as_str(), env.read("third").as_str()), ("second2\n", "third2\n"));
        let modes = env.read("modes");
        assert!(modes.contains(" icanon") && modes.contains("isig icanon"), "{options}: {modes}");
        // Each line is one of a terminal that is read line by line.
        for name in ["ready", "go"] {
            fs::remove_file(env.path(name)).expect("it is there");
        }
        env.write("script", "$run bash command; head -n 1 >first; head -n 1 >second; head -c 3 >third");
        screen.press("clear; bash script\r");
        screen.wait_until("the script", |screen| !screen.contains("fourth"));
        screen.press("one\rtwo\rthree\rfour\r");
        until("the first line", || env.exists("ready"));
        env.write("go", "");
        screen.wait_for_prompt_after("over");
        let read = ["first", "second", "third"].map(|name| env.read(name));
        assert_eq!(read, ["two\n", "three\n", "fou"], "{options}");
    }
}

#[test]
fn programs_that_the_command_leaves_running_run_on() {
    for options in ["", "--stdio pty"] {
        for start in ["sleep 600 >log 2>&1 &", "nohup sleep 600 >log 2>&1 &"] {
            let env = TestEnv::new();
            let screen = Screen::new(24, 80);
            let _session = interactive(&env, &screen, options);
            env.write("command", format!("{start} echo $! >pid"));
            screen.press("$run sh command; echo status $?\r");
            screen.wait_for("status 0");
            let left = written_in(&env, "pid");
            // The hang-up came with the command's end, if one came.
            let runs = exists(left) && state(left) != 'Z';
            let _ = kill(left, Signal::SIGKILL);
            assert!(runs, "{options}: {start}");
        }
    }
}

#[test]
fn modes_that_the_command_has_set_stay() {
    let mut modes = Vec::new();
    for options in ["alone", "", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let script = "stty -echo intr ^X erase ^H -onlcr; exit 3";
        let call =
            if options == "alone" { env.command(["sh", "-c", script]) } else { env.run(options, script) };
        assert_eq!(screen.start(call).wait().code(), Some(3));
        modes.push(screen.modes());
    }
    assert!(!modes[0].local_flags.contains(LocalFlags::ECHO));
    assert_eq!(modes[0].control_chars[SpecialCharacterIndices::VINTR as usize], 0x18);
    assert!(modes[1] == modes[0], "{:?}", modes[1]);
    assert!(modes[2] == modes[0], "{:?}\n{:?}", modes[2], modes[0]);
}

#[test]
fn a_program_that_takes_every_interrupt_is_not_killed_by_them() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    // As an interpreter's prompt does.
    let script =
        "trap 'echo interrupt $((++n))' INT; echo interrupt 0; until [ -e stop ]; do sleep 0.02; done";
    let session = screen.start(env.effllm(["run", "-q", "--stdio", "pty", "--", "bash", "-c", script]));
    for count in 0..5 {
        screen.wait_for(&format!("interrupt {count}"));
        screen.press("\x03");
    }
    screen.wait_for("interrupt 5");
    env.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
}

#[test]
fn nothing_is_left_of_a_terminal_of_its_own() {
    // A program that is not there, and one that cannot be executed.
    for (program, code) in [("no-such-program", 127), ("./folder", 126), ("./told", 126)] {
        let env = TestEnv::new();
        env.write("folder/file", "").write("told", "");
        let screen = Screen::new(24, 80);
        let session = screen.start(env.effllm(["run", "-q", "--stdio", "pty", "--", program]));
        assert_eq!(session.wait().code(), Some(code), "{program}: {}", screen.contents());
    }
    // effllm's death hangs the terminal up, as a terminal's emulator's does.
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let script = "trap 'echo hung up >told; exit' HUP; echo $$ >pid; while :; do sleep 0.02; done";
    let session = screen.start(env.run("--stdio pty", script));
    let command = written_in(&env, "pid");
    let session_id = getsid(Some(command)).expect("it is there");
    let leaders = children(session.pid());
    assert!(leaders.contains(&session_id) && leaders.contains(&command) && leaders.len() == 2);
    session.send(Signal::SIGKILL);
    session.wait();
    until("the hang-up", || env.exists("told"));
    until("the end of both", || leaders.iter().all(|pid| ['Z', ' '].contains(&state(*pid))));
}

#[test]
fn the_process_that_leads_the_session_is_not_measured() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let script = "until [ -e stop ]; do sleep 0.02; done";
    let session = screen.start(env.run("--stdio pty --interval 0.05 --series series.csv", script));
    until("readings", || env.exists("series.csv") && env.read("series.csv").matches("host").count() > 5);
    env.write("stop", "");
    assert_eq!(session.wait().code(), Some(0));
    assert!(env.report().number("host.processes_max") <= 2.0, "the shell and its sleep");
}
