//! Random trainings: whatever happens to them, every figure of the report is right within 2 %, or null with a reason.
//!
//! `PROPTEST_CASES` tries more of each framework, `EFFLLM_FUZZ_SEED` others.

use std::env;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};

use super::case::{Case, Framework, Job, Part};
use super::frameworks::hf_trainer::Tokens;
use super::frameworks::plain::Line;
use super::program::Step;

/// Cases of each framework.
const CASES: u64 = 260;
/// Lines that each part of a training has at least: one says nothing of how many iterations it speaks of.
const LEAST_LINES: u64 = 3;
/// The iterations of each part take at least so many seconds: lines arrive some tenths of a millisecond late.
const LEAST_SECONDS: f64 = 2.0;

fn step() -> impl Strategy<Value = Step> {
    let seconds = prop_oneof![3 => 0.01..0.3, 1 => 0.3..2.5];
    let lengths = prop::sample::select(vec![128.0, 512.0, 4096.0]);
    (seconds, prop::sample::select(vec![4.0, 8.0, 64.0]), lengths, 1..100u32).prop_map(
        |(seconds, samples, length, millions)| Step {
            seconds,
            samples,
            tokens: samples * length,
            parameters: f64::from(millions) * 1e6,
        },
    )
}

fn job() -> impl Strategy<Value = Job> {
    let interval = prop::sample::select(vec![1u64, 2, 5, 10, 20]);
    let evaluation = prop::option::weighted(0.3, (1..4u64, 0.2..5.0));
    (interval, LEAST_LINES..20, step(), evaluation).prop_map(|(log_interval, lines, step, evaluation)| Job {
        total: log_interval * lines.max(least_lines(log_interval, &step)),
        log_interval,
        step,
        evaluation: evaluation.map(|(intervals, seconds)| (intervals * log_interval, seconds)),
    })
}

/// The lines of a training of [`LEAST_SECONDS`].
fn least_lines(log_interval: u64, step: &Step) -> u64 {
    (LEAST_SECONDS / (step.seconds * log_interval as f64)).ceil() as u64
}

/// All parts of one or two jobs: made at once, resumed, crashed and resumed, or one after the other.
fn parts(resumes: bool) -> BoxedStrategy<Vec<Part>> {
    let whole = |job: Job| Part { job, resumed: 0, until: job.total };
    let once = job().prop_map(move |job| vec![whole(job)]);
    // Where an evaluation hides the time of some iterations, those of a job count less: only one of the same steps.
    // Nor does the first interval, of which a log may not tell when it began, weigh much in many.
    let quiet =
        move |job: Job| whole(Job { evaluation: None, total: job.total.max(60 * job.log_interval), ..job });
    let jobs = (job(), job()).prop_map(move |(first, second)| vec![quiet(first), quiet(second)]);
    let again = job().prop_map(move |job| vec![whole(job), whole(job)]);
    if !resumes {
        return prop_oneof![3 => once, 2 => jobs, 1 => again].boxed();
    }
    let resumed = (job(), 1..600u64).prop_map(|(job, before)| {
        let resumed = before * job.log_interval;
        let job = Job { total: resumed + job.total, ..job };
        vec![Part { job, resumed, until: job.total }]
    });
    let crashed = (job(), LEAST_LINES..20, 0..1000u64, 0..1000u64).prop_map(|(job, lines, after, back)| {
        let lines = lines.max(least_lines(job.log_interval, &job.step));
        let until = job.log_interval * lines + after % job.log_interval;
        let resumed = (lines - back % (lines + 1)) * job.log_interval;
        let job = Job { total: until.max(resumed) + job.total, ..job };
        vec![Part { job, resumed: 0, until }, Part { job, resumed, until: job.total }]
    });
    prop_oneof![2 => once, 1 => jobs, 1 => again, 2 => resumed, 3 => crashed].boxed()
}

/// Cases of a framework.
fn cases(framework: impl Strategy<Value = Framework>, resumes: bool) -> impl Strategy<Value = Case> {
    let bar = (2..400u64, 0.005..0.1f64);
    let preparation = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(bar, 1..3)];
    let buffers =
        prop_oneof![3 => Just(0usize), 2 => prop::sample::select(vec![100, 512, 4096, 8192, 65_536])];
    (framework, parts(resumes), preparation, buffers, 0.0..0.01)
        .prop_map(|(framework, parts, preparation, buffer, jitter)| Case {
            framework,
            parts,
            preparation,
            buffer,
            jitter,
        })
        .prop_filter("it can be known", |case| {
            case.buffer == 0 || !case.repeats_little() && !case.is_blurred()
        })
}

/// Measures random cases. The test's output has all that are wrong, the panic the shortest of them.
#[track_caller]
fn try_all(cases: impl Strategy<Value = Case>) {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("EFFLLM_FUZZ_SEED").unwrap_or(1);
    let tried = number("PROPTEST_CASES").unwrap_or(CASES);
    let config = ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let (mut wrong, mut timed) = (Vec::new(), 0);
    for _ in 0..tried {
        let case = cases.new_tree(&mut runner).expect("a case").current();
        let (program, report) = case.measure();
        timed += u64::from(report.metrics.al_seconds.is_some());
        let contradicted = program.truth.wrong_in(&report);
        if !contradicted.is_empty() {
            let warnings = report.warnings.iter().map(|warning| format!("  warning: {warning}\n"));
            let shown = format!("{case}\n{contradicted}{}", warnings.collect::<String>());
            println!("{shown}");
            wrong.push((program.truth.work.iterations, shown));
        }
    }
    wrong.sort();
    let shortest: String = wrong.iter().take(3).map(|(_, case)| format!("{case}\n")).collect();
    assert!(
        wrong.is_empty(),
        "with the seed {seed}, {} of {tried} are neither right nor null with a reason:\n{shortest}",
        wrong.len()
    );
    assert!(2 * timed >= tried, "only {timed} of {tried} are timed");
}

#[test]
fn random_trainers() {
    let tokens = prop::sample::select(vec![Tokens::Unlogged, Tokens::Seen, Tokens::Trl, Tokens::Throughput]);
    let skips = prop_oneof![Just(0.0), 0.5..5.0];
    let trainers = (any::<bool>(), tokens, skips)
        .prop_map(|(header, tokens, skip_seconds)| Framework::Trainer { header, tokens, skip_seconds });
    // Without a header, only the bar's first position after its jump tells where a short training resumed.
    let is_known = |case: &Case| {
        let is_long = |part: &Part| {
            let Part { resumed, until, job } = part;
            *resumed == 0 || job.step.seconds >= 0.12 || (until - resumed) as f64 * job.step.seconds > 10.0
        };
        // A loss from a buffer tells of no bar: which one is the training's only the header knows then.
        let is_told = case.buffer == 0 && case.parts.iter().all(is_long);
        !matches!(case.framework, Framework::Trainer { header: false, .. }) || is_told
    };
    try_all(cases(trainers, true).prop_filter("its resume can be known", is_known));
}

#[test]
fn random_megatron_jobs() {
    let megatron =
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(is_last_node, echoes, is_core_016)| {
            Framework::Megatron { is_last_node, echoes, is_core_016 }
        });
    try_all(cases(megatron, true));
}

#[test]
fn random_nanogpt_loops() {
    let launch = prop::option::of(0.02..0.9);
    try_all(cases(launch.prop_map(|launch| Framework::NanoGpt { launch }), true));
}

#[test]
fn random_torchtitan_jobs() {
    let ranks = (1..3u32, 0..6usize);
    try_all(cases(ranks.prop_map(|(ranks, late_steps)| Framework::Torchtitan { ranks, late_steps }), true));
}

#[test]
fn random_litgpt_jobs() {
    let optimizer = (1..9u64, 0.0..0.1);
    let litgpt = optimizer
        .prop_map(|(accumulation, optimizer_seconds)| Framework::LitGpt { accumulation, optimizer_seconds });
    try_all(cases(litgpt, false));
}

#[test]
fn random_lightning_trainers() {
    try_all(cases((1..4u64).prop_map(|epochs| Framework::Lightning { epochs }), false));
}

/// A loop that tells neither of its evaluations nor of its start: only a step back shows that it began again.
fn is_plain(case: &Case) -> bool {
    let parts = &case.parts;
    let is_seamless =
        parts.windows(2).any(|two| two[1].resumed >= two[0].until - two[0].until % two[0].job.log_interval);
    let evaluates = parts.iter().any(|part| part.job.evaluation.is_some());
    !is_seamless && !evaluates
}

#[test]
fn random_deepspeed_jobs() {
    try_all(cases(Just(Framework::DeepSpeed), true).prop_filter("it tells enough", is_plain));
}

#[test]
fn random_loops_of_ones_own() {
    let lines = prop::sample::select(vec![Line::Loss, Line::Timed, Line::Counting]);
    try_all(cases(lines.prop_map(Framework::Plain), true).prop_filter("it tells enough", is_plain));
}
