//! Phases: every metric of the headline covers the iterations' own time, whatever lies between them and however
//! their lines are buffered.

use std::fs;

use serde_json::Value;

use crate::harness::{ROOT, Report, TestEnv, assert_near};

const RULES: &str = r"facts = ['seq (?P<sequence_length>\d+)', 'batch (?P<global_batch_size>\d+)', 'parameters (?P<parameters>\d+)']
[pause]
evaluation = ['evaluated']
[[record]]
line = 'step (?P<iteration>\d+)'
fields = ['took (?P<step_time_ms>[\d.]+) ms', 'loss (?P<loss>\S+)']
";

/// `effllm run` of a script, by these rules.
fn run(env: &TestEnv, options: &str, script: &str) -> Report {
    env.write("rules.toml", RULES);
    env.run(&format!("--rules rules.toml {options}"), script).done().report()
}

#[test]
fn joules_and_tokens_cover_the_same_time_around_an_evaluation() {
    let mut env = TestEnv::new();
    // The program begins its phases at whole seconds of the GPUs' own clock, whose zero the library's log tells.
    env.gpus("gpu = [{ count = 2, power_watts = { steps = [[0, 600], [5, 100], [8, 600]] } }]");
    env.write(
        "train.py",
        r#"
import json, time
while True:
    try:
        call = json.loads(open("nvml-calls.jsonl").readline())
        break
    except (OSError, ValueError):
        time.sleep(0.01)
zero = call["mono_ns"] / 1e9 - call["t"]
def at(second):
    time.sleep(max(0.0, zero + second - time.monotonic()))
    if time.monotonic() > zero + second + 0.02:
        open("late", "w")
print("seq 128\nbatch 8", flush=True)
at(3)
for step in range(1, 21):
    at(3 + step / 10)
    print(f"step {step} took 100.0 ms", flush=True)
at(8)
print("evaluated", flush=True)
for step in range(21, 41):
    at(8 + (step - 20) / 10)
    print(f"step {step} took 100.0 ms", flush=True)
"#,
    );
    // A machine that has no time for the program lets it do something else than this.
    let report = (0..10).find_map(|_| {
        let _ = fs::remove_file(env.path("late"));
        let _ = fs::remove_file(env.path("nvml-calls.jsonl"));
        let report = run(&env, "--interval 0.05 --gpus 0,1", "python3 train.py");
        (!env.exists("late")).then_some(report)
    });
    let report = report.expect("a run in which the program was never late");
    let watts = report.metric("aec_total_watts");
    assert_near(watts, 1200.0, 0.01);
    assert_near(report.metric("joules_per_token") * report.metric("tokens_per_sec"), watts, 0.005);
    assert_near(report.metric("joules_per_iteration"), 120.0, 0.01);
    assert_near(report.number("phases.train.sums.seconds"), 4.0, 0.01);
    assert_near(report.number("phases.pause.sums.seconds"), 3.0, 0.03);
    assert_eq!(report.text("phases.pause.longest.0.name"), "evaluation");
    assert_near(report.number("phases.pause.metrics.energy_joules"), 600.0, 0.1);
    let page = env.effllm(["report", "effllm-report.json", "--format", "html"]).done().printed();
    let energy = page.split("Where the energy went").nth(1).and_then(|rest| rest.split("</section>").next());
    assert!(energy.is_some_and(|energy| energy.contains("evaluation")), "{energy:?}");
}

/// Truth and report of a buffered program: `effllm` reads it as it runs, beside it, or from its log.
fn assert_buffered(report: &Report, truth: f64, case: &str) {
    let Some(al) = report.at("metrics.al_seconds").as_f64() else {
        assert!(!report.why_null("al_seconds").is_empty(), "{case}");
        assert!(report.at("metrics.tokens_per_sec").is_null(), "{case}");
        return;
    };
    assert!((al - truth).abs() <= 0.02 * truth, "{case}: {al} of {truth}");
    assert_near(report.metric("tokens_per_sec") * al, 1024.0, 1e-9);
}

const PATTERN: &str = r"step (?P<iteration>\d+), loss (?P<loss>\S+), (?P<tokens>\d+) tokens";

#[test]
fn iterations_of_a_buffered_program_take_their_own_time_or_have_none() {
    let few = [1, 512, 65_536].map(|buffer| (30, 0.05, buffer));
    let many = [1, 512, 4096, 65_536].map(|buffer| (400, 0.01, buffer));
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ power_watts = 400 }]");
    let program = format!("{ROOT}/fixtures/programs/steps.py");
    let mut timed = 0;
    for (steps, seconds, buffer) in few.into_iter().chain(many) {
        let truth = format!("{steps}-{buffer}.truth");
        let script = format!("exec python3 {program} {steps} {buffer} {seconds} {truth}");
        let report = format!("{steps}-{buffer}.json");
        env.effllm(
            ["run", "-q", "--interval", "0.1", "--gpus", "0", "-o", &report, "--pattern", PATTERN, "--"]
                .into_iter()
                .chain(["sh", "-c", &format!("{{ {script}; }} | tee {steps}-{buffer}.log")]),
        )
        .done();
        let truth: Value = serde_json::from_str(&env.read(&truth)).expect("JSON");
        let truth = truth["seconds_per_step"].as_f64().expect("a number");
        let of_run = Report::parse(&env.read(&report));
        let case = format!("{steps} steps, {buffer} bytes");
        assert_buffered(&of_run, truth, &case);
        if let Some(joules) = of_run.at("metrics.joules_per_iteration").as_f64() {
            timed += 1;
            assert_near(joules, 400.0 * truth, 0.02);
        }
        let log = format!("{steps}-{buffer}.log");
        let of_log = env.effllm(["parse", "--json", "--pattern", PATTERN, &log]).done().stdout();
        assert!(Report::parse(&of_log).at("metrics.al_seconds").is_null(), "a log without times");
    }
    assert!(timed >= 3, "{timed} of the cases can be timed");
}

#[test]
fn a_log_that_a_buffered_program_writes_is_timed_by_monitor_too() {
    let env = TestEnv::new();
    let program = format!("{ROOT}/fixtures/programs/steps.py");
    // The log is read every 100 ms: over 18 s that is little.
    let script = format!("python3 {program} 1800 512 0.01 truth >> train.log");
    let monitor = format!("$effllm monitor -q --log train.log --pattern '{PATTERN}' --gpus none");
    env.write("train.log", "");
    env.sh(&format!("{monitor} --pid $$ & sleep 1; {script}; kill -TERM $!; wait $!")).done();
    let truth: Value = serde_json::from_str(&env.read("truth")).expect("JSON");
    let truth = truth["seconds_per_step"].as_f64().expect("a number");
    let report = env.report();
    assert!(report.number("iterations.count") >= 1780.0, "{:#}", report.at("iterations"));
    assert_buffered(&report, truth, "monitor");
    assert!(report.at("metrics.al_seconds").is_f64(), "{}", report.why_null("al_seconds"));
}

#[test]
fn sizes_hold_from_where_they_are_stated() {
    let env = TestEnv::new();
    let steps = |from: u32, to: u32| {
        format!("for i in $(seq {from} {to}); do sleep 0.01; echo \"step $i took 10.0 ms\"; done")
    };
    let script = format!(
        "echo seq 1024; echo batch 8; {}; echo seq 512; {}; echo seq 65536; echo parameters 99",
        steps(1, 20),
        steps(21, 40)
    );
    let report = run(&env, "--gpus none", &script);
    assert_eq!(report.number("iterations.tokens"), f64::from(20 * 8 * 1024 + 20 * 8 * 512));
    assert_eq!(report.number("model.sequence_length.value"), 512.0);
    assert!(
        report.warnings().iter().any(|warning| warning.contains("from 1024 to 512")),
        "{:?}",
        report.warnings()
    );
    assert!(report.why_null("tt_tokens_per_param_per_sec").contains("only after the last iteration"));
    let late = run(&env, "--gpus none", &format!("echo batch 8; {}; echo seq 4096", steps(1, 20)));
    assert!(late.at("iterations.tokens").is_null() && late.at("metrics.tokens_per_sec").is_null());
    let models = format!("echo parameters 1000; {}; echo parameters 2000; {}", steps(1, 20), steps(21, 40));
    let models = run(&env, "--gpus none", &format!("echo batch 8; {models}"));
    assert!(models.why_null("st_samples_per_param_per_sec").contains("1000 and of 2000"));
}

#[test]
fn generated_tokens_have_the_energy_of_the_time_in_which_they_were_generated() {
    let mut env = TestEnv::new();
    env.gpus("gpu = [{ count = 2, power_watts = 300 }]");
    let pattern = r"generated (?P<generated_tokens>\d+) tokens in (?P<generation_time_ms>\d+) ms";
    let script =
        "sleep 0.5; for i in 1 2 3 4 5; do sleep 0.4; echo 'generated 100 tokens in 400 ms'; done; sleep 0.5";
    env.effllm([
        "run",
        "-q",
        "--interval",
        "0.1",
        "--gpus",
        "0,1",
        "--pattern",
        pattern,
        "--",
        "sh",
        "-c",
        script,
    ])
    .done();
    let report = env.report();
    assert_eq!(report.text("window"), "generate");
    assert_near(report.metric("it_tokens_per_sec"), 250.0, 1e-9);
    assert_near(report.metric("joules_per_generated_token"), 600.0 / 250.0, 0.01);
    assert_near(report.number("phases.generate.sums.seconds"), 2.0, 0.05);
    assert!(!report.why_null("joules_per_token").is_empty());
}

#[test]
fn a_gate_on_a_metric_that_the_run_can_never_have_is_refused_before_it_starts() {
    let env = TestEnv::new();
    for (options, expression, why) in [
        (&["--gpus", "none"][..], "pcu >= 0.5", "with --gpus none no GPU is measured"),
        (&[], "mfu >= 0.4", "this version of effllm does not measure it"),
        (&["--stdio", "inherit"], "al <= 1 s", "with --stdio inherit the log is not read"),
        (&["--pattern", "step (?P<iteration>\\d+)"], "it >= 1", "the rules state no generated tokens"),
        (&["--pattern", "step (?P<iteration>\\d+)"], "tokens_per_sec >= 1", "there is no --seq-len"),
    ] {
        let call: Vec<&str> =
            [&["run", "--require", expression][..], options, &["--", "touch", "started"]].concat();
        let done = env.effllm(call).done();
        assert_eq!(done.code(), Some(2), "{expression}");
        assert!(done.stderr().contains(why) && !env.exists("started"), "{}", done.stderr());
    }
    let call = ["run", "-q", "--require", "mfu >= 0.4", "--allow-no-data", "--", "touch", "started"];
    assert_eq!(env.effllm(call).done().code(), Some(0));
}
