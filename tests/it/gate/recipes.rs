//! The CI recipes of README.md, run as a shell, GitHub's runner and GitLab's runner run them: first
//! for a change that is as fast as the baseline, then for one that is a fifth slower.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use quick_junit::Report;
use serde_json::Value;

use crate::harness::{Done, EFFLLM, Shell};

const AS_FAST: u32 = 1000;
const A_FIFTH_SLOWER: u32 = 1200;

/// The blocks of a language in the chapter on CI.
fn blocks(language: &str) -> Vec<String> {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    let (_, chapter) = readme.split_once("\n### A check in CI\n").expect("a chapter on CI");
    let (chapter, _) = chapter.split_once("\n### ").expect("chapters behind it");
    let fence = format!("```{language}\n");
    let blocks = chapter.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

/// `effllm` on PATH, a training that is as fast as it always was, and the baseline made from it.
fn shell_with_baseline() -> Shell {
    let mut shell = Shell::new();
    fs::create_dir(shell.path("bin")).expect("a folder");
    symlink(EFFLLM, shell.path("bin/effllm")).expect("a link");
    let path = std::env::var("PATH").unwrap_or_default();
    shell.set("PATH", format!("{}:{path}", shell.path("bin").display()));
    train_at(&shell, AS_FAST);
    let made = script(&shell, &blocks("sh")[0]);
    assert_eq!(made.code(), Some(0), "{}", made.stderr());
    assert!(shell.exists("baseline/3.json"));
    shell
}

/// `train.sh`, whose iterations take so many milliseconds by what it prints, give or take two.
fn train_at(shell: &Shell, milliseconds: u32) {
    let line = r#"echo " [2026-01-01 00:00:00] iteration $i/ 40 | consumed samples: $((i * 32)) |" \
        "elapsed time per iteration (ms): $((MS + i * 7 % 5 - 2)).0 | global batch size: 32 |""#;
    shell.write("train.sh", format!("MS={milliseconds}\nfor i in $(seq 40); do {line}; done\n"));
}

/// As both runners and careful people run a script.
fn script<'a>(shell: &'a Shell, text: &str) -> Done<'a> {
    shell.command(["bash", "-euo", "pipefail", "-c", text]).done()
}

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).expect("YAML")
}

fn text(yaml: &Value) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("a text, not {yaml}"))
}

/// That the failure, and it alone, is in the file which both systems read.
#[track_caller]
fn assert_junit_tells(shell: &Shell, failures: usize) {
    let junit = Report::deserialize_from_str(&shell.read("junit.xml")).expect("JUnit XML");
    assert_eq!((junit.tests, junit.failures), (3, failures));
}

#[test]
fn a_script_passes_and_fails() {
    let shell = shell_with_baseline();
    let recipe = &blocks("sh")[1];
    let passed = script(&shell, recipe);
    assert_eq!(passed.code(), Some(0), "{}", passed.stderr());
    assert!(passed.stdout().ends_with("as efficient as the baseline\n"), "{}", passed.stdout());
    assert_junit_tells(&shell, 0);

    train_at(&shell, A_FIFTH_SLOWER);
    let failed = script(&shell, recipe);
    assert_eq!(failed.code(), Some(99));
    assert!(failed.stdout().ends_with("less efficient than the baseline\n"), "{}", failed.stdout());
    assert!(failed.stderr().contains("gate failed: 2 of 2, 1 warning (exit 99)"), "{}", failed.stderr());
    assert_junit_tells(&shell, 2);

    shell.write("train.sh", "exit 7");
    assert_eq!(script(&shell, recipe).code(), Some(7));
}

/// What GitHub's runner makes of a job: a step runs after a failed one only where its `if` says so.
/// The exit status of the first that failed, the output, and the files that are uploaded.
fn github(shell: &Shell, workflow: &Value) -> (Option<i32>, String, Vec<String>) {
    let steps = workflow["jobs"]["efficiency"]["steps"].as_array().expect("steps");
    let (mut failed, mut output, mut uploaded) = (None, String::new(), Vec::new());
    for step in steps {
        if failed.is_some() && step["if"].as_str() != Some("${{ !cancelled() }}") {
            continue;
        }
        if let Some(run) = step["run"].as_str() {
            let done = script(shell, run);
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
    let mut shell = shell_with_baseline();
    let summary = shell.path("summary.md");
    shell.set("GITHUB_ACTIONS", "true").set("GITHUB_STEP_SUMMARY", &summary);
    let workflow = yaml(&blocks("yaml")[0]);
    let (failed, output, uploaded) = github(&shell, &workflow);
    assert_eq!(failed, None, "{output}");
    assert!(!output.contains("::error") && !output.contains("::warning"), "{output}");
    assert!(shell.read("summary.md").contains("### gate passed: 2 of 2\n"), "{}", shell.read("summary.md"));
    assert!(uploaded.iter().all(|file| shell.exists(file)), "{uploaded:?}");

    fs::remove_file(&summary).expect("a summary");
    train_at(&shell, A_FIFTH_SLOWER);
    let (failed, output, _) = github(&shell, &workflow);
    assert_eq!(failed, Some(99), "{output}");
    for (command, times) in [("::error title=effllm gate::", 2), ("::warning title=effllm gate::", 1)] {
        assert_eq!(output.lines().filter(|line| line.starts_with(command)).count(), times, "{output}");
    }
    let summary = shell.read("summary.md");
    assert!(summary.contains("### gate failed: 2 of 2, 1 warning (exit 99)\n"), "{summary}");
    assert!(
        summary.contains("| `al_seconds` | s | 1.000 | 1.200 | **+20.0 %** | **worse (p"),
        "the comparison is there, too: {summary}"
    );
    assert_junit_tells(&shell, 2);
}

#[test]
fn gitlab_gets_its_files() {
    let shell = shell_with_baseline();
    let pipeline = yaml(&blocks("yaml")[1]);
    let job = &pipeline["efficiency"];
    let lines = |key: &str| -> String {
        let lines = job[key].as_array().expect("a script");
        lines.iter().map(|line| format!("{}\n", text(line))).collect()
    };
    for (milliseconds, code, failures) in [(AS_FAST, 0, 0), (A_FIFTH_SLOWER, 99, 2)] {
        train_at(&shell, milliseconds);
        let done = script(&shell, &lines("script"));
        assert_eq!(done.code(), Some(code), "{}", done.stderr());
        // It runs whether the script has failed or not.
        assert_eq!(script(&shell, &lines("after_script")).code(), Some(0));
        let artifacts = &job["artifacts"];
        assert_eq!(text(&artifacts["when"]), "always");
        assert!(artifacts["paths"].as_array().expect("paths").iter().all(|path| shell.exists(text(path))));
        assert_eq!(text(&artifacts["reports"]["junit"]), "junit.xml");
        assert_junit_tells(&shell, failures);
        let metrics = shell.read(text(&artifacts["reports"]["metrics"]));
        let al = f64::from(milliseconds) / 1000.0;
        assert!(metrics.contains(&format!("effllm_al_seconds {al}\n")), "{metrics}");
    }
}
