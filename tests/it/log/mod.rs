//! `effllm parse`: compressed logs, logs that grow, and why a log is read as it is.

mod forks;
mod profiles;
mod recorded;

use std::fs;
use std::io::Write;

use flate2::write::GzEncoder;
use nix::sys::signal::Signal;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

use crate::harness::{Call, TestEnv};

const RULES: &str = r"facts = ['seq_length (?P<sequence_length>\d+)']
pause = ['Saving checkpoint']
ignore = ['^DEBUG']

[[record]]
line = 'step (?P<iteration>\d+)\b'
fields = [
  'took (?P<step_time_ms>[\d.]+) ms',
  'loss=(?P<loss>\S+)',
]
";

const LOG: &str = "\
seq_length 2048
DEBUG step 1 took 5 ms

step 1 took 100 ms, loss: 3.25
step 2 took 300 ms, loss: 3.5
Evaluating
";

/// A folder with a log, and rules for it.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.write("rules.toml", RULES).write("log", LOG);
    env
}

/// `effllm parse ARGUMENTS`, with words and quotes as in a shell.
fn parse<'a>(env: &'a TestEnv, arguments: &str) -> Call<'a> {
    env.sh(&format!("exec $effllm parse {arguments}"))
}

/// What it prints. It succeeds, and has nothing to say on stderr.
#[track_caller]
fn printed(env: &TestEnv, arguments: &str) -> String {
    let done = parse(env, arguments).done();
    assert_eq!(done.stderr(), "");
    done.printed()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

// Compressed logs

#[test]
fn a_compressed_log_says_what_the_log_says() {
    let env = env();
    for (file, bytes) in [
        ("plain.log", LOG.as_bytes().to_vec()),
        ("plain.log.gz", gzip(LOG)),
        ("renamed", compress_to_vec(LOG.as_bytes(), CompressionLevel::Fastest)),
    ] {
        env.write(file, bytes);
        for form in ["", "--json", "--events", "--explain"] {
            let of = |script: &str, name: &str| env.sh(script).done().printed().replace(name, "LOG");
            let expected = of(&format!("$effllm parse --rules rules.toml {form} plain.log"), "plain.log");
            let read = of(&format!("$effllm parse --rules rules.toml {form} {file}"), file);
            assert!(read == expected, "{form} {file}: {read}");
            let piped = format!("$effllm parse --rules rules.toml {form} < {file}");
            let piped = env.sh(&piped).done().printed();
            assert!(piped.lines().last() == expected.lines().last(), "{form} < {file}: {piped}");
        }
    }
}

#[test]
fn a_damaged_log_is_reported_as_far_as_it_goes_and_then_told() {
    let env = env();
    let long: String =
        (1..20_000).map(|step| format!("step {step} took {}.{step} ms\n", step % 97)).collect();
    let compressed = gzip(&long);
    env.write("log.gz", &compressed[..compressed.len() / 2]);
    let printed = parse(&env, "--rules rules.toml --json log.gz").done();
    assert_eq!(
        printed.stderr(),
        "effllm: error: cannot read log.gz: it is compressed, and its end is missing\n  \
         copy it again; the part that could be read is above\n"
    );
    let report: Value = serde_json::from_str(&printed.stdout()).unwrap();
    assert!(report["iterations"]["count"].as_u64().is_some_and(|count| count > 1000));
    let warnings: Vec<String> = serde_json::from_value(report["warnings"].clone()).unwrap();
    assert!(warnings.iter().any(|warning| warning.starts_with("cannot read log.gz")), "{warnings:?}");

    let events = parse(&env, "--rules rules.toml --events log.gz").done();
    assert_eq!((events.code(), events.stderr()), (printed.code(), printed.stderr()));
    assert_eq!(events.stdout().lines().count() as u64, report["log"]["records"].as_u64().unwrap());
    let explained = parse(&env, "--rules rules.toml --explain log.gz").done();
    assert_eq!((explained.code(), explained.stderr()), (printed.code(), printed.stderr()));
    assert!(explained.stdout().starts_with("log.gz: "));
}

#[test]
fn what_is_no_readable_file_is_an_error_that_names_it() {
    let env = env();
    env.write("log.gz", gzip(LOG));
    for (arguments, what) in [
        ("nowhere", "cannot read nowhere: there is no such file"),
        (".", "cannot read .: it is a folder"),
        ("log/log", "cannot read log/log: Not a directory"),
        ("--follow .", "cannot read .: it is a folder"),
        ("--follow log.gz", "cannot follow log.gz: it is compressed"),
        ("--follow -", "--follow needs a file"),
        ("--follow", "--follow needs a file"),
        ("--explain --json log", "cannot be used with"),
    ] {
        let done = parse(&env, arguments).done();
        assert_eq!((done.code(), done.stdout()), (Some(2), String::new()), "{arguments}");
        assert!(done.stderr().contains(what), "{arguments}: {}", done.stderr());
    }
}

#[test]
fn a_pipe_that_is_named_as_a_file_is_read_once() {
    let env = env();
    let printed = env.sh("cat log | $effllm parse --rules rules.toml --events /dev/stdin").done().printed();
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["context"]["sequence_length"], 2048);
    assert_eq!((lines.len(), &lines[2]["iteration"]), (3, &json!(2)));
}

#[test]
fn a_log_that_cannot_be_read_to_its_end_passes_no_gate() {
    let env = env();
    env.write("log.gz", &gzip(LOG)[..40]);
    let printed = parse(&env, "--rules rules.toml --require 'al <= 99' --allow-no-data log.gz").done();
    assert_eq!(printed.code(), Some(2), "{}", printed.stderr());
}

// Logs that grow

#[test]
fn events_stream_as_the_log_grows_across_rotation() {
    let env = env();
    let following = parse(&env, "--rules rules.toml --events --follow log").start();
    following.wait_for("\"iteration\":2");
    env.append("log", "step 3 took 100 ms\n");
    following.wait_for("\"iteration\":3");
    fs::rename(env.path("log"), env.path("log.1")).unwrap();
    env.append("log", "step 4 took 100 ms\n");
    following.wait_for("\"iteration\":4");
    env.write("log", "step 5 took 100 ms\n");
    following.wait_for("\"iteration\":5");
    env.append("log", "step 6 took 100 ms");
    let printed = following.end_by(Signal::SIGINT).printed();
    assert!(printed.contains("\"iteration\":6"), "{printed}");
}

#[test]
fn console_lines_come_each_log_interval_and_the_summary_at_the_end() {
    let env = env();
    let following = parse(&env, "--rules rules.toml --log-interval 2 --follow log").start();
    following.wait_for("[EfficientLLM Metrics] Iteration 2:");
    following.wait_for("  AL (Seconds): 0.2000");
    env.append("log", "step 3 took 200 ms\nstep 4 took 600 ms\n");
    following.wait_for("[EfficientLLM Metrics] Iteration 4:");
    following.wait_for("  AL (Seconds): 0.3000");
    let followed = following.end_by(Signal::SIGTERM).printed();
    assert!(followed.ends_with(&printed(&env, "--rules rules.toml log")), "{followed}");
}

#[test]
fn a_reader_that_goes_away_ends_the_following() {
    let env = env();
    // After head's line there is nothing to print, so no failed write tells that it has gone.
    env.sh("$effllm parse --rules rules.toml --events --follow log | head -n 1").done().printed();
}

// Prefixes of launchers

/// What `--events` tells of a log, without the profile's name.
#[track_caller]
fn events(log: &str, rules: &str) -> Vec<Value> {
    let env = TestEnv::new();
    env.write("log", log);
    env.write("own.toml", rules);
    let rules = if rules.contains('\n') { "--rules own.toml".into() } else { format!("--pattern '{rules}'") };
    let printed = printed(&env, &format!("{rules} --events log"));
    let without_name = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        event.as_object_mut().unwrap().remove("profile");
        event
    };
    printed.lines().map(without_name).collect()
}

#[test]
fn what_looks_like_a_prefix_may_be_the_lines_own() {
    let numbered = "1: loss 2.5\n2: loss 2.25\n3: loss 2.125\n";
    let expected = [(1, 2.5), (2, 2.25), (3, 2.125)].map(|(i, loss)| json!({"iteration": i, "loss": loss}));
    for pattern in [
        r"(?P<iteration>\d+): loss (?P<loss>[\d.]+)",
        r"^(?P<iteration>\d+): loss (?P<loss>[\d.]+)$",
        // What a record's line says besides, each by itself.
        "[[record]]\nline = 'loss (?P<loss>[\\d.]+)'\nfields = ['^(?P<iteration>\\d+): ']",
    ] {
        assert_eq!(events(numbered, pattern), expected, "{pattern}");
        let ranks = numbered.lines().flat_map(|line| [format!("0: {line}\n"), format!("1: {line}\n")]);
        assert_eq!(events(&ranks.collect::<String>(), pattern), expected, "{pattern}, of two ranks");
    }
    let steps = "step-1: 5 ms\nstep-2: 7 ms\n";
    let pattern = r"step-(?P<iteration>\d+): (?P<step_time_s>\d+) ms";
    let expected = [(1, 5), (2, 7)].map(|(i, time)| json!({"iteration": i, "step_time_s": time}));
    assert_eq!(events(steps, pattern), expected);
    let pause =
        "pause = ['^save-\\d+: ']\nignore = ['^old-1: ']\n[[record]]\nline = 'step (?P<iteration>\\d+)'";
    let log = "step 1\nsave-1: done\nold-1: step 2\nstep 3\n";
    assert_eq!(events(log, pause), [json!({"iteration": 1}), json!({"iteration": 3})]);
}

#[test]
fn an_anchored_pattern_matches_behind_every_prefix_and_ranks_are_one() {
    let log = "\
step 1
[rank0]: step 2
[rank1]: step 2
(TaskRunner pid=7) step 3
[1,0]<stdout>:step 4
[1,1]<stdout>:step 4
node01: step 5
node02: step 5
0: [default0]:step 6
[INFO|trainer.py:2414] 2025-06-01 08:00:00,001 >> step 7
step 8
";
    let expected = (1..=8).map(|i| json!({"iteration": i})).collect::<Vec<_>>();
    assert_eq!(events(log, r"^step (?P<iteration>\d+)$"), expected);
    assert_eq!(events(log, "[[record]]\nline = '^step (?P<iteration>\\d+)$'"), expected);
    // A line that begins with a space of its own.
    let log = " step 1\n[default3]: step 2\n[rank0]:  step 3\n";
    assert_eq!(events(log, r"^ step (?P<iteration>\d+)"), expected[..3]);
}

// Timestamps

/// The mean time of an iteration, by the report of a log that a pattern reads.
fn iteration_time(log: &str, pattern: &str) -> Value {
    let env = TestEnv::new();
    env.write("log", log);
    let report: Value =
        serde_json::from_str(&printed(&env, &format!("--pattern '{pattern}' --json log"))).unwrap();
    report["metrics"]["al_seconds"].clone()
}

/// A number of seconds as minutes and seconds.
fn clock(seconds: u32) -> String {
    format!("{:02}:{:02}", 10 + seconds / 60, seconds % 60)
}

#[test]
fn a_line_that_begins_with_a_timestamp_has_it_without_a_group() {
    let step = r"step (?P<iteration>)\b";
    for stamp in [
        "[2024-09-14 19:%.250] ",
        "2024-07-17T00:%.620Z ",
        "2024-09-14 19:%,250 - INFO - ",
        "[INFO|trainer.py:1] 2024-09-14 19:%,250 >> ",
        "I0914 19:%.25 4711 main.cc:5] ",
        "0: [rank0]: 19:% ",
    ] {
        let line = |i: u32| format!("{}step {i}\n", stamp.replace('%', &clock(2 * i)));
        let log: String = (0..40).map(line).collect();
        assert_eq!(iteration_time(&log, step), 2.0, "{log}");
        assert_eq!(iteration_time(&log, &format!("^.*{step}")), 2.0, "{log}");
    }
    let stated = |i: u32| format!("[2024-09-14 19:{}] step {i} took 1.5 s\n", clock(2 * i));
    let stated: String = (0..40).map(stated).collect();
    assert_eq!(iteration_time(&stated, &format!("{step} took (?P<step_time_s>)")), 1.5);
    let group = |i: u32| format!("[2024-09-14 19:{}] step {i} at 10:{}\n", clock(2 * i), clock(3 * i));
    let group: String = (0..40).map(group).collect();
    assert_eq!(iteration_time(&group, &format!("{step} at (?P<timestamp>)")), 3.0);
    let elapsed = |i: u32| format!("[2024-09-14 19:{}] step {i} after {} s\n", clock(2 * i), 5 * i);
    let elapsed: String = (0..40).map(elapsed).collect();
    assert_eq!(iteration_time(&elapsed, &format!("{step} after (?P<elapsed_s>)")), 2.0);
}

// Why a log is read as it is

#[test]
fn an_explanation_says_what_matched_and_what_almost_did() {
    let explained = printed(&env(), "--rules rules.toml --explain log");
    let expected = "\
log: 5 lines, 2 progress records
profile: rules, chosen by --rules rules.toml

 rule     place         lines  last  its values there
 record   rules.toml:6      2     5  iteration 2
   field  rules.toml:8      2     5  step_time 0.3000
 fact     rules.toml:1      1     1  sequence_length 2048
 ignore   rules.toml:3      1     2

These never matched; the line closest to a match:

 rules.toml:9 field: loss=(?P<loss>\\S+)
   line 4: step 1 took 100 ms, loss: 3.25
                                   ^ then: =(?P<loss>\\S+)

These never matched, and no line comes close:

 rules.toml:2 pause: Saving checkpoint
";
    assert_eq!(explained, expected);
}

#[test]
fn an_explanation_counts_lines_that_tell_of_a_pause() {
    let env = env();
    env.append("log", "Saving checkpoint\nSaving checkpoint\n");
    let explained = printed(&env, "--rules rules.toml --explain log");
    assert!(explained.contains("\n pause    rules.toml:2      2     8\n"), "{explained}");
    assert!(!explained.contains("pause: Saving checkpoint"), "{explained}");
}

#[test]
fn an_explanation_names_the_line_that_chose_the_profile_and_compares_what_came_before() {
    let env = TestEnv::new();
    let iteration = " [2024-11-26 13:00:21] iteration        2/   12207 | consumed samples:           16 | \
                     elapsed time per iteration (ms): 1348.7 | learning rate: 9.9E-06 | lm loss: 1.193155E+01 |\n";
    env.write("log", format!("> number of parameters on the first pipeline rank: 5\n\n{iteration}"));
    let explained = printed(&env, "--explain log");
    assert!(
        explained.contains("\nprofile: megatron, which line 3 is written in:  [2024-11-26"),
        "{explained}"
    );
    let line = explained.lines().find(|line| line.starts_with("   line 1: > number of parameters on"));
    assert!(line.is_some(), "{explained}");
}

#[test]
fn where_no_profile_fits_each_says_what_it_saw() {
    let env = TestEnv::new();
    env.write("log", "hello\niteration 5 of 7 | loss 3\n");
    let explained = printed(&env, "--explain log");
    assert!(explained.contains("profile: none recognised this log"), "{explained}");
    let profiles = env.effllm(["profiles", "list"]).done().printed();
    for profile in profiles.lines().filter_map(|line| line.split_whitespace().next()) {
        assert!(
            explained.lines().any(|line| line.starts_with(&format!(" {profile} "))),
            "{profile}: {explained}"
        );
    }
    assert!(explained.contains("line 2: iteration 5 of 7"), "{explained}");
    assert!(explained.contains("effllm profiles show NAME"), "{explained}");
}

#[test]
fn an_explanation_takes_no_orders_from_the_log() {
    let env = TestEnv::new();
    env.write("log", "step 1\x1b[2J\u{202e} took 5\x07\n");
    let pattern = r"step (?P<iteration>\d+) took (?P<step_time_s>\d+)";
    let explained = printed(&env, &format!("--pattern '{pattern}' --explain log"));
    assert!(!explained.contains(['\x1b', '\u{202e}', '\x07']), "{explained:?}");
    assert!(explained.contains("--pattern record: step"), "{explained}");
}

#[test]
fn an_explanation_knows_what_looks_like_a_prefix() {
    let env = TestEnv::new();
    env.write("log", "[rank0]: step-1: 5 ms\n");
    let explained = |pattern: &str| printed(&env, &format!("--pattern '{pattern}' --explain log"));
    let matched = explained(r"^step-(?P<iteration>\d+): (?P<step_time_ms>\d+) ms");
    assert!(matched.contains("log: 1 lines, 1 progress records"), "{matched}");
    assert!(matched.contains("iteration 1, step_time 0.0050"), "{matched}");
    env.write("own.toml", "pause = ['^step-\\d+: ']\n[[record]]\nline = 'epoch (?P<epoch>\\d+)'\n");
    let paused = printed(&env, "--rules own.toml --explain log");
    assert!(paused.contains(" pause  own.toml:1      1     1"), "{paused}");
    // Each text that was tried is compared with the pattern.
    let within = explained(r"^step-(?P<iteration>\d+): (?P<step_time_s>\d+) s");
    assert!(within.contains("   line 1: step-1: 5 ms\n"), "{within}");
    let whole = explained(r"rank0\]: step-(?P<iteration>\d+) took");
    assert!(whole.contains("   line 1: [rank0]: step-1: 5 ms\n"), "{whole}");
}
