use super::*;
use crate::report::samples::counted as report;
use crate::report::{Exit, IterationSeries, Status};

/// A run whose iterations take these times.
pub fn run(times: &[f64]) -> Report {
    let mut report = report(times.len() as u64);
    let total: f64 = times.iter().sum();
    report.metrics.al_seconds = Some(total / times.len() as f64);
    report.metrics.tokens_per_sec = Some(times.len() as f64 * 1000.0 / total);
    report.series.iterations = IterationSeries {
        records_per_point: 1,
        iteration: (0..times.len()).map(|i| Some(i as f64 + 1.0)).collect(),
        latency_seconds: times.iter().map(|time| Some(*time)).collect(),
        ..IterationSeries::default()
    };
    report
}

/// Times around a mean, by a fixed pattern.
pub fn noisy(mean: f64, noise: f64, n: u32) -> Vec<f64> {
    (0..n).map(|i| mean + noise * (f64::from(i) * 12.9898).sin()).collect()
}

fn compared(a: &Report, b: &Report) -> Comparison {
    compare(&[("a".into(), a.clone()), ("b".into(), b.clone())])
}

fn change_of(comparison: &Comparison, name: &str) -> Change {
    let row = comparison.metrics.iter().find(|row| row.name == name).unwrap();
    row.changes[0].unwrap()
}

#[test]
fn faster_is_better_and_so_are_more_tokens() {
    let comparison = compared(&run(&noisy(1.231, 0.01, 500)), &run(&noisy(1.187, 0.01, 500)));
    for (name, ratio) in [("al_seconds", -0.0357), ("tokens_per_sec", 0.0371)] {
        let change = change_of(&comparison, name);
        assert!((change.ratio.unwrap() - ratio).abs() < 1e-3, "{change:?}");
        assert_eq!(change.direction, Direction::Better);
        let test = change.rank_test.unwrap();
        assert!(test.test.p < 0.001 && test.counts == [500, 500]);
    }
}

#[test]
fn a_change_within_the_noise_is_undecided() {
    let (mut a, mut b) = (run(&noisy(1.2, 0.1, 500)), run(&noisy(1.201, 0.1, 490)));
    assert_eq!(change_of(&compared(&a, &b), "al_seconds").direction, Direction::Undecided);
    assert_eq!(change_of(&compared(&a, &b), "tokens_per_sec").direction, Direction::Undecided);
    // With more work in an iteration the rate does not follow from its time.
    a.metrics.tokens_per_sec = a.metrics.tokens_per_sec.map(|rate| 1.01 * rate);
    let tokens = change_of(&compared(&a, &b), "tokens_per_sec");
    assert_eq!((tokens.rank_test, tokens.direction), (None, Direction::Untested));
    b.metrics.al_seconds = None;
    assert_eq!(change_of(&compared(&a, &b), "tokens_per_sec").rank_test, None);
}

#[test]
fn what_no_test_speaks_for_is_neither_better_nor_worse() {
    let (mut a, mut b) = (run(&noisy(1.0, 0.01, 500)), run(&noisy(2.0, 0.01, 500)));
    for (metrics, factor) in [(&mut a.metrics, 1.0), (&mut b.metrics, 2.0)] {
        metrics.each_mut().for_each(|(_, value)| *value = value.or(Some(10.0 * factor)));
    }
    let comparison = compared(&a, &b);
    let told = |row: &&MetricComparison| row.changes[0].unwrap().direction != Direction::Untested;
    let told: Vec<&str> = comparison.metrics.iter().filter(told).map(|row| row.name).collect();
    assert_eq!(told, ["al_seconds", "al_p50_seconds", "tokens_per_sec"]);
    let few = compared(&run(&[1.0; 7]), &run(&[2.0; 7]));
    assert_eq!(change_of(&few, "al_seconds").direction, Direction::Untested);
}

#[test]
fn a_mean_that_a_few_slow_iterations_turn_is_not_what_the_test_has_found() {
    let mut stalled = noisy(0.9, 0.01, 500);
    stalled.iter_mut().take(5).for_each(|time| *time = 30.0);
    let (mut a, mut b) = (run(&noisy(1.0, 0.01, 500)), run(&stalled));
    (a.metrics.al_p50_seconds, b.metrics.al_p50_seconds) = (Some(1.0), Some(0.9));
    let comparison = compared(&a, &b);
    for (name, direction) in [
        ("al_seconds", Direction::Untested),
        ("tokens_per_sec", Direction::Untested),
        ("al_p50_seconds", Direction::Better),
    ] {
        let change = change_of(&comparison, name);
        assert_eq!(change.direction, direction, "{name}");
        assert_eq!(change.rank_test.is_some(), direction == Direction::Better, "{name}");
    }
}

#[test]
fn means_of_several_iterations_are_not_compared_with_single_times() {
    let mut tens = run(&noisy(1.0, 0.1, 100));
    tens.series.iterations.iteration = (1..=100).map(|i| Some(10.0 * f64::from(i))).collect();
    let single = run(&noisy(1.1, 0.1, 400));
    assert_eq!(change_of(&compared(&tens, &single), "al_seconds").direction, Direction::Untested);
    assert!(change_of(&compared(&tens, &tens), "al_seconds").direction == Direction::Same);
    // Single iterations as well, merged by tens.
    tens.series.iterations.records_per_point = 10;
    assert!(Times::of(&tens).is_like(&Times::of(&single)));
}

#[test]
fn a_history_that_was_merged_is_compared_with_one_merged_likewise() {
    let times = noisy(1.0, 0.1, 800);
    let mut merged = run(&times);
    let mut points = Times { seconds: times.clone(), records_per_point: 1, iterations_per_record: None };
    points.thin(4);
    merged.series.iterations.records_per_point = 4;
    merged.series.iterations.iteration = vec![None; 200];
    merged.series.iterations.latency_seconds = points.seconds.into_iter().map(Some).collect();
    let test = change_of(&compared(&run(&times), &merged), "al_seconds").rank_test.unwrap();
    assert_eq!(test.counts, [200, 200]);
    assert!(test.test.p > 0.99, "{}", test.test.p);
}

#[test]
fn warm_up_iterations_are_left_out() {
    let mut a = run(&noisy(1.0, 0.1, 100));
    a.iterations.first = Some(51);
    let test = change_of(&compared(&a, &a), "al_seconds").rank_test.unwrap();
    assert_eq!(test.counts, [50, 50]);
}

#[test]
fn runs_that_are_differences_are_told() {
    let (mut a, mut b, c) = (report(1), report(1), report(0));
    a.model.global_batch_size.value = Some(32.0);
    b.model.global_batch_size.value = Some(64.0);
    (a.job.world_size, b.job.world_size) = (Some(8), Some(8));
    (a.log.profile, b.log.profile) = (Some("megatron".into()), Some("nemo".into()));
    a.model.parameters.value = Some(7.6e9); // what the other does not know is no difference
    assert_eq!(differences(&[&a, &b]), ["global batch size 32 vs 64", "profile megatron vs nemo"]);
    assert_eq!(differences(&[&a, &a]), Vec::<String>::new());
    assert_eq!(differences(&[&a, &c]), ["window training vs whole run"]);
}

#[test]
fn how_runs_ended_is_told_where_it_differs() {
    let (mut a, mut b) = (report(1), report(1));
    a.command.exit = Some(Exit::Code(0));
    let told = |a: &Report, b: &Report| compared(a, b).differences;
    assert_eq!(told(&a, &b), Vec::<String>::new(), "a log has no exit status");
    b.status = Status::Running;
    assert_eq!(told(&a, &b), ["command exit 0 vs still running"]);
    b.command.exit = Some(Exit::Signal("SIGKILL".into()));
    assert_eq!(told(&a, &b), ["command exit 0 vs killed by SIGKILL"]);
    assert_eq!(told(&a, &a), Vec::<String>::new());
}

#[test]
fn a_change_that_no_decimal_shows_is_none() {
    let (mut a, mut b) = (run(&noisy(1.0, 0.1, 500)), run(&noisy(1.0, 0.1, 500)));
    (a.metrics.aec_watts, b.metrics.aec_watts) = (Some(300.0), Some(299.999));
    (a.metrics.amu_gb, b.metrics.amu_gb) = (Some(70.0), Some(70.1));
    b.metrics.al_seconds = a.metrics.al_seconds.map(|seconds| seconds * (1.0 + 1e-9));
    let comparison = compared(&a, &b);
    for (name, direction) in
        [("aec_watts", Direction::Same), ("al_seconds", Direction::Same), ("amu_gb", Direction::Untested)]
    {
        assert_eq!(change_of(&comparison, name).direction, direction, "{name}");
    }
}

#[test]
fn values_that_are_missing_or_zero_make_no_ratio() {
    let (mut a, mut b) = (report(1), report(1));
    (a.metrics.pcu_ratio, b.metrics.pcu_ratio) = (Some(0.0), Some(0.5));
    a.metrics.aec_watts = Some(300.0);
    let comparison = compared(&a, &b);
    let change = change_of(&comparison, "pcu_ratio");
    assert_eq!((change.ratio, change.direction), (None, Direction::Untested));
    let power = comparison.metrics.iter().find(|row| row.name == "aec_watts").unwrap();
    assert_eq!((&power.values[..], &power.changes[..]), (&[Some(300.0), None][..], &[None][..]));
}
