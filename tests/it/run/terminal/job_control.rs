//! Commands that are stopped, and that go on in the foreground or background.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::LocalFlags;

use crate::harness::process::{state, written_in};
use crate::harness::terminal::Screen;
use crate::harness::{EFFLLM, Session, TestEnv, until};

/// An interactive shell, in which `$run` is `effllm run --quiet OPTIONS --`.
pub(super) fn interactive<'a>(env: &'a TestEnv, screen: &Screen, options: &str) -> Session<'a> {
    screen.start_bash(env, &[("run", format!("{EFFLLM} run --quiet {options} --"))])
}

#[test]
fn control_z_gives_the_prompt_and_fg_goes_on() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let _session = interactive(&env, &screen, &format!("{options} --live table"));
        // A shell that starts no processes: one that is stopped within vfork keeps its parent from
        // stopping, with effllm and without.
        env.write(
            "counts",
            "mkfifo never; exec 3<>never; while [ ! -e stop ]; do echo $((++i)) >count; read -rt 0.05 -u 3; done; echo over",
        );
        screen.press("$run bash counts\r");
        until("the command", || env.exists("count"));
        screen.press("\x1a");
        screen.wait_for_prompt_after("Stopped");
        let stopped = env.read("count");
        screen.press("echo prompt$((1+1)); sleep 1.5\r");
        screen.wait_for("prompt2");
        screen.press("fg\r");
        until("it to go on", || !env.read("count").is_empty() && env.read("count") != stopped);
        let went_on: u64 = env.read("count").trim().parse().unwrap_or(0);
        assert!(
            went_on <= stopped.trim().parse::<u64>().unwrap_or(0) + 8,
            "it ran while it was stopped: {stopped} {went_on}"
        );
        env.write("stop", "");
        // What is typed before the command has ended is for the command.
        let prompt = |screen: &str| screen.split_once("over").is_some_and(|(_, rest)| rest.contains('$'));
        screen.wait_until("the command's end", prompt);
        screen.press("echo status $?\r");
        screen.wait_for("status 0");
        let report = env.report();
        assert!(report.number("command.suspended_seconds") > 1.0);
        assert_eq!(report.at("status"), "completed");
    }
}

#[test]
fn what_goes_on_after_control_z_is_told_so_once() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let _session = interactive(&env, &screen, options);
        env.write(
            "goes-on",
            // Counted as they come: Python's own handlers would take two in a row for one.
            "import os, signal, time\nend, begin = os.pipe2(os.O_NONBLOCK)\n\
             signal.set_wakeup_fd(begin)\nsignal.signal(signal.SIGCONT, lambda *_: open('on', 'w').close())\n\
             open('ready', 'w').close()\nwhile not os.path.exists('stop'): time.sleep(0.05)\n\
             print('told', len(os.read(end, 100)), 'times', flush=True)\n",
        );
        screen.press("$run python3 goes-on\r");
        until("the command", || env.exists("ready"));
        screen.press("\x1a");
        screen.wait_for("Stopped");
        screen.press("fg\r");
        until("it to go on", || env.exists("on"));
        env.write("stop", "");
        screen.wait_for("told 1 times");
    }
}

#[test]
fn in_the_background_the_terminal_is_the_shells() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let _session = interactive(&env, &screen, "--stdio pty --live table");
    screen.press("$run sh -c '>begun; until [ -e go ]; do sleep 0.05; done; read line; echo got $line' &\r");
    until("the command", || env.exists("begun"));
    screen.press("echo prompt$((1+1))\r");
    screen.wait_for("prompt2");
    screen.press("fg\r");
    screen.wait_until("fg", |screen| screen.matches("sh -c").count() >= 2);
    env.write("go", "");
    screen.press("typed\r");
    screen.wait_for("got typed");
}

/// Ends when there is a file `stop`, and tells its process by `pid`.
/// A shell that starts no processes: one that is stopped within vfork keeps its parent from stopping.
const UNTIL_STOP: &str = "[ -e never ] || mkfifo never; exec 3<>never; echo $$ >pid; \
                          until [ -e stop ]; do read -rt 0.05 -u 3; done; echo over";

#[test]
fn a_command_that_others_stop_and_let_go_on_takes_effllm_with_it() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let _session = interactive(&env, &screen, "");
    env.write("command", UNTIL_STOP);
    // A script has no job control: whoever stopped the command has to let effllm go on too.
    screen.press("sh -c '$run bash command; echo status $?'\r");
    let command = written_in(&env, "pid");
    for signal in [Signal::SIGTSTP, Signal::SIGSTOP] {
        kill(command, signal).expect("the command is there");
        until("the command to stop", || state(command) == 'T');
        kill(command, Signal::SIGCONT).expect("the command is there");
        until("the command to go on", || state(command) != 'T');
    }
    env.write("stop", "");
    screen.wait_for("status 0");
}

#[test]
fn a_command_that_stops_itself_gives_the_prompt() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let _session = interactive(&env, &screen, "");
    // As an editor does for its own Ctrl-Z.
    env.write("command", "kill -TSTP $$; echo goes on");
    screen.press("$run bash command\r");
    screen.wait_for("Stopped");
    screen.press("fg\r");
    screen.wait_for("goes on");
}

#[test]
fn keys_mean_to_a_pipeline_what_they_mean_without_effllm() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let _session = interactive(&env, &screen, options);
        env.write("command", UNTIL_STOP);
        screen.press("$run bash command | cat >out\r");
        let command = written_in(&env, "pid");
        screen.press("\x1a");
        screen.wait_for("Stopped");
        assert_eq!(state(command), 'T');
        screen.press("fg\r");
        until("it to go on", || state(command) != 'T');
        env.write("stop", "");
        until("its end", || env.read("out") == "over\n");
        // What is typed before the command has ended is for the command.
        screen.wait_for_prompt_after("fg\n$run bash command | cat > out");
        // A script ends with the command that the key has ended.
        for name in ["pid", "stop"] {
            fs::remove_file(env.path(name)).expect("it is there");
        }
        env.write("script", "$run bash command; echo next >next");
        screen.press("bash script\r");
        written_in(&env, "pid");
        screen.press("\x03");
        screen.wait_for_prompt_after("bash script");
        screen.press("echo status $?\r");
        screen.wait_for("status 130");
        assert!(!env.exists("next"));
    }
}

#[test]
fn what_starts_in_the_background_has_the_modes_of_a_terminal_at_rest() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let _session = interactive(&env, &screen, "--stdio pty");
    // The prompt's line editor is at work while it starts.
    screen.press("(until [ -e go ]; do sleep 0.02; done; exec $run sh -c 'stty -a >modes; echo >told') &\r");
    screen.wait_for_prompt_after("[1]");
    until("the line editor", || !screen.modes().local_flags.contains(LocalFlags::ICANON));
    env.write("go", "");
    until("the command", || env.exists("told"));
    let modes = env.read("modes");
    for mode in [" icrnl", " icanon", " echo ", " isig"] {
        assert!(modes.replace('\n', " ").contains(mode), "{mode}: {modes}");
    }
    screen.press("stty -a | tr -d '\\n'; echo\r");
    screen.wait_until("the shell's own modes", |screen| screen.contains(" icanon"));
}

#[test]
fn a_background_that_may_not_write_stops_no_measuring() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let _session = screen.start_bash(&env, &[("run", format!("{EFFLLM} run {options} --"))]);
        env.write("command", "echo early; >begun; until [ -e go ]; do sleep 0.02; done; echo late; exit 3");
        screen.press("stty tostop; $run sh command &\r");
        until("the command", || env.exists("begun"));
        env.write("go", "");
        // The summary, too, is written to the terminal.
        screen.wait_for("report: effllm-report.json");
        screen.press("wait %1; echo status $?\r");
        screen.wait_for("status 3");
        assert!(
            screen.contents().contains("late") && !screen.contents().contains("Stopped"),
            "{}",
            screen.contents()
        );
        assert_eq!(env.report().number("command.suspended_seconds"), 0.0);
    }
}

#[test]
fn a_command_that_takes_the_foreground_is_still_heard() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let _session = interactive(&env, &screen, options);
        // A shell with job control, which leaves effllm in the background.
        screen.press("stty tostop; $run bash -ic 'echo in$((1+1)); exit 3'; echo status $?\r");
        screen.wait_for("status 3");
        assert!(screen.contents().contains("in2"), "{}", screen.contents());
    }
}

#[test]
fn a_command_that_may_not_write_in_the_background_is_stopped_with_its_job() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let _session = interactive(&env, &screen, "--stdio inherit");
    screen.press("stty tostop; $run sh -c '>begun; echo in$((1+1)); exit 3' &\r");
    until("the command", || env.exists("begun"));
    screen.press("until jobs | grep Stopped; do sleep 0.02; done\r");
    screen.wait_for("Stopped");
    screen.press("fg; echo status $?\r");
    screen.wait_for("status 3");
    assert!(screen.contents().contains("in2"), "{}", screen.contents());
}
