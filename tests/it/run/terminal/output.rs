//! The output and the table on the screen.

use std::fs::{self, File};
use std::thread;

use crate::harness::terminal::Screen;
use crate::harness::{Session, TestEnv};

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
