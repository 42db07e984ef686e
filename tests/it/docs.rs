//! What is written about effllm is what effllm does: generated files are up to date, the examples
//! of README.md run, and the help fits the screen.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::requirements::{available, program};
use crate::harness::{EFFLLM, ROOT, TestEnv};

/// An odd terminal and locale: what is generated must not depend on them.
fn env() -> TestEnv {
    let mut env = TestEnv::new();
    env.set("COLUMNS", "31").set("LC_ALL", "C").set("TERM", "dumb");
    env
}

#[track_caller]
fn stdout(arguments: &[&str]) -> String {
    env().effllm(arguments).done().printed()
}

fn committed(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_default()
}

#[track_caller]
fn assert_current(path: &str, generated: &str, renewed_by: &str) {
    assert!(committed(path) == generated, "{path} is not what effllm generates; renew it:\n    {renewed_by}");
}

#[test]
fn the_manual_is_current() {
    let env = env();
    env.effllm(["man", "pages"]).done().printed();
    let read = |folder: &Path| -> BTreeMap<PathBuf, String> {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        files.map(|file| (file.file_name().into(), fs::read_to_string(file.path()).unwrap())).collect()
    };
    let (generated, there) = (read(&env.path("pages")), read(&Path::new(ROOT).join("man")));
    let differing: Vec<_> = generated
        .keys()
        .chain(there.keys())
        .filter(|page| generated.get(*page) != there.get(*page))
        .collect();
    assert!(
        differing.is_empty(),
        "{differing:?} in man/ are not what effllm generates; renew them:\n    \
         rm -rf man && cargo run -- man man"
    );
    assert_eq!(stdout(&["man"]), committed("man/effllm.1"));
}

#[test]
fn the_completions_are_current() {
    for (shell, file) in [("bash", "effllm.bash"), ("zsh", "_effllm"), ("fish", "effllm.fish")] {
        let path = format!("completions/{file}");
        let renewed_by = format!("cargo run -- completions {shell} > {path}");
        assert_current(&path, &stdout(&["completions", shell]), &renewed_by);
    }
}

const SCHEMA: &str = "schema/effllm.report-2.json";

#[test]
fn the_schema_is_current() {
    assert_current(SCHEMA, &stdout(&["schema"]), &format!("cargo run -- schema > {SCHEMA}"));
}

#[test]
fn a_report_is_valid_by_the_schema() {
    let schema: Value = serde_json::from_str(&committed(SCHEMA)).expect("JSON");
    let of_a_run = stdout(&["run", "--quiet", "-o", "-", "--", "true"]);
    let log = format!("{ROOT}/src/cli/generate/example/own.log");
    let rules = format!("{ROOT}/src/cli/generate/example/own.toml");
    let of_a_log = stdout(&["parse", "--json", "--rules", &rules, &log]);
    let schema = jsonschema::validator_for(&schema).expect("a JSON Schema");
    let violations = |report: &Value| -> Vec<String> {
        schema.iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    for report in [of_a_run, of_a_log] {
        let mut report: Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(violations(&report), [""; 0], "{report:#}");
        report["command"]["wall_seconds"] = "long".into();
        assert!(violations(&report)[0].starts_with("/command/wall_seconds: "), "{:?}", violations(&report));
        report.as_object_mut().expect("an object").remove("command");
        assert!(violations(&report)[0].contains("\"command\" is a required"), "{:?}", violations(&report));
    }
}

#[test]
fn the_example_of_the_rules_page_reads_its_log() {
    let example = |file: &str| format!("{ROOT}/src/cli/generate/example/{file}");
    let events = stdout(&["parse", "--rules", &example("own.toml"), "--events", &example("own.log")]);
    assert_eq!(events, committed("src/cli/generate/example/own.jsonl"));
}

#[test]
fn the_diagnostics_of_the_rules_page_are_those_that_effllm_prints() {
    let page = committed("src/cli/generate/pages/rules.txt");
    let shown = page.split("```\n").find(|block| block.starts_with("effllm: error:")).expect("a diagnostic");
    let env = TestEnv::new();
    env.write("own.toml", "[[record]]\nline = 'tok (?P<tokns>\\d+)'\n");
    let done = env.effllm(["parse", "--rules", "own.toml", "/dev/null"]).done();
    assert_eq!((done.code(), done.stderr().as_str()), (Some(2), shown));
}

/// The names in `metrics` of the report.
fn metrics() -> Vec<String> {
    let schema: Value = serde_json::from_str(&committed(SCHEMA)).expect("JSON");
    let metrics = schema["$defs"]["Metrics"]["properties"].as_object().expect("metrics");
    metrics.keys().cloned().collect()
}

/// The prose of a manual page.
fn prose(page: &str) -> String {
    committed(&format!("src/cli/generate/pages/{page}.txt"))
}

/// The fenced blocks of a page, shown as they are.
fn blocks(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("```\n").skip(1).step_by(2)
}

/// Writes `report.json`, with every metric that a log can give.
fn write_report(env: &TestEnv) {
    let line = "[2026-01-01 00:00:00] iteration $i/ 40 | consumed samples: $((i * 32)) | elapsed time per \
        iteration (ms): $((998 + i * 7 % 5)).0 | global batch size: 32 |";
    let train = format!("for i in $(seq 40); do echo \" {line}\"; done");
    let options = ["-q", "--params", "1B", "--seq-len", "10", "-o", "report.json"];
    env.effllm(["run"].iter().chain(&options).chain(&["--", "bash", "-c", &train])).done().printed();
}

#[test]
fn the_expressions_of_the_gate_page_are_read_and_all_others_are_listed() {
    let env = TestEnv::new();
    write_report(&env);
    let page = prose("gate");
    let expressions = blocks(&page).find(|block| block.starts_with("al <= 1.3 s\n")).expect("expressions");
    for expression in expressions.lines() {
        let options = ["--baseline", "report.json", "--allow-no-data", "--require", expression];
        let done = env.effllm(["gate", "report.json"].iter().chain(&options)).done();
        assert!([Some(0), Some(99)].contains(&done.code()), "{expression}: {}", done.stderr());
    }
    let settings = blocks(&page).find(|block| block.starts_with("[gate]\n")).expect("settings");
    for n in 1..=3 {
        env.write(&format!("baseline/{n}.json"), env.read("report.json"));
    }
    env.write("gate.toml", settings);
    let options = ["--config", "gate.toml", "--min-iterations", "40"];
    env.effllm(["gate", "report.json"].iter().chain(&options)).done().printed();
    let manual = committed("man/effllm-gate.1").replace('\\', "");
    for metric in metrics() {
        assert!(manual.contains(&format!("fB{metric}fR")), "effllm-gate(1) does not list {metric}");
    }
}

#[test]
fn what_the_pages_show_is_what_effllm_prints() {
    for (page, beginning, snapshot) in [
        ("gate", "gate      require", "tests/it/gate/snapshots/it__gate__a_fifth_slower.snap"),
        ("compare", "metric  ", "tests/it/gate/snapshots/it__gate__comparisons__compared.snap"),
    ] {
        let page = prose(page);
        let shown = blocks(&page).find(|block| block.starts_with(beginning)).expect("a table");
        assert!(committed(snapshot).contains(shown), "{snapshot} is not what the page shows:\n{shown}");
    }
}

#[test]
fn each_option_that_a_page_speaks_of_is_one_of_its_command() {
    for page in ["gate", "compare", "report", "monitor", "parse", "gpus"] {
        let help = stdout(&[page, "--help"]);
        let prose = prose(page);
        let others = stdout(&["run", "--help"]);
        let typed = prose.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
        for option in typed.filter(|word| word.starts_with("--") && word.len() > 2) {
            let name = option.split(['=', '[']).next().unwrap_or(option);
            let of_run = prose.contains(&format!("`{name}` of `effllm-run(1)`")) && others.contains(name);
            assert!(help.contains(name) || of_run, "effllm-{page}(1) speaks of {option}");
        }
    }
}

fn help(command: &str, columns: &str) -> String {
    let mut env = TestEnv::new();
    env.set("COLUMNS", columns);
    env.effllm([command, "--help"]).done().printed()
}

#[test]
fn the_help_of_run_fits_two_screens_and_begins_with_three_examples() {
    let help = help("run", "100");
    assert!(help.lines().count() <= 80, "{} lines", help.lines().count());
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    let beginning: Vec<&str> = help.lines().take(4).collect();
    assert_eq!(beginning[0], "Examples:");
    assert!(beginning[1..].iter().all(|line| line.starts_with("  effllm run ")), "{beginning:?}");
}

#[test]
fn the_help_of_each_command_is_laid_out_for_80_columns() {
    for command in
        ["run", "parse", "gate", "monitor", "compare", "report", "gpus", "profiles", "completions", "man"]
    {
        let narrow = help(command, "80");
        let examples = |help: &str| help.split("\n\n").next().map(str::to_owned);
        assert_eq!(examples(&narrow), examples(&help(command, "100")), "an example of {command} is broken");
        let lines: Vec<&str> = narrow.lines().collect();
        for pair in lines.windows(2) {
            let [first, second] = pair else { unreachable!("windows of two") };
            let begins_at_the_margin = |line: &str| line.starts_with(|c: char| !c.is_whitespace());
            if begins_at_the_margin(first) && begins_at_the_margin(second) {
                let word = second.split(' ').next().unwrap_or_default();
                assert!(first.len() + 1 + word.len() > 80, "effllm {command}: '{first}' is broken early");
            }
        }
    }
}

#[test]
fn effllm_alone_shows_the_way_in() {
    let env = env();
    let done = env.effllm::<&str>([]).done();
    assert_eq!((done.code(), done.stdout()), (Some(2), String::new()));
    let text = done.stderr();
    assert_eq!(text.lines().filter(|line| line.starts_with("  effllm ")).count(), 3, "{text}");
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    for arguments in [&["man"][..], &["schema"], &["completions", "bash"], &["profiles", "show", "megatron"]]
    {
        let env = env();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut call = env.effllm(arguments);
        call.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        call.spawn().wait().printed();
    }
}

#[test]
fn the_readme_names_every_metric() {
    let readme = committed("README.md");
    for metric in metrics() {
        assert!(readme.contains(&format!("`{metric}`")), "README.md does not define {metric}");
    }
}

/// Every block that is marked `sh` is run, one after the other in one folder. There `cargo run
/// --release --` is the effllm that this test was built with, and `cargo test` does nothing, since it runs already.
/// `train.sh` stands for the reader's own launch script.
#[test]
fn the_examples_of_the_readme_run() {
    let mut env = TestEnv::new();
    env.prefer_bin();
    symlink(Path::new(ROOT).join("fixtures"), env.path("fixtures")).expect("a link");
    symlink(EFFLLM, env.path("bin/effllm")).expect("a link");
    let cargo = "#!/bin/sh\ncase \"$*\" in\n\
        'run --release -- '*) shift 3; exec effllm \"$@\";;\n\
        'test --workspace') exit 0;;\n\
        *) echo \"the test does not know cargo $*\" >&2; exit 1;;\nesac\n";
    env.write("bin/cargo", cargo).chmod("bin/cargo", 0o755);
    let line = "iteration $i/ 40 | elapsed time per iteration (ms): 1000.0 | global batch size: 32 |";
    let train = format!("for i in $(seq 40); do echo \" [2026-01-01 00:00:00] {line}\"; done\n");
    env.write("train.sh", train);

    let readme = committed("README.md");
    let blocks: Vec<&str> =
        readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5, "README.md has examples");
    assert!(committed(".ci/run").contains("\nstep cargo test --workspace\n"), "CI runs the reader's command");
    for block in blocks {
        if block.contains("jq") && available(program("jq")).is_none() {
            continue;
        }
        let done = env.command(["bash", "-euo", "pipefail", "-c", block]).done();
        assert!(done.status.success(), "exit {:?} of\n{block}\n{}", done.code(), done.stderr());
    }
}
