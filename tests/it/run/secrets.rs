//! Nothing secret gets into a report, and nothing from outside gets out of its place.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::harness::TestEnv;
use crate::harness::requirements::{available, root};
use crate::harness::terminal::Screen;

#[test]
fn secrets_in_the_command_line_are_masked_and_the_environment_is_not_told() {
    let mut env = TestEnv::new();
    let hf = format!("hf_{}", "x1Y2".repeat(8));
    env.set("WANDB_API_KEY", "environment-secret").set("HF_TOKEN", &hf);
    let script = format!(": --token=flag-secret; : {hf}; echo $WANDB_API_KEY >/dev/null");
    let arguments =
        ["run", "--", "sh", "-c", &script, "x", "--api-key", "next-secret", "PASSWORD=named-secret"];
    let done = env.effllm(arguments).done();
    let report = env.read("effllm-report.json") + &done.stderr();
    for secret in ["flag-secret", &hf, "next-secret", "named-secret", "environment-secret"] {
        assert!(!report.contains(secret), "{secret}: {report}");
    }
    assert_eq!(env.report().at("command.argv.4"), "--api-key");
    assert_eq!(env.report().at("command.argv.5"), "***");
    // The command itself got them as they are, and with --no-mask so does the report.
    let arguments = ["run", "-q", "--no-mask", "--", "sh", "-c", "echo $1", "--token", "kept"];
    let done = env.effllm(arguments).done();
    assert_eq!(done.stdout(), "kept\n");
    assert_eq!(env.report().at("command.argv.4"), "kept");
}

/// Makes a link that belongs to another user, as only root can.
fn plant(env: &TestEnv, target: &str, link: &str) {
    symlink(env.path(target), env.path(link)).expect("a link");
    nix::unistd::fchownat(
        nix::fcntl::AT_FDCWD,
        &env.path(link),
        Some(nix::unistd::Uid::from_raw(12_345)),
        None,
        nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
    )
    .expect("root may");
}

#[test]
fn a_link_that_another_user_has_planted_is_not_followed() {
    let Some(()) = available(root()) else { return };
    let env = TestEnv::new();
    env.write("mine", "precious").write("shared/x", "");
    fs::set_permissions(env.path("shared"), fs::Permissions::from_mode(0o1777)).expect("permissions");
    plant(&env, "mine", "shared/report.json");
    let done = env.run("-o shared/report.json", "echo started").done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(2), ""));
    assert!(done.stderr().contains("another user's symlink"), "{}", done.stderr());
    assert_eq!(env.read("mine"), "precious");
    // A link of one's own that leads to it is not followed there either.
    symlink("shared/report.json", env.path("latest.json")).expect("a link");
    let done = env.run("-o latest.json", "echo started").done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(2), ""));
    assert_eq!(env.read("mine"), "precious");
    // Planted while the command runs: the report is printed, and the link is left alone.
    fs::rename(env.path("shared/report.json"), env.path("shared/x")).expect("renamed");
    let done = env.run("-o shared/report.json", "mv shared/x shared/report.json; exit 3").done();
    assert_eq!(done.code(), Some(3));
    assert!(done.stderr().contains("effllm: error: the report cannot be written"), "{}", done.stderr());
    assert_eq!(env.read("mine"), "precious");
}

#[test]
fn a_planted_link_to_a_folder_is_not_followed_either() {
    let Some(()) = available(root()) else { return };
    let env = TestEnv::new();
    env.write("mine/x/file", "").write("shared/x", "");
    fs::set_permissions(env.path("shared"), fs::Permissions::from_mode(0o1777)).expect("permissions");
    plant(&env, "mine", "shared/d");
    symlink("shared/d", env.path("own")).expect("a link");
    symlink("loop/loop", env.path("loop")).expect("a link");
    for option in [
        "-o shared/d/report.json",
        "-o shared/d/x/report.json",
        "-o own/report.json",
        "-o own/../shared/d/x/report.json",
        "--series shared/d/series.csv",
        "--openmetrics shared/d/metrics.prom",
        "--junit shared/d/junit.xml --require pcu>0",
        "--gitlab-metrics shared/d/metrics.txt --require pcu>0",
        "--tensorboard shared/d",
        "--tensorboard own/x",
    ] {
        let done = env.run(option, "echo started").done();
        assert_eq!((done.code(), done.stdout().as_str()), (Some(2), ""), "{option}: {}", done.stderr());
        assert!(done.stderr().contains("another user's symlink"), "{option}: {}", done.stderr());
        assert_eq!(fs::read_dir(env.path("mine")).expect("a folder").count(), 1, "{option}");
        assert_eq!(fs::read_dir(env.path("mine/x")).expect("a folder").count(), 1, "{option}");
    }
    let done = env.run("-o loop/report.json", "echo started").done();
    assert!(done.stderr().contains("Too many levels"), "{}", done.stderr());
    // One's own links are followed.
    symlink(env.path("mine"), env.path("shared/own")).expect("a link");
    assert_eq!(env.run("-o shared/own/report.json", "true").done().code(), Some(0));
    assert!(env.exists("mine/report.json"));
}

#[test]
fn a_report_that_others_may_not_read_stays_so() {
    let env = TestEnv::new();
    env.write("effllm-report.json", "");
    for (old, new) in [(0o600, 0o600), (0o640, 0o640), (0o666, 0o644), (0o400, 0o400)] {
        let file = env.path("effllm-report.json");
        fs::set_permissions(&file, fs::Permissions::from_mode(old)).expect("permissions");
        assert!(env.sh("umask 022; exec $effllm run -q -- true").done().status.success());
        assert_eq!(fs::metadata(&file).expect("a report").permissions().mode() & 0o777, new);
        env.report();
    }
}

#[test]
fn what_a_log_says_reaches_neither_the_table_nor_the_summary_as_escapes() {
    let env = TestEnv::new();
    let screen = Screen::new(24, 100);
    // The line by which the rules are chosen, the values, and the command itself.
    let script = "printf 'step 1 loss \\033[2J1.5\\033]0;title\\007 5 ms\\n'; printf 'step 2 loss <b>2</b> 5 ms\\n'; sleep 0.5; echo over";
    let pattern = r"step (?P<iteration>\d+) loss (?P<loss>\S+) (?P<step_time_ms>[\d.]+) ms";
    let arguments = [
        "run",
        "--live",
        "table",
        "--pattern",
        pattern,
        "--",
        "sh",
        "-c",
        script,
        "\x1b[2J\x1b]0;argv\x07",
        "\u{202e}",
    ];
    let session = screen.start(env.effllm(arguments));
    assert_eq!(session.wait().code(), Some(0));
    screen.wait_for("report: effllm-report.json");
    let bytes = String::from_utf8_lossy(&screen.bytes()).into_owned();
    // Once each, by the command itself.
    assert_eq!(bytes.matches("\x1b[2J").count(), 1, "{bytes:?}");
    assert_eq!(bytes.matches("\x1b]0;").count(), 1, "{bytes:?}");
    assert!(!bytes.contains('\u{202e}'));
}

#[test]
fn sizes_are_bounded() {
    let env = TestEnv::new();
    // A line without an end, of 64 MB, and a pattern that would like all of it.
    let script = "head -c 64000000 /dev/zero | tr '\\0' x; echo; echo 'step 1 took 5 ms'; grep VmHWM /proc/$PPID/status >&2";
    let pattern = r"step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+) ms";
    let done = env.effllm(["run", "-q", "--pattern", pattern, "--", "sh", "-c", script]).done();
    assert_eq!((done.code(), done.stdout.len()), (Some(0), 64_000_000 + 1 + 17));
    let peak: u64 =
        done.stderr().split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("a size");
    assert!(peak < 100_000, "{peak} kB");
    assert_eq!(env.report().at("iterations.last"), 1);
}
