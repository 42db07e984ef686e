//! Implausible records.

use std::process::Stdio;

use super::{BATCH, LENGTH, assert_metrics, header, line, read};
use crate::harness::process::kibibytes;
use crate::harness::{TestEnv, assert_near, until};

#[test]
fn one_line_that_lies_moves_no_metric() {
    let lines: Vec<String> = (1..=20).map(|i| line(i, BATCH * f64::from(i as u32), 500.0)).collect();
    let with = |at: usize, lie: String| {
        let mut lines = lines.clone();
        lines[at - 1] = lie;
        read("", header() + &lines.concat())
    };
    for (at, consumed) in [(11, 3.0), (11, 1760.0), (20, 3200.0), (1, 160.0)] {
        let report = with(at, line(at as u64, consumed, 500.0));
        assert_metrics(&report, 20.0, 10.0, 20.0 * BATCH);
        let told = "1 of the sample counts that the log states were left out";
        assert!(report.warnings().iter().any(|it| it.starts_with(told)), "{:?}", report.warnings());
    }
    let report = with(11, line(11, BATCH * 11.0, 1e9));
    assert_near(report.metric("al_seconds"), 0.5, 1e-9);
    assert_near(report.metric("samples_per_sec"), BATCH / 0.5, 1e-9);
    assert!(
        report
            .warnings()
            .iter()
            .any(|warning| warning.starts_with("1 of the iteration times that the log states"))
    );
}

#[test]
fn a_time_longer_than_the_run_is_left_out() {
    let env = TestEnv::new();
    let pattern = r"step (?P<iteration>\d+) took (?P<step_time_s>\S+) s";
    let script =
        "for took in 0.1 0.1 0.1 60 0.1; do sleep 0.15; i=$((i + 1)); echo step $i took $took s; done";
    let run = ["run", "--quiet", "--pattern", pattern, "--", "sh", "-c", script];
    let report = env.effllm(run).done().report();
    assert_near(report.metric("al_seconds"), 0.1, 1e-9);
    assert_eq!(report.at("iterations.count"), 5);
}

#[test]
fn a_line_that_lies_poisons_no_metric() {
    let good = |i: u64| line(i, BATCH * i as f64, 100.0);
    let eleventh = good(11);
    let replaced = |from: &str, to: &str| {
        let lie = eleventh.replace(from, to);
        assert_ne!(lie, eleventh);
        lie.into_bytes()
    };
    let lies: Vec<(&str, Vec<u8>)> = vec![
        (
            "10³⁰ samples",
            replaced("consumed samples:          176", &format!("consumed samples: 1{}", "0".repeat(30))),
        ),
        ("10¹⁵ samples", replaced("consumed samples:          176", "consumed samples: 1000000000000000")),
        ("no time", replaced("100.0", "0.0")),
        ("a negative time", replaced("100.0", "-5.0")),
        ("a time that is no number", replaced("100.0", "nan")),
        ("an endless time", replaced("100.0", &"9".repeat(400))),
        ("a loss that is no number", replaced("1.100000E+01", "NaN")),
        ("a loss without bounds", replaced("1.100000E+01", "-inf")),
        ("a batch of nothing", replaced("global batch size:    16", "global batch size:     0")),
        ("NULs", [b"\0\0\0\0".as_slice(), eleventh.as_bytes()].concat()),
        ("bytes that are no text", [b"\xff\xfe\xc3\x28 ".as_slice(), eleventh.as_bytes()].concat()),
        ("the line twice, glued", eleventh.trim_end().repeat(2).into_bytes()),
        ("an earlier line after it", (eleventh.clone() + &good(9)).into_bytes()),
        ("the line again from every rank", eleventh.repeat(8).into_bytes()),
        (
            "other text behind it",
            (eleventh.trim_end().to_owned() + " [rank3] iteration 12/ 20 | nonsense\n").into_bytes(),
        ),
        ("a line without end", [&vec![b'x'; 300_000], b"\n".as_slice(), eleventh.as_bytes()].concat()),
    ];
    for (what, lie) in lies {
        let before: String = (1..=10).map(good).collect();
        let after: String = (12..=20).map(good).collect();
        let lie = if lie.ends_with(b"\n") { lie } else { [&lie, b"\n".as_slice()].concat() };
        let report = read("", [header().as_bytes(), before.as_bytes(), &lie, after.as_bytes()].concat());
        assert_eq!(report.at("iterations.count"), 20, "{what}");
        let near = |name: &str, value: f64| {
            assert!(
                (report.metric(name) / value - 1.0).abs() < 1e-9,
                "{what}: {name} {}",
                report.metric(name)
            )
        };
        near("al_seconds", 0.1);
        near("samples_per_sec", 160.0);
        near("tokens_per_sec", 160.0 * LENGTH);
        assert_near(report.number("iterations.samples"), 320.0, 1e-9);
        assert_eq!(report.number("iterations.loss_last"), 11.0, "{what}");
        assert_eq!(report.number("model.global_batch_size.value"), 16.0, "{what}");
    }
}

#[test]
fn an_iteration_beyond_all_numbers_is_none() {
    let good = |i: u64| line(i, BATCH * i as f64, 100.0);
    let lie = good(6).replace("iteration        6/", &format!("iteration {}/", "9".repeat(30)));
    let report = read("", header() + &(1..=5).map(good).collect::<String>() + &lie + &good(6));
    assert_metrics(&report, 6.0, 0.6, 96.0);
}

#[test]
fn an_absurd_jump_changes_no_rate() {
    // In the middle, and from the very first line.
    for jump in [11, 2] {
        let mut log = header();
        for i in 1..=20 {
            let iteration = if i == jump { 3_000_000_000 } else { 1_000_000_000 + i };
            // Within the job's end: what lies beyond it is no iteration at all.
            log += &line(iteration, BATCH * iteration as f64, 100.0).replace("/   20000 ", "/9999999999 ");
        }
        let report = read("", log);
        assert_near(report.metric("al_seconds"), 0.1, 1e-9);
        assert_near(report.metric("samples_per_sec"), 160.0, 1e-9);
        // Where nothing else is known of the steps, it takes some lines to see which one lied.
        let count = report.number("iterations.count");
        assert!((17.0..=20.0).contains(&count), "jump at {jump}: {count}");
    }
}

#[test]
fn a_line_of_a_gigabyte_is_passed_on_in_little_memory() {
    let env = TestEnv::new();
    env.write("train.log", header() + &line(1, 16.0, 100.0) + &line(2, 32.0, 100.0));
    let script = "head -c 1000000000 /dev/zero; echo; cat train.log; touch printed; until [ -e stop ]; do sleep 0.02; done";
    let mut call = env.run("", script);
    call.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let session = call.spawn();
    until("the end of the line", || env.exists("printed"));
    let peak = kibibytes(session.pid(), "VmHWM");
    assert!(peak < 64 * 1024, "{peak} KiB");
    env.write("stop", "");
    let report = session.wait().report();
    assert_metrics(&report, 2.0, 0.2, 32.0);
    assert!(report.number("log.bytes") > 1e9);
}
