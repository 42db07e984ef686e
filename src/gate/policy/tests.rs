use super::*;
use crate::error::Location;
use crate::report::Status;
use crate::report::samples::counted as report;

/// A policy of requirements alone.
pub fn requiring(expressions: &[&str]) -> Policy {
    policy(expressions, Vec::new(), false).unwrap()
}

fn policy(expressions: &[&str], baselines: Vec<NamedReport>, allow_no_data: bool) -> Result<Policy, Error> {
    let (warn, require): (Vec<&str>, Vec<&str>) =
        expressions.iter().partition(|text| text.starts_with("warn "));
    let parse = |text: &str| text.trim_start_matches("warn ").parse().unwrap();
    let policy = Policy {
        require: require.into_iter().map(parse).collect(),
        warn: warn.into_iter().map(parse).collect(),
        baselines,
        min_iterations: 10,
        min_seconds: 0.0,
        allow_no_data,
    };
    policy.check(|_| None).map(|()| policy)
}

#[test]
fn a_gate_is_as_good_as_its_worst_requirement() {
    use Verdict::{Fail, NoData, Pass};
    let mut report = report(100);
    report.metrics.al_seconds = Some(1.0);
    for (expressions, allow_no_data, verdict, results) in [
        (&["al <= 1 s"][..], false, Pass, &[Pass][..]),
        (&["al < 1 s"], false, Fail, &[Fail]),
        (&["al < 2 s", "al > 2 s"], false, Fail, &[Pass, Fail]),
        (&["al < 2 s", "warn al > 2 s"], false, Pass, &[Pass, Fail]),
        (&["warn pcu > 0.5"], false, Pass, &[NoData]),
        (&["al < 2 s", "pcu > 0.5"], false, NoData, &[Pass, NoData]),
        (&["al < 2 s", "pcu > 0.5"], true, Pass, &[Pass, NoData]),
        (&["al > 2 s", "pcu > 0.5"], true, Fail, &[Fail, NoData]),
        (&["al > 2 s", "pcu > 0.5"], false, Fail, &[Fail, NoData]),
    ] {
        let gate = policy(expressions, Vec::new(), allow_no_data).unwrap().judge(&report);
        assert_eq!(gate.verdict, verdict, "{expressions:?}");
        let each: Vec<Verdict> = gate.results.iter().map(|result| result.verdict).collect();
        assert_eq!(each, results, "{expressions:?}");
    }
}

#[test]
fn before_the_minimum_there_is_no_verdict() {
    let judge = |report: &Report, min_iterations, min_seconds| {
        let gate = Policy { min_iterations, min_seconds, ..requiring(&["al <= 1.5 s"]) }.judge(report);
        (gate.verdict, gate.results[0].reason.clone())
    };
    let mut few = report(4);
    few.metrics.al_seconds = Some(1.0);
    let none = |why: &str| (Verdict::NoData, Some(why.to_owned()));
    assert_eq!(judge(&few, 10, 0.0), none("only 4 of 10 iterations"));
    assert_eq!(judge(&few, 4, 0.0), (Verdict::Pass, None));
    assert_eq!(judge(&few, 1, 90.0), none("only 4.0 s of 1m 30s"));
    // The warm-up took all iterations: there will be some, so it is too early.
    let mut warming = report(0);
    warming.iterations.warmup = 3;
    warming.metrics.al_seconds = Some(1.0);
    assert_eq!(judge(&warming, 10, 0.0), none("only 0 of 10 iterations"));
    // A log without iterations will never have ten.
    let mut whole = report(0);
    whole.metrics.al_seconds = Some(1.0);
    assert_eq!(judge(&whole, 10, 0.0), (Verdict::Pass, None));
    whole.command.wall_seconds = Some(5.0);
    assert_eq!(judge(&whole, 10, 8.0), none("only 5.0 s of 8.0 s"));
}

#[test]
fn a_run_that_failed_does_not_pass_nor_does_one_that_goes_on() {
    let mut report = report(100);
    report.metrics.al_seconds = Some(1.0);
    let judge = |report: &Report, expression, allow_no_data| {
        let gate = policy(&[expression], Vec::new(), allow_no_data).unwrap().judge(report);
        (gate.verdict, gate.reason)
    };
    for (status, exit, verdict, reason) in [
        (Status::Completed, Some(Exit::Code(0)), Verdict::Pass, None),
        (Status::Completed, None, Verdict::Pass, None),
        (Status::Interrupted, None, Verdict::Pass, None),
        (Status::Completed, Some(Exit::Code(3)), Verdict::Fail, Some("command exit 3")),
        (
            Status::Interrupted,
            Some(Exit::Signal("SIGKILL".into())),
            Verdict::Fail,
            Some("command killed by SIGKILL"),
        ),
        (Status::Running, None, Verdict::NoData, Some("command still running")),
    ] {
        (report.status, report.command.exit) = (status, exit);
        let reason = reason.map(str::to_owned);
        assert_eq!(judge(&report, "al < 2 s", false), (verdict, reason.clone()));
        assert_eq!(judge(&report, "al < 1 s", false), (Verdict::Fail, reason));
    }
    assert_eq!(judge(&report, "al < 2 s", true).0, Verdict::Pass, "what is not known yet may be missing");
}

#[test]
fn what_is_not_known_is_told_with_its_reason() {
    let mut report = report(100);
    report.unavailable.insert("it_tokens_per_sec".into(), "no generated tokens in this log".into());
    let result = requiring(&["it >= 10"]).judge(&report).results.remove(0);
    assert_eq!(result.reason.as_deref(), Some("no generated tokens in this log"));
    assert_eq!((result.expected, result.actual, result.margin_ratio), (Some(10.0), None, None));
}

#[test]
fn a_result_holds_the_limit_and_the_margin() {
    let mut report = report(100);
    report.metrics.al_seconds = Some(1.412);
    let mut earlier = report.clone();
    earlier.metrics.al_seconds = Some(1.231);
    let baselines = vec![("b.json".into(), earlier)];
    let gate = policy(&["al <= baseline * 1.02"], baselines, false).unwrap().judge(&report);
    let result = &gate.results[0];
    assert_eq!(result.expected, Some(1.231 * 1.02));
    assert!((result.margin_ratio.unwrap() + 0.12454).abs() < 1e-4);
    assert_eq!(result.baseline, Some(Baseline { median: 1.231, runs: 1, spread_ratio: None }));
}

#[test]
fn a_limit_within_the_noise_is_told() {
    let baseline = |al| {
        let mut report = report(100);
        report.metrics.al_seconds = Some(al);
        ("b.json".to_owned(), report)
    };
    let warned = |expression, times: &[f64]| {
        let baselines = times.iter().copied().map(baseline).collect();
        let mut report = report(100);
        policy(&[expression], baselines, false).unwrap().apply(&mut report);
        report.warnings
    };
    assert_eq!(
        warned("al <= baseline * 1.05", &[0.9, 1.0, 1.1]),
        [
            "'al <= baseline * 1.05' may fail by chance: its limit is within the baselines' spread of ±10.0 %; \
          allow two or three times that"
        ]
    );
    for quiet in ["al <= baseline * 1.15", "al < 1 s"] {
        assert_eq!(warned(quiet, &[0.9, 1.0, 1.1]), Vec::<String>::new(), "{quiet}");
    }
    assert_eq!(warned("al <= baseline", &[1.0]), Vec::<String>::new(), "of one run the spread is not known");
}

#[test]
fn a_baseline_that_is_no_measure_is_told_and_a_failed_run_blames_none() {
    let run = |iterations, status, exit| {
        let mut report = report(iterations);
        (report.metrics.al_seconds, report.status, report.command.exit) = (Some(1.0), status, exit);
        report
    };
    let warned = |expression, baseline: &Report, judged: &Report| {
        let baselines = vec![("b.json".to_owned(), baseline.clone())];
        let mut judged = judged.clone();
        policy(&[expression], baselines, false).unwrap().apply(&mut judged);
        judged.warnings
    };
    let done = |iterations| run(iterations, Status::Completed, Some(Exit::Code(0)));
    let ended = run(100, Status::Interrupted, Some(Exit::Signal("SIGTERM".into())));
    let none = Vec::<String>::new();
    assert_eq!(warned("al <= baseline", &done(100), &ended), none, "its own verdict speaks of that");
    for (baseline, why) in [
        (done(4), "only 4 of 10 iterations; use the report of a longer run, or lower --min-iterations"),
        (run(100, Status::Running, None), "command still running; use the report of a successful run"),
        (ended, "command killed by SIGTERM; use the report of a successful run"),
    ] {
        let warnings = warned("al <= baseline", &baseline, &done(100));
        let start = format!("the baseline b.json may be unreliable: {why}");
        assert!(warnings.len() == 1 && warnings[0].starts_with(&start), "{warnings:?}");
        assert_eq!(warned("al < 2 s", &baseline, &done(100)), none);
    }
}

#[test]
fn what_a_baseline_makes_certain_is_told() {
    let baseline = |pcu| {
        let mut report = report(100);
        (report.metrics.pcu_ratio, report.metrics.al_seconds) = (Some(pcu), Some(2.0));
        vec![("b.json".to_owned(), report)]
    };
    let with = |expression, pcu| policy(&[expression], baseline(pcu), false);
    let never = with("pcu >= baseline * 1.1", 0.95).unwrap_err();
    insta::assert_snapshot!(never.to_string(), @r"
    effllm: error: --require: 'pcu >= baseline * 1.1' can never hold: pcu is never above 1, and its limit is 1.045
      relax the limit, or choose another --baseline
    ");
    assert_eq!(never.location, Some(Location::Flag("require".to_owned())));
    assert_eq!(
        with("warn al < baseline - 2 s", 0.5).unwrap_err().location,
        Some(Location::Flag("warn".to_owned()))
    );
    assert!(with("pcu >= baseline * 1.1", 0.5).unwrap().warnings().is_empty());
    assert!(with("pcu >= baseline", 1.0001).unwrap().warnings().is_empty(), "it has been so");
    assert_eq!(
        with("pcu <= baseline * 1.1", 0.95).unwrap().warnings(),
        ["'pcu <= baseline * 1.1' can never fail: pcu is never above 1, and its limit is 1.045; move \
          the limit closer to the baseline"]
    );
}

#[test]
fn what_looks_like_a_slip_is_told_in_the_report() {
    let mut report = report(100);
    requiring(&["pcu >= 0.85 %"]).apply(&mut report);
    assert_eq!(report.warnings, ["'pcu >= 0.85 %': 0.85 % is 0.0085; did you mean 85 %?"]);
}

#[test]
fn what_can_never_be_judged_is_an_error_at_once() {
    let error = |baselines| policy(&["pcu >= baseline"], baselines, false).unwrap_err().to_string();
    let without = error(Vec::new());
    let lacking = error(vec![("b.json".into(), report(100))]);
    insta::assert_snapshot!(format!("{without}\n\n{lacking}"));
    assert!(policy(&["pcu >= baseline"], Vec::new(), true).is_ok());
}
