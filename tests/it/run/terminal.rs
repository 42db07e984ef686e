//! On a real terminal: what is shown, what keys do, and how it is left.

use std::fs::{self, File};
use std::thread;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::LocalFlags;
use nix::unistd::Pid;

use crate::harness::process::{exists, state, written_in};
use crate::harness::requirements::available;
use crate::harness::terminal::Screen;
use crate::harness::{EFFLLM, Session, TestEnv, until};

/// An interactive shell, in which `$run` is `effllm run --quiet OPTIONS --`.
fn interactive<'a>(env: &'a TestEnv, screen: &Screen, options: &str) -> Session<'a> {
    screen.start_bash(env, &[("run", format!("{EFFLLM} run --quiet {options} --"))])
}

/// What a script leaves on a terminal of this size, plain and wrapped with these options.
fn finals(rows: u16, options: &str, script: &str) -> [String; 2] {
    let env = TestEnv::new();
    let plain = Screen::new(rows, 60);
    screen_end(&plain, plain.start(env.command(["sh", "-c", script])));
    let wrapped = Screen::new(rows, 60);
    let arguments = ["run"].into_iter().chain(options.split_whitespace()).chain(["--", "sh", "-c", script]);
    screen_end(&wrapped, wrapped.start(env.effllm(arguments)));
    let bytes = wrapped.bytes();
    assert!(!bytes.windows(3).any(|three| three == b"\r\r\n"), "{}", String::from_utf8_lossy(&bytes));
    [plain.all(), wrapped.all()]
}

/// Waits for the end of a command and of what it wrote.
fn screen_end(screen: &Screen, session: Session) {
    session.wait();
    screen.settle();
}

/// The command's part of a final screen stands above the summary. What scrolled off while the table
/// stood is lost in this emulator, which keeps only lines that scroll off the whole screen.
#[track_caller]
fn assert_summary_follows(plain: &str, wrapped: &str, fits: bool) {
    let what = format!("plain:\n{plain}\nwrapped:\n{wrapped}");
    let (commands, summary) = wrapped.split_once("effllm · sh").expect(&what);
    assert!(summary.ends_with("report: effllm-report.json"), "{what}");
    let (commands, plain) = (commands.trim_end(), plain.trim_end());
    assert!(if fits { commands == plain } else { plain.ends_with(commands) }, "{what}");
}

const SCRIPTS: [&str; 7] = [
    "echo one; echo two; printf '\\033[1;31mred\\033[0m and \\t tab\\n'; sleep 0.5; echo end",
    // A bar that is redrawn in place, as tqdm does.
    "for i in 1 2 3 4 5 6 7 8; do printf '\\r%d0%%|####| %d/10' $i $i >&2; sleep 0.1; done; echo >&2",
    "printf 'name? '; sleep 0.7; echo ada; printf 'and then: '; sleep 0.7; echo over",
    "echo 'breit 宽字符 é ü 🎉'; sleep 0.4; echo '────────'",
    "seq 400; sleep 0.3; seq 5",
    "printf 'full screen'; sleep 0.3; printf '\\033[?1049h\\033[2J\\033[HALT\\033[24;1Hbottom'; sleep 0.5; printf '\\033[?1049l'; echo; echo back",
    "printf 'a\\nb\\nc'; sleep 0.4; printf '\\033[2A\\rX\\033[2B\\n'; echo done",
];

#[test]
fn the_final_screen_is_the_unwrapped_one_and_the_summary() {
    thread::scope(|scope| {
        for mode in ["--stdio pipe", "--stdio pty"] {
            for rows in [24, 5] {
                scope.spawn(move || {
                    for script in SCRIPTS {
                        let [plain, wrapped] = finals(rows, &format!("{mode} --live table"), script);
                        assert_summary_follows(&plain, &wrapped, rows == 24 && !script.starts_with("seq"));
                    }
                });
            }
        }
    });
}

#[test]
fn with_inherit_the_screen_is_the_unwrapped_one_and_the_summary() {
    let [plain, wrapped] =
        finals(24, "--stdio inherit --live table", "test -t 1 && test -t 2 && echo on a terminal; seq 30");
    assert!(plain.starts_with("on a terminal"));
    assert_summary_follows(&plain, &wrapped, true);
}

#[test]
fn without_words_of_our_own_the_bytes_are_the_commands() {
    let env = TestEnv::new();
    for script in SCRIPTS {
        let mut seen = Vec::new();
        for options in ["", "--stdio pty", "--stdio inherit"] {
            let screen = Screen::new(24, 60);
            let session = screen.start(env.run(&format!("--live off {options}"), script));
            screen_end(&screen, session);
            seen.push(String::from_utf8_lossy(&screen.bytes()).into_owned());
        }
        assert_eq!(seen[1], seen[2], "{script}");
        assert_eq!(seen[0], seen[2], "{script}");
    }
}

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
        until("effllm to take signals", || takes(session.pid(), Signal::SIGINT));
        screen.press("\x03");
        assert_eq!(session.wait().signal(), Some(libc::SIGINT));
        assert!(!env.exists("started"));
    }
}

/// Whether a process blocks a signal.
fn takes(pid: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap_or_default();
    u64::from_str_radix(blocked.trim(), 16).is_ok_and(|set| set & 1 << (signal as i32 - 1) != 0)
}

#[test]
fn three_impatient_interrupts_kill_the_whole_tree() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let script = "trap '' INT; setsid sh -c 'echo $$ >worker; exec sleep 600' & \
                      until [ -s worker ]; do sleep 0.01; done; echo ready; wait";
        let session = screen.start(env.run(options, script));
        screen.wait_for("ready");
        let worker = written_in(&env, "worker");
        for _ in 0..3 {
            screen.press("\x03");
            thread::sleep(std::time::Duration::from_millis(100)); // one key, not three in one reading
        }
        assert_eq!(session.wait().signal(), Some(libc::SIGKILL));
        until("the worker's end", || !exists(worker));
    }
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
    let script = "for fd in 0 1 2; do test -t $fd; echo $?; done; stty size; tty >/dev/tty; ps -o sid= -p $$ | grep -qw $$ && echo leads; \
                  trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let session = screen.start(env.run("--stdio pty", script));
    screen.wait_for("ready");
    let contents = screen.contents();
    assert!(contents.starts_with("0\n0\n0\n30 90\n/dev/pts/"), "{contents}");
    assert!(contents.contains("leads"), "{contents}");
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
fn the_terminal_is_left_as_it_was() {
    for (script, signal) in [
        ("echo ready; stty raw -echo; until [ -e stop ]; do sleep 0.05; done", None),
        ("echo ready; stty raw -echo; exec sleep 600", Some(Signal::SIGTERM)),
        ("echo ready; stty raw -echo; exec sleep 600", Some(Signal::SIGINT)),
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

#[test]
fn the_table_stands_below_the_output_and_goes_without_a_trace() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let script = "echo first; echo second; until [ -e stop ]; do sleep 0.05; done; echo last";
        let options: Vec<&str> = options.split_whitespace().collect();
        let arguments =
            ["run", "--live", "table"].into_iter().chain(options).chain(["--", "sh", "-c", script]);
        let session = screen.start(env.effllm(arguments));
        screen.wait_until("the table", |screen| screen.contains("second") && screen.contains("effllm"));
        // A smaller and a larger window; what is typed, as on any terminal.
        for (rows, columns) in [(12, 50), (30, 100)] {
            screen.resize(rows, columns);
            let at_the_bottom =
                |screen: &str| screen.lines().count() == usize::from(rows) && screen.contains("effllm");
            screen.wait_until("the table again", at_the_bottom);
        }
        env.write("stop", "");
        assert_eq!(session.wait().code(), Some(0));
        screen.wait_for("report: effllm-report.json");
        let contents = screen.contents();
        let lines: Vec<&str> = contents.lines().collect();
        assert_eq!(
            lines.iter().filter(|line| ["first", "second", "last"].contains(line)).count(),
            3,
            "{contents}"
        );
    }
}

#[test]
fn a_bar_goes_on_above_the_table_in_one_place() {
    for options in ["", "--stdio pty"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        // What comes over two pipes at once has no order.
        let script = "echo before; until [ -e go ]; do sleep 0.01; done; i=0; until [ -e stop ]; do i=$((i+1)); printf '\\r%d%%|####      |' $i >&2; echo $i >count; \
                      sleep 0.03; done; printf '\\r100%%|##########|\\n' >&2; echo after >&2";
        let options: Vec<&str> = options.split_whitespace().collect();
        let arguments =
            ["run", "--live", "table"].into_iter().chain(options).chain(["--", "sh", "-c", script]);
        let session = screen.start(env.effllm(arguments));
        let bar = |screen: &str| {
            let mut bars = screen.lines().filter_map(|line| line.split_once("%|####      |"));
            bars.next().and_then(|(count, _)| count.parse::<u32>().ok()).filter(|_| bars.next().is_none())
        };
        let table = |screen: &str| screen.lines().any(|line| line.starts_with("── effllm"));
        screen.wait_for("before");
        env.write("go", "");
        screen.wait_until("the bar above the table", |screen| bar(screen).is_some() && table(screen));
        let seen = bar(&screen.contents()).unwrap_or(0);
        screen.wait_until("it to go on", |screen| {
            bar(screen).is_some_and(|now| now > seen + 10) && table(screen)
        });
        env.write("stop", "");
        assert_eq!(session.wait().code(), Some(0));
        screen.wait_for("report: effllm-report.json");
        let contents = screen.contents();
        assert!(contents.starts_with("before\n100%|##########|\nafter\n"), "{contents}");
        assert!(!table(&contents), "{contents}");
    }
}

#[test]
fn ten_thousand_lines_a_second_arrive_in_order() {
    for options in ["", "--stdio pty"] {
        let [plain, wrapped] = finals(
            24,
            &format!("{options} --live table"),
            "i=0; while [ $i -lt 4 ]; do seq 5000; i=$((i+1)); sleep 0.2; done",
        );
        let lines = |text: &str| {
            text.lines().filter(|line| line.parse::<u32>().is_ok()).map(str::to_owned).collect::<Vec<_>>()
        };
        let (plain, wrapped) = (lines(&plain), lines(&wrapped));
        // The summary has scrolled some more off the top.
        assert_eq!(wrapped.last(), Some(&"5000".to_owned()));
        assert!(plain.ends_with(&wrapped[wrapped.len().saturating_sub(900)..]));
    }
}

#[test]
fn what_is_redirected_is_byte_identical_in_every_mode() {
    let script = "printf 'out\\n\\r\\tx\\033[31m'; test -t 1; echo $?; seq 2000; printf err >&2";
    let expected = {
        let env = TestEnv::new();
        env.command(["sh", "-c", script]).done().stdout
    };
    for options in ["--stdio pipe", "--stdio pty", "--stdio inherit"] {
        let env = TestEnv::new();
        let screen = Screen::new(24, 80);
        let mut call = env.run(options, script);
        let file = File::create(env.path("out")).expect("a file");
        call.command.stdin(screen.stream()).stdout(file).stderr(screen.stream());
        assert_eq!(screen.start_redirected(call).wait().code(), Some(0));
        assert!(fs::read(env.path("out")).expect("the file") == expected, "{options}");
        screen.wait_for("err");
        // Without any terminal.
        let done = env.run(options, script).done();
        assert!(done.stdout == expected && done.stderr() == "err", "{options}");
    }
}

#[test]
fn the_log_is_read_through_a_terminal_too() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 80);
    let script = "for i in 1 2 3 4 5; do echo \"step $i took 10 ms\"; done";
    let pattern = r"step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+) ms$";
    let arguments = ["run", "--quiet", "--stdio", "pty", "--pattern", pattern, "--", "sh", "-c", script];
    assert_eq!(screen.start(env.effllm(arguments)).wait().code(), Some(0));
    let report = env.report();
    assert_eq!((report.at("iterations.last"), report.at("log.records")), (&5.into(), &5.into()));
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

#[test]
fn without_proc_three_interrupts_still_kill_the_command() {
    let env = TestEnv::new();
    let unmounted = env.sh("unshare -m umount -l /proc").done();
    let can_unmount = unmounted.status.success().then_some(());
    let Some(()) = available(can_unmount.ok_or_else(|| "/proc cannot be unmounted".into())) else { return };
    for options in ["", "--stdio pty"] {
        let screen = Screen::new(24, 80);
        let script = format!(
            "umount -l /proc; exec {EFFLLM} run -q {options} -- sh -c 'trap \"\" INT; echo ready; while :; do sleep 1; done'"
        );
        let session = screen.start(env.command(["unshare", "-m", "sh", "-c", &script]));
        screen.wait_for("ready");
        for _ in 0..3 {
            screen.press("\x03");
            thread::sleep(std::time::Duration::from_millis(100)); // one key, not three in one reading
        }
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
    for _ in 0..3 {
        screen.press("\x03");
        thread::sleep(std::time::Duration::from_millis(100)); // one key, not three in one reading
    }
    assert_eq!(session.wait().signal(), Some(libc::SIGKILL));
    let runs_on = state(daemon) == 'S';
    let _ = kill(daemon, Signal::SIGKILL);
    assert!(runs_on);
}
