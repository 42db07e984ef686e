//! Text from outside in what effllm says: names of files, settings, GPUs, strings of reports and lines of logs. None of
//! it moves a cursor, begins a line, or is a command to the CI service that shows the output.

use serde_json::{Value, json};

use crate::harness::{Done, TestEnv};
use crate::report::reports::{TRAINING, poisoned};

/// A text that means harm wherever it is shown; also the name of a file.
const HARM: &str =
    "x\n::stop-commands::y\n  ::add-mask::e\n##[group]z\r\u{1b}[2J\u{9b}\u{202e}###vso[task.x]";

/// Fails if the harm comes through in a text, which is not a document for programs.
#[track_caller]
fn assert_harmless(text: &str, shown_by: &str) {
    let unseen = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    assert_eq!(text.chars().find(unseen), None, "{shown_by}: {text:?}");
    let is_command = |line: &&str| {
        // effllm's own annotations have this title.
        let is_own =
            line.split_once(" title=effllm gate::").is_some_and(|(command, _)| !command.contains(' '));
        line.trim_start().starts_with("::") && !is_own || line.contains("##[") || line.contains("##vso[")
    };
    assert_eq!(text.lines().find(is_command), None, "{shown_by}: {text}");
}

#[track_caller]
fn assert_says_no_harm(done: &Done, shown_by: &str) {
    assert_harmless(&String::from_utf8_lossy(&done.stderr), shown_by);
    assert_harmless(&done.stdout(), shown_by);
}

#[track_caller]
fn says_no_harm(env: &TestEnv, arguments: &[&str]) {
    let done = env.effllm(arguments).done();
    assert_says_no_harm(&done, &format!("{arguments:?}"));
}

/// The long flags of a subcommand.
fn flags(env: &TestEnv, subcommand: &str) -> Vec<String> {
    let help = env.effllm([subcommand, "--help"]).done().printed();
    let words = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
    let mut flags: Vec<String> = words
        .map(|word| word.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '-').collect())
        .collect();
    flags.sort();
    flags.dedup();
    flags
}

#[test]
fn no_flag_key_or_variable_brings_harm_into_a_message() {
    let mut env = TestEnv::new();
    let commands = ["run", "parse", "gate", "compare", "monitor", "gpus", "profiles", "report"];
    for subcommand in commands.into_iter().chain(["completions", "man", "schema"]) {
        says_no_harm(&env, &[subcommand, HARM]);
        says_no_harm(&env, &[subcommand, &format!("--{HARM}")]);
        for flag in flags(&env, subcommand) {
            let mut arguments = vec![subcommand.to_owned(), format!("{flag}={HARM}")];
            if subcommand == "monitor" && flag != "--duration" {
                arguments.push("--duration=0.01".to_owned());
            }
            arguments.extend(["--", "true"].map(str::to_owned).into_iter().filter(|_| subcommand == "run"));
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            says_no_harm(&env, &arguments);
        }
    }
    says_no_harm(&env, &[HARM]);
    says_no_harm(&env, &["profiles", "show", HARM]);
    says_no_harm(&env, &["run", "--", HARM]);
    let quoted = json!(HARM).to_string();
    for flag in flags(&env, "run") {
        let key = flag.trim_start_matches("--");
        for text in [format!("{key} = {quoted}"), format!("[gate]\n{key} = [{quoted}]")] {
            env.write("effllm.toml", &text).write(&format!("home/{HARM}.toml"), text);
            says_no_harm(&env, &["run", "--", "true"]);
            says_no_harm(&env, &["run", "--config", &format!("home/{HARM}.toml"), "--", "true"]);
        }
    }
    for text in
        [format!("{quoted} = 1"), HARM.to_owned(), format!("[gate]\n{quoted} = 1"), "::x::".to_owned()]
    {
        says_no_harm(env.write("effllm.toml", text), &["run", "--", "true"]);
    }
    env.write("effllm.toml", "");
    for name in [
        "EFFICIENTLLM_COLLECTION_INTERVAL",
        "EFFICIENTLLM_HISTORY_SIZE",
        "EFFICIENTLLM_LOG_INTERVAL",
        "EFFICIENTLLM_METRICS_ENABLED",
        "EFFLLM_NVML_LIB",
    ] {
        env.set(name, HARM);
        says_no_harm(&env, &["run", "--", "true"]);
        says_no_harm(&env, &["gpus"]);
        env.unset(name);
    }
    env.set("GITHUB_ACTIONS", "true").set("GITHUB_STEP_SUMMARY", format!("/nowhere/{HARM}"));
    says_no_harm(&env, &["run", "--require", "al <= 1", "--", "true"]);
}

#[test]
fn no_name_of_a_file_brings_harm_into_a_message() {
    let env = TestEnv::new();
    let folder = |name: &str| format!("{HARM}/{name}");
    env.write(&folder("report.json"), TRAINING.to_string());
    env.write(&folder("other.json"), TRAINING.to_string());
    env.write(&folder("damaged.json"), "{\n::x");
    env.write(&folder("t.log"), "step 1\n").write(&folder("damaged.log.gz"), [0x1f, 0x8b, 8, 0, 1]);
    env.write(&folder("rules.toml"), "::x::\n").write(&folder("profile.toml"), "name = 'x'\n");
    let named = |name: &str| folder(name);
    for name in ["report.json", "damaged.json", "absent.json", ""] {
        let file = named(name);
        says_no_harm(&env, &["report", &file]);
        says_no_harm(&env, &["report", "--format", "markdown", &file]);
        says_no_harm(&env, &["report", &named("report.json"), "-o", &file]);
        says_no_harm(&env, &["compare", &file]);
        says_no_harm(&env, &["compare", &named("other.json"), &file]);
        says_no_harm(&env, &["compare", "--format", "markdown", &named("other.json"), &file]);
        says_no_harm(&env, &["gate", &file, "--require", "al <= baseline", "--baseline", &file]);
        says_no_harm(&env, &["run", "--baseline", &file, "--require", "al <= baseline", "--", "true"]);
    }
    for name in ["t.log", "damaged.log.gz", "absent.log", ""] {
        for output in ["--json", "--events", "--explain"] {
            says_no_harm(&env, &["parse", output, &named(name)]);
        }
        says_no_harm(&env, &["parse", &named(name)]);
        says_no_harm(&env, &["monitor", "--gpus", "none", "--duration", "0.1", "--log", &named(name)]);
    }
    for name in ["rules.toml", "profile.toml", "absent.toml"] {
        says_no_harm(&env, &["parse", "--rules", &named(name), &named("t.log")]);
    }
    for flag in ["--report", "--openmetrics", "--tensorboard", "--junit", "--gitlab-metrics", "--series"] {
        for name in ["file.csv", "absent/file.csv", "t.log/file.csv"] {
            says_no_harm(&env, &["run", flag, &named(name), "--require", "al <= 1", "--", "true"]);
        }
    }
    let program = named("program");
    env.write(&program, "#!/nowhere\n").chmod(&program, 0o755);
    says_no_harm(&env, &["run", "--", &program]);
}

#[test]
fn no_string_of_a_report_and_no_line_of_a_log_brings_harm_into_a_message() {
    let env = TestEnv::new();
    env.write("bad.json", poisoned(&TRAINING, HARM).to_string()).write("good.json", TRAINING.to_string());
    let mut unknown = TRAINING.clone();
    unknown["schema"] = Value::from(HARM);
    env.write("unknown.json", unknown.to_string());
    unknown["schema"] = Value::from(format!("effllm.report/{HARM}"));
    env.write("newer.json", unknown.to_string());
    let mut wrong = TRAINING.clone();
    wrong["window"] = Value::from(HARM);
    env.write("wrong.json", wrong.to_string());
    for file in ["bad.json", "unknown.json", "newer.json", "wrong.json"] {
        says_no_harm(&env, &["report", file]);
        says_no_harm(&env, &["report", "--format", "markdown", file]);
        says_no_harm(&env, &["report", "--format", "json", file]);
        says_no_harm(&env, &["compare", file, "good.json"]);
        says_no_harm(&env, &["compare", "--format", "json", "good.json", file]);
        says_no_harm(&env, &["gate", file, "--require", "al <= baseline", "--baseline", "bad.json"]);
        says_no_harm(
            &env,
            &["gate", "--json", "good.json", "--require", "al <= baseline", "--baseline", file],
        );
    }
    let line = HARM.replace('\n', " ");
    let log = format!(
        "::stop-commands::x\n{line}\n iteration 1/ 12 | consumed samples: 32 | elapsed time per iteration (ms): 10.5 | \
         lm loss: ##[group]1 |{HARM}\n::add-mask::iteration 2/ 12 | elapsed time\n"
    );
    env.write("t.log", &log);
    for output in ["--json", "--events", "--explain"] {
        says_no_harm(&env, &["parse", output, "t.log"]);
        says_no_harm(
            &env,
            &["parse", output, "--pattern", "(?P<engine>.*)step (?P<iteration>\\d+)", "t.log"],
        );
    }
    says_no_harm(&env, &["parse", "t.log"]);
}

#[test]
fn no_name_of_a_gpu_brings_harm_into_a_message() {
    let mut env = TestEnv::new();
    let harm = json!(HARM.replace('\u{202e}', "")).to_string();
    env.gpus(&format!("driver = {harm}\n[[gpu]]\nname = {harm}\nuuid = {harm}\nenergy = false"));
    says_no_harm(&env, &["gpus"]);
    says_no_harm(&env, &["run", "--gpus", "GPU-absent", "--", "true"]);
    says_no_harm(&env, &["run", "--", "sleep", "0.1"]);
    says_no_harm(&env, &["monitor", "--duration", "0.1"]);
    let report = env.effllm(["report", "effllm-report.json"]).done();
    assert_says_no_harm(&report, "its report");
}
