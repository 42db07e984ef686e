//! The environment, and the order of the layers.

use std::fs;

use insta::assert_snapshot;

use super::refused;
use crate::harness::{Report, TestEnv};

#[test]
fn bad_values_in_the_environment_are_named() {
    let said = |name: &str, value: &str| {
        let mut env = TestEnv::new();
        env.set(name, value);
        refused(&env, &[])
    };
    assert_snapshot!(said("EFFICIENTLLM_COLLECTION_INTERVAL", "often"), @r"
    effllm: error: EFFICIENTLLM_COLLECTION_INTERVAL: 'often' is not a number of seconds, as in 1.0 or 500ms
      correct it, or unset it: env -u EFFICIENTLLM_COLLECTION_INTERVAL …
    ");
    assert_snapshot!(said("EFFICIENTLLM_COLLECTION_INTERVAL", "0"), @r"
    effllm: error: EFFICIENTLLM_COLLECTION_INTERVAL: '0' must be between 0.01 and 3600 seconds
      correct it, or unset it: env -u EFFICIENTLLM_COLLECTION_INTERVAL …
    ");
    assert_snapshot!(said("EFFICIENTLLM_HISTORY_SIZE", "-1"), @r"
    effllm: error: EFFICIENTLLM_HISTORY_SIZE: '-1' must be a whole number between 1 and 10000000
      correct it, or unset it: env -u EFFICIENTLLM_HISTORY_SIZE …
    ");
    assert_snapshot!(said("EFFICIENTLLM_LOG_INTERVAL", "1.5"), @r"
    effllm: error: EFFICIENTLLM_LOG_INTERVAL: '1.5' must be a whole number between 1 and 10000000
      correct it, or unset it: env -u EFFICIENTLLM_LOG_INTERVAL …
    ");
    assert_snapshot!(said("EFFICIENTLLM_METRICS_ENABLED", "maybe"), @r"
    effllm: error: EFFICIENTLLM_METRICS_ENABLED: 'maybe' is neither true nor false
      correct it, or unset it: env -u EFFICIENTLLM_METRICS_ENABLED …
    ");
}

pub fn parameters(report: &Report) -> f64 {
    report.number("model.parameters.value")
}

#[test]
fn a_later_layer_goes_before_an_earlier_one() {
    let mut env = TestEnv::new();
    let history = |env: &TestEnv, options: &str| {
        // Five records: a history of so many points keeps fewer than that.
        let script = r#"for i in 1 2 3 4 5 6 7 8 9; do echo "step $i"; done"#;
        let arguments = ["run", "--quiet", "--pattern", r"step (?P<iteration>\d+)"];
        let options = options.split_whitespace();
        let report = env
            .effllm(arguments.into_iter().chain(options).chain(["--", "sh", "-c", script]))
            .done()
            .report();
        report.numbers("series.iterations.iteration").len()
    };
    // A history of N points is halved when it is full.
    assert_eq!(history(&env, ""), 9, "the default keeps a thousand");
    env.write("home/.config/effllm/config.toml", "history-size = 2\nparams = '1B'\n");
    let of_the_user = history(&env, "");
    env.write("effllm.toml", "history-size = 4\n");
    let of_the_project = history(&env, "");
    env.write("other.toml", "history-size = 8\n");
    let of_the_chosen = history(&env, "--config other.toml");
    env.set("EFFICIENTLLM_HISTORY_SIZE", "2");
    let of_the_environment = history(&env, "");
    let of_the_flag = history(&env, "--history-size 100");
    let expected = |n: &str| history(&TestEnv::new(), &format!("--history-size {n}"));
    assert_eq!(of_the_user, expected("2"));
    assert_eq!(of_the_project, expected("4"));
    assert_eq!(of_the_chosen, expected("8"));
    assert_eq!(of_the_environment, expected("2"));
    assert_eq!(of_the_flag, 9);
    assert!(of_the_user < of_the_project && of_the_project < of_the_chosen && of_the_chosen < 9);
}

#[test]
fn a_layer_that_says_nothing_lets_the_one_below_speak() {
    let mut env = TestEnv::new();
    env.write("home/.config/effllm/config.toml", "params = '1B'\nseq-len = 100\nquiet = true\n");
    env.write("effllm.toml", "params = 2000000000\nreport = 'out/report.json'\nglobal-batch-size = '1k'\n");
    fs::create_dir(env.path("out")).expect("a folder");
    env.set("EFFICIENTLLM_COLLECTION_INTERVAL", "");
    let done = env.effllm(["run", "--", "true"]).done();
    assert_eq!((done.code(), done.stderr()), (Some(0), String::new()));
    let report = Report::parse(&env.read("out/report.json"));
    assert_eq!(parameters(&report), 2e9);
    assert_eq!(report.number("model.sequence_length.value"), 100.0);
    assert_eq!(report.number("model.global_batch_size.value"), 1000.0);
    let done = env.effllm(["run", "--params", "3e9", "-o", "mine.json", "--", "true"]).done();
    assert_eq!(done.code(), Some(0), "{}", done.stderr());
    assert_eq!(parameters(&Report::parse(&env.read("mine.json"))), 3e9);
}

#[test]
fn the_interval_is_read_in_all_its_forms() {
    // 50 ms for half a second are some ten samples; a second would be two: the first and the last.
    let samples = |prepare: &dyn Fn(&mut TestEnv), options: &str| {
        let mut env = TestEnv::new();
        env.gpus("");
        prepare(&mut env);
        env.run(options, "sleep 0.5").done().report().number("gpus.0.samples")
    };
    assert_eq!(samples(&|_| {}, "--interval 3600"), 2.0);
    assert!(samples(&|_| {}, "--interval 50ms") > 3.0);
    assert!(samples(&|_| {}, "--interval 0.05") > 3.0);
    let environment = |env: &mut TestEnv| {
        env.set("EFFICIENTLLM_COLLECTION_INTERVAL", "0.05");
    };
    assert!(samples(&environment, "") > 3.0);
    assert_eq!(samples(&environment, "--interval 1h"), 2.0);
    let file = |env: &mut TestEnv| {
        env.write("effllm.toml", "interval = '50ms'\n");
    };
    assert!(samples(&file, "") > 3.0);
}

#[test]
fn the_users_file_lies_in_the_home_where_nothing_else_is_said() {
    let mut env = TestEnv::new();
    env.unset("XDG_CONFIG_HOME");
    env.write("home/.config/effllm/config.toml", "params = '5B'\n");
    assert_eq!(parameters(&env.run("", "true").done().report()), 5e9);
    // Without a home there is none, and that is no error.
    env.unset("HOME");
    assert!(env.run("", "true").done().report().at("model.parameters.value").is_null());
}
