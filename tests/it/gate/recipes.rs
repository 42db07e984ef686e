//! The CI recipes of README.md, run as a shell, GitHub's runner and GitLab's runner run them: first
//! for a change that is as fast as the baseline, then for one that is a fifth slower.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use quick_junit::Report;
use serde_json::Value;

use crate::harness::{Done, EFFLLM, ROOT, TestEnv};

const AS_FAST: u32 = 1000;
const A_FIFTH_SLOWER: u32 = 1200;

/// The blocks of a language in the chapter on CI.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("README.md");
    let (_, chapter) = readme.split_once("\n### A check in CI\n").expect("a chapter on CI");
    let (chapter, _) = chapter.split_once("\n### ").expect("chapters behind it");
    let fence = format!("```{language}\n");
    let blocks = chapter.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

/// `effllm` on PATH, a training that is as fast as it always was, and the baseline made from it.
fn env_with_baseline() -> TestEnv {
    let mut env = TestEnv::new();
    env.prefer_bin();
    symlink(EFFLLM, env.path("bin/effllm")).expect("a link");
    train_at(&env, AS_FAST);
    let made = script(&env, &blocks("sh")[0]);
    assert_eq!(made.code(), Some(0), "{}", made.stderr());
    assert!(env.exists("baseline/3.json"));
    env
}

/// `train.sh`, whose iterations take so many milliseconds by what it prints, give or take two.
fn train_at(env: &TestEnv, milliseconds: u32) {
    let line = r#"echo " [2026-01-01 00:00:00] iteration $i/ 40 | consumed samples: $((i * 32)) |" \
        "elapsed time per iteration (ms): $((MS + i * 7 % 5 - 2)).0 | global batch size: 32 |""#;
    env.write("train.sh", format!("MS={milliseconds}\nfor i in $(seq 40); do {line}; done\n"));
}

/// As both runners and careful people run a script.
fn script<'a>(env: &'a TestEnv, text: &str) -> Done<'a> {
    env.command(["bash", "-euo", "pipefail", "-c", text]).done()
}

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).expect("YAML")
}

fn text(yaml: &Value) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("a text, not {yaml}"))
}

/// That the failure, and it alone, is in the file which both systems read.
#[track_caller]
fn assert_junit_tells(env: &TestEnv, failures: usize) {
    let junit = Report::deserialize_from_str(&env.read("junit.xml")).expect("JUnit XML");
    assert_eq!((junit.tests, junit.failures), (3, failures));
}

#[test]
fn a_script_passes_and_fails() {
    let env = env_with_baseline();
    let recipe = &blocks("sh")[1];
    let passed = script(&env, recipe);
    assert_eq!(passed.code(), Some(0), "{}", passed.stderr());
    assert!(passed.stdout().ends_with("as efficient as the baseline\n"), "{}", passed.stdout());
    assert_junit_tells(&env, 0);

    train_at(&env, A_FIFTH_SLOWER);
    let failed = script(&env, recipe);
    assert_eq!(failed.code(), Some(99));
    assert!(failed.stdout().ends_with("less efficient than the baseline\n"), "{}", failed.stdout());
    assert!(failed.stderr().contains("gate failed: 2 of 2, 1 warning (exit 99)"), "{}", failed.stderr());
    assert_junit_tells(&env, 2);

    env.write("train.sh", "exit 7");
    assert_eq!(script(&env, recipe).code(), Some(7));
}

/// What GitHub's runner makes of a job: a step runs after a failed one only where its `if` says so.
/// The exit status of the first that failed, the output, and the files that are uploaded.
fn github(env: &TestEnv, workflow: &Value) -> (Option<i32>, String, Vec<String>) {
    let steps = workflow["jobs"]["efficiency"]["steps"].as_array().expect("steps");
    let (mut failed, mut output, mut uploaded) = (None, String::new(), Vec::new());
    for step in steps {
        if failed.is_some() && step["if"].as_str() != Some("${{ !cancelled() }}") {
            continue;
        }
        if let Some(run) = step["run"].as_str() {
            let done = script(env, run);
            output += &(done.stdout() + &done.stderr());
            failed = failed.or(done.code().filter(|code| *code != 0));
        } else if text(&step["uses"]).starts_with("actions/upload-artifact@") {
            uploaded.extend(text(&step["with"]["path"]).lines().map(str::to_owned));
        } else {
            assert!(text(&step["uses"]).starts_with("actions/checkout@"), "{step:?}");
        }
    }
    (failed, output, uploaded)
}

#[test]
fn github_annotates_and_sums_up() {
    let mut env = env_with_baseline();
    let summary = env.path("summary.md");
    env.set("GITHUB_ACTIONS", "true").set("GITHUB_STEP_SUMMARY", &summary);
    let workflow = yaml(&blocks("yaml")[0]);
    let (failed, output, uploaded) = github(&env, &workflow);
    assert_eq!(failed, None, "{output}");
    assert!(!output.contains("::error") && !output.contains("::warning"), "{output}");
    assert!(env.read("summary.md").contains("### gate passed: 2 of 2\n"), "{}", env.read("summary.md"));
    assert!(uploaded.iter().all(|file| env.exists(file)), "{uploaded:?}");

    fs::remove_file(&summary).expect("a summary");
    train_at(&env, A_FIFTH_SLOWER);
    let (failed, output, _) = github(&env, &workflow);
    assert_eq!(failed, Some(99), "{output}");
    for (command, times) in [("::error title=effllm gate::", 2), ("::warning title=effllm gate::", 1)] {
        assert_eq!(output.lines().filter(|line| line.starts_with(command)).count(), times, "{output}");
    }
    let summary = env.read("summary.md");
    assert!(summary.contains("### gate failed: 2 of 2, 1 warning (exit 99)\n"), "{summary}");
    assert!(
        summary.contains("| `al_seconds` | s | 1.000 | 1.200 | **+20.0 %** | **worse (p"),
        "the comparison is there, too: {summary}"
    );
    assert_junit_tells(&env, 2);
}

#[test]
fn gitlab_gets_its_files() {
    let env = env_with_baseline();
    let pipeline = yaml(&blocks("yaml")[1]);
    let job = &pipeline["efficiency"];
    let lines = |key: &str| -> String {
        let lines = job[key].as_array().expect("a script");
        lines.iter().map(|line| format!("{}\n", text(line))).collect()
    };
    for (milliseconds, code, failures) in [(AS_FAST, 0, 0), (A_FIFTH_SLOWER, 99, 2)] {
        train_at(&env, milliseconds);
        let done = script(&env, &lines("script"));
        assert_eq!(done.code(), Some(code), "{}", done.stderr());
        // It runs whether the script has failed or not.
        assert_eq!(script(&env, &lines("after_script")).code(), Some(0));
        let artifacts = &job["artifacts"];
        assert_eq!(text(&artifacts["when"]), "always");
        assert!(artifacts["paths"].as_array().expect("paths").iter().all(|path| env.exists(text(path))));
        assert_eq!(text(&artifacts["reports"]["junit"]), "junit.xml");
        assert_junit_tells(&env, failures);
        let metrics = env.read(text(&artifacts["reports"]["metrics"]));
        let al = f64::from(milliseconds) / 1000.0;
        assert!(metrics.contains(&format!("effllm_al_seconds {al}\n")), "{metrics}");
    }
}
