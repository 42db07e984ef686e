//! Every bad setting is found before the command starts, and says where it is and what to do; a later
//! layer goes before an earlier one.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use insta::assert_snapshot;

use crate::harness::requirements::{available, other_users};
use crate::harness::{Report, TestEnv};

/// What is said of a bad setting: the exit status is 2, nothing else is printed, nothing is left
/// behind, and the command has not been started.
#[track_caller]
fn refused(env: &TestEnv, options: &[&str]) -> String {
    let before = env.files();
    let arguments = ["run"].iter().chain(options).chain(&["--", "touch", "started"]);
    let done = env.effllm(arguments).done();
    assert_eq!(done.code(), Some(2), "{}", done.stderr());
    assert_eq!(done.stdout(), "");
    assert_eq!(env.files(), before);
    done.stderr()
}

// Rules

#[test]
fn an_unknown_profile_is_answered_with_the_nearest_one() {
    let env = TestEnv::new();
    let said = refused(&env, &["--profile", "megatrom"]);
    let (first, hint) = said.split_once('\n').expect("two lines");
    assert_snapshot!(first, @"effllm: error: --profile: no profile is named 'megatrom'");
    assert!(hint.starts_with("  did you mean 'megatron'? the built-in profiles are "), "{hint}");
    let said = refused(&env, &["--profile", "tensorflow-of-old"]);
    assert!(said.contains("  the built-in profiles are ") && said.contains("--rules FILE reads your own"));
}

#[test]
fn a_broken_pattern_is_shown_with_a_caret() {
    let env = TestEnv::new();
    assert_snapshot!(refused(&env, &["--pattern", r"step (?P<iteration>\d+"]), @r"
    effllm: error: --pattern: this is no regular expression: unclosed group
        step (?P<iteration>\d+
             ^
      the syntax is that of https://docs.rs/regex: no look-around, no back-references
    ");
    assert_snapshot!(refused(&env, &["--pattern", r"step (?P<iteratoin>\d+)"]), @r"
    effllm: error: --pattern: group 'iteratoin' is no field
        step (?P<iteratoin>\d+)
                 ^
      did you mean 'iteration'? effllm-rules(5) lists the fields
    ");
    assert_snapshot!(refused(&env, &["--pattern", r"step \d+"]), @r"
    effllm: error: --pattern: no group is named after a field
        step \d+
      name one, as in 'step (?P<iteration>\d+)'; effllm-rules(5) lists the fields
    ");
}

#[test]
fn broken_rules_are_shown_with_file_line_and_column() {
    let env = TestEnv::new();
    for (name, text) in [
        ("regex", "# mine\n[[record]]\nline = 'step (?P<iteration>\\d+'\n"),
        (
            "field",
            "[[record]]\nline = 'step (?P<iteration>\\d+)'\nfields = ['took (?P<step_tyme_ms>[\\d.]+)']\n",
        ),
        ("key", "[[record]]\nline = 'step (?P<iteration>\\d+)'\nbarr = true\n"),
        ("syntax", "[[record]]\nline = step\n"),
        ("empty", "description = 'nothing'\n"),
    ] {
        env.write(&format!("{name}.toml"), text);
    }
    assert_snapshot!(refused(&env, &["--rules", "regex.toml"]), @r"
    effllm: error: regex.toml:3:14: this is no regular expression: unclosed group
        line = 'step (?P<iteration>\d+'
                     ^
      the syntax is that of https://docs.rs/regex: no look-around, no back-references
    ");
    assert_snapshot!(refused(&env, &["--rules", "field.toml"]), @r"
    effllm: error: field.toml:3:21: group 'step_tyme_ms' is no field
        fields = ['took (?P<step_tyme_ms>[\d.]+)']
                            ^
      did you mean 'step_time'? effllm-rules(5) lists the fields
    ");
    assert_snapshot!(refused(&env, &["--rules", "key.toml"]), @r"
    effllm: error: key.toml:3:1: unknown key `barr`
        barr = true
        ^
      did you mean 'bar'? effllm-rules(5) describes the language
    ");
    assert_snapshot!(refused(&env, &["--rules", "syntax.toml"]), @r"
    effllm: error: syntax.toml:2:8: string values must be quoted, expected literal string
        line = step
               ^
      effllm-rules(5) describes the language
    ");
    assert_snapshot!(refused(&env, &["--rules", "empty.toml"]), @r"
    effllm: error: empty.toml:1:1: no [[record]] and no facts: these rules recognise nothing
        description = 'nothing'
        ^
      'effllm profiles show megatron' prints rules to start from
    ");
}

#[test]
fn rules_that_cannot_be_read_are_named() {
    let env = TestEnv::new();
    fs::create_dir(env.path("folder.toml")).expect("a folder");
    env.write("binary.toml", b"\xff\xfe");
    assert_snapshot!(refused(&env, &["--rules", "missing.toml"]), @r"
    effllm: error: --rules: cannot read missing.toml: No such file or directory (os error 2)
      name a file of rules; see effllm-rules(5)
    ");
    assert_snapshot!(refused(&env, &["--rules", "folder.toml"]), @r"
    effllm: error: --rules: cannot read folder.toml: Is a directory (os error 21)
      name a file of rules; see effllm-rules(5)
    ");
    assert_snapshot!(refused(&env, &["--rules", "binary.toml"]), @r"
    effllm: error: binary.toml:1:1: not valid UTF-8
        ��
        ^
      TOML files are UTF-8 text
    ");
}

#[test]
fn a_profile_and_rules_of_ones_own_are_one_choice() {
    let env = TestEnv::new();
    env.write("my.toml", "[[record]]\nline = 'step (?P<iteration>\\d+)'\n");
    assert!(refused(&env, &["--profile", "megatron", "--rules", "my.toml"]).contains("cannot be used with"));
}

// Flags

#[test]
fn an_interval_that_is_none_is_refused() {
    let env = TestEnv::new();
    assert_snapshot!(refused(&env, &["--interval", "0"]), @r"
    effllm: error: --interval: '0' must be between 0.01 and 3600 seconds
      see 'effllm run --help'
    ");
    for none in ["NaN", "-1", "abc", "", "inf", "0.001", "3601"] {
        let said = refused(&env, &[&format!("--interval={none}")]);
        assert_eq!(refused(&env, &["--interval", none]), said);
        assert!(said.contains(&format!("--interval: '{none}' ")) || none.is_empty(), "{said}");
        assert!(said.contains("--interval"), "{said}");
    }
}

#[test]
fn numbers_that_are_none_are_refused_by_name() {
    let env = TestEnv::new();
    for option in [
        "--params=many",
        "--params=0",
        "--params=-7B",
        "--params=7.6Q",
        "--seq-len=nan",
        "--seq-len=0",
        "--global-batch-size=1e30",
        "--history-size=0",
        "--history-size=1.5",
        "--log-interval=0",
        "--log-interval=-10",
        "--warmup=-1",
        "--live=sometimes",
        "--gpus=zero",
        "--gpus=0,,1",
        "--report=",
    ] {
        let (name, value) = option.split_once('=').expect("a name and a value");
        let said = refused(&env, &[option]);
        assert_eq!(refused(&env, &[name, value]), said);
        assert!(said.contains(name) && said.lines().count() <= 6, "{option}: {said}");
        assert!(!said.contains("invalid digit"), "{option}: {said}");
    }
}

#[test]
fn a_number_without_its_suffix_is_no_count() {
    let env = TestEnv::new();
    assert_snapshot!(refused(&env, &["--params", "7.6"]), @r"
    effllm: error: --params: '7.6' must be a whole number; did you mean 7.6B, 7.6M or 7.6k?
      see 'effllm run --help'
    ");
    assert_snapshot!(refused(&env, &["--params", "7"]), @r"
    effllm: error: --params: '7' is too few for a model; did you mean 7B, 7M or 7k?
      see 'effllm run --help'
    ");
    for option in ["--seq-len=1.5", "--global-batch-size=31.9", "--seq-len=2.00001"] {
        assert!(refused(&env, &[option]).contains("must be a whole number"), "{option}");
    }
    env.write("effllm.toml", "seq-len = 2048\nparams = 7.6\n");
    assert!(
        refused(&env, &[])
            .starts_with("effllm: error: effllm.toml:2:10: params: '7.6' must be a whole number")
    );
    // These are whole, however they are written.
    for (params, value) in
        [("494.032768M", 494_032_768.0), ("7.6B", 7.6e9), ("1e3", 1000.0), ("0.3M", 300_000.0)]
    {
        let done = TestEnv::new();
        let report = done.effllm(["run", "-q", "--params", params, "--", "true"]).done().report();
        assert_eq!(parameters(&report), value);
    }
}

#[test]
fn a_misspelt_flag_is_answered_with_the_nearest_one() {
    let said = refused(&TestEnv::new(), &["--intervall", "1"]);
    assert!(said.starts_with("effllm: error: "), "{said}");
    assert!(
        said.contains("unexpected argument '--intervall'") && said.contains("did you mean '--interval'?"),
        "{said}"
    );
}

#[test]
fn a_command_is_needed() {
    let env = TestEnv::new();
    for arguments in [&["run"][..], &["run", "--"], &["run", "--interval", "1"], &["run", "true"]] {
        let done = env.effllm(arguments).done();
        assert_eq!(done.code(), Some(2), "{arguments:?}: {}", done.stderr());
        assert!(done.stderr().starts_with("effllm: error: "), "{arguments:?}: {}", done.stderr());
    }
    let done = env.effllm(["run", "python", "train.py"]).done();
    assert!(
        done.stderr().contains("  put the command after `--`: effllm run [OPTIONS] -- python …"),
        "{}",
        done.stderr()
    );
    let done = env.effllm(["run", "--help"]).done();
    assert!(done.stdout().starts_with("Examples:") && done.stderr().is_empty());
}

#[test]
fn a_report_that_could_not_be_written_is_refused() {
    let env = TestEnv::new();
    env.write("file", "");
    fs::create_dir(env.path("folder")).expect("a folder");
    assert_snapshot!(refused(&env, &["-o", "missing/report.json"]), @r"
    effllm: error: --report: the report cannot be written to missing/report.json: No such file or directory (os error 2)
      -o FILE names another place, -o - prints it on stdout
    ");
    assert_snapshot!(refused(&env, &["-o", "folder"]), @r"
    effllm: error: --report: the report cannot be written to folder: it is a folder
      -o FILE names another place, -o - prints it on stdout
    ");
    assert_snapshot!(refused(&env, &["-o", "file/report.json"]), @r"
    effllm: error: --report: the report cannot be written to file/report.json: Not a directory (os error 20)
      -o FILE names another place, -o - prints it on stdout
    ");
    // /proc takes no files of ours, whoever asks.
    assert_snapshot!(refused(&env, &["-o", "/proc/report.json"]), @r"
    effllm: error: --report: the report cannot be written to /proc/report.json: No such file or directory (os error 2)
      -o FILE names another place, -o - prints it on stdout
    ");
}

#[test]
fn a_file_may_have_any_name() {
    let env = TestEnv::new();
    let name = |end: &str| OsString::from_vec([b"\xff", end.as_bytes()].concat());
    let arguments = ["run", "-q", "-o"].map(OsString::from).into_iter().chain([name(".json")]);
    let arguments = arguments.chain([OsString::from("--series"), name(".csv")]);
    let done = env.effllm(arguments.chain(["--", "true"].map(OsString::from))).done();
    assert_eq!((done.code(), done.stderr()), (Some(0), String::new()));
    assert!(env.path(name(".csv")).is_file());
    Report::parse(&fs::read_to_string(env.path(name(".json"))).expect("a report"));
}

// Files

#[test]
fn what_a_files_values_lead_to_names_the_file_the_line_and_the_key() {
    let env = TestEnv::new();
    env.write("home/.config/effllm/config.toml", "# mine\nrules = 'nope.toml'\n");
    assert_snapshot!(refused(&env, &[]), @r"
    effllm: error: $PWD/home/.config/effllm/config.toml:2:9: rules: cannot read nope.toml: No such file or directory (os error 2)
        rules = 'nope.toml'
                ^
      name a file of rules; see effllm-rules(5)
    ");
    let said = |text: &str| {
        let mut env = TestEnv::new();
        env.gpus("gpu = [{ name = 'A', uuid = 'GPU-a' }, { name = 'B', uuid = 'GPU-b' }]");
        env.write("effllm.toml", format!("# ours\n{text}\n"));
        // What a flag says does not come from the file.
        let flag = text.split(' ').next().expect("a key");
        let of_the_flag = refused(&env, &[&format!("--{flag}"), "/proc/no/such,thing.csv"]);
        assert!(!of_the_flag.contains("effllm.toml"), "{of_the_flag}");
        refused(&env, &[])
    };
    assert_snapshot!(said("gpus = '9'"), @r"
    effllm: error: effllm.toml:2:8: gpus: '9' is not a GPU of this machine
        gpus = '9'
               ^
      there are 2: 0 A (GPU-a), 1 B (GPU-b)
    ");
    assert_snapshot!(said("report = 'nowhere/x.json'"), @r"
    effllm: error: effllm.toml:2:10: report: the report cannot be written to nowhere/x.json: No such file or directory (os error 2)
        report = 'nowhere/x.json'
                 ^
      -o FILE names another place, -o - prints it on stdout
    ");
    assert_snapshot!(said("tensorboard = '/proc/x'"), @r"
    effllm: error: effllm.toml:2:15: tensorboard: TensorBoard's folder /proc/x cannot be written to: No such file or directory (os error 2)
        tensorboard = '/proc/x'
                      ^
      --tensorboard DIR names another one; it is made if it is not there
    ");
    assert_snapshot!(said("series = 'nowhere/x.csv'"), @r"
    effllm: error: effllm.toml:2:10: series: the series cannot be written to nowhere/x.csv: No such file or directory (os error 2)
        series = 'nowhere/x.csv'
                 ^
      --series FILE names another place, in a folder that is there
    ");
    assert_snapshot!(said("openmetrics = 'nowhere/x.prom'"), @r"
    effllm: error: effllm.toml:2:15: openmetrics: OpenMetrics cannot be written to nowhere/x.prom: No such file or directory (os error 2)
        openmetrics = 'nowhere/x.prom'
                      ^
      --openmetrics FILE names another place, in a folder that is there
    ");
    assert_snapshot!(said("listen = '192.0.2.1:80'"), @r"
    effllm: error: effllm.toml:2:10: listen: cannot listen at 192.0.2.1:80: Cannot assign requested address (os error 99)
        listen = '192.0.2.1:80'
                 ^
      --listen PORT names another port, 0 any that is free
    ");
    assert_snapshot!(said("pattern = '('"), @r"
    effllm: error: effllm.toml:2:11: pattern: this is no regular expression: unclosed group
        (
        ^
      the syntax is that of https://docs.rs/regex: no look-around, no back-references
    ");
    assert!(
        said("profile = 'x'")
            .starts_with("effllm: error: effllm.toml:2:11: profile: no profile is named 'x'")
    );
}

#[test]
fn the_report_says_by_what_a_value_was_given() {
    let env = TestEnv::new();
    env.write("home/.config/effllm/config.toml", "seq-len = 2048\nglobal-batch-size = 4\nparams = '1B'\n");
    env.write("effllm.toml", "params = '2B'\nprofile = 'megatron'\ngpus = 'none'\n");
    let report = env.effllm(["run", "-q", "--global-batch-size", "8", "--", "true"]).done().report();
    assert_eq!(report.text("model.parameters.source"), "params in effllm.toml");
    let user = env.path("home/.config/effllm/config.toml");
    assert_eq!(report.text("model.sequence_length.source"), format!("seq-len in {}", user.display()));
    assert_eq!(report.text("model.global_batch_size.source"), "--global-batch-size");
    assert_eq!(report.text("log.profile_source"), "profile = megatron in effllm.toml");
    assert_eq!(report.why_null("amu_gb"), "gpus = none in effllm.toml");
}

#[test]
fn a_bad_project_file_is_shown_with_file_line_and_column() {
    let said = |text: &str| {
        let env = TestEnv::new();
        env.write("effllm.toml", text);
        refused(&env, &[])
    };
    assert_snapshot!(said("# ours\ninterval = 0.5\nintervall = 0.5\n"), @r"
    effllm: error: effllm.toml:3:1: unknown key 'intervall'
        intervall = 0.5
        ^
      did you mean 'interval'? the keys are the long flags of 'effllm run --help', those of the gate in [gate]
    ");
    assert_snapshot!(said("interval = 'soon'\n"), @r"
    effllm: error: effllm.toml:1:12: interval: 'soon' is not a number of seconds, as in 1.0 or 500ms
        interval = 'soon'
                   ^
      see --interval in effllm-run(1)
    ");
    assert_snapshot!(said("interval = -1\n"), @r"
    effllm: error: effllm.toml:1:12: interval: '-1' must be between 0.01 and 3600 seconds
        interval = -1
                   ^
      see --interval in effllm-run(1)
    ");
    assert_snapshot!(said("interval = nan\n"), @r"
    effllm: error: effllm.toml:1:12: interval: 'nan' is not a number of seconds, as in 1.0 or 500ms
        interval = nan
                   ^
      see --interval in effllm-run(1)
    ");
    assert_snapshot!(said("warmup = -3\n"), @r"
    effllm: error: effllm.toml:1:10: warmup: '-3' must be a whole number, 0 or more
        warmup = -3
                 ^
      see --warmup in effllm-run(1)
    ");
    assert_snapshot!(said("gpus = [0, 1]\n"), @r"
    effllm: error: effllm.toml:1:8: gpus: needs one value, not a list
        gpus = [0, 1]
               ^
      see --gpus in effllm-run(1)
    ");
    assert_snapshot!(said("[gate]\njunit = ['a', 'b']\n"), @r"
    effllm: error: effllm.toml:2:9: junit: needs one value, not a list
        junit = ['a', 'b']
                ^
      see --junit in effllm-run(1)
    ");
    let profile = said("live = 'log'\nprofile = 'megatrom'\n");
    let shown: Vec<&str> = profile.lines().collect();
    assert_eq!(shown[0], "effllm: error: effllm.toml:2:11: profile: no profile is named 'megatrom'");
    assert!(shown[3].starts_with("  did you mean 'megatron'? the built-in profiles are "), "{profile}");
    assert_snapshot!(said("pattern = '(?P<tokns>.*)'\n"), @r"
    effllm: error: effllm.toml:1:11: pattern: group 'tokns' is no field
        (?P<tokns>.*)
            ^
      did you mean 'tokens'? effllm-rules(5) lists the fields
    ");
    assert_snapshot!(said("gpus = '0,x'\n"), @r"
    effllm: error: effllm.toml:1:8: gpus: '0,x' names no GPU by `x`: write auto, all, none, or GPU indices and UUIDs (or their beginnings) separated by commas, such as 0,1 or GPU-1a2b
        gpus = '0,x'
               ^
      see --gpus in effllm-run(1)
    ");
    assert_snapshot!(said("interval = \n"), @r"
    effllm: error: effllm.toml:1:12: string values must be quoted, expected literal string
        interval = 
                   ^
      the keys are the long flags of 'effllm run --help', those of the gate in [gate]
    ");
    assert_snapshot!(said("[run]\ninterval = 1\n"), @r"
    effllm: error: effllm.toml:1:2: unknown key 'run'
        [run]
         ^
      the keys are the long flags of 'effllm run --help', those of the gate in [gate]
    ");
}

#[test]
fn a_bad_user_file_and_a_chosen_one_are_named() {
    let env = TestEnv::new();
    env.write("home/.config/effllm/config.toml", "interval = 'soon'\n");
    assert_snapshot!(refused(&env, &[]), @r"
    effllm: error: $PWD/home/.config/effllm/config.toml:1:12: interval: 'soon' is not a number of seconds, as in 1.0 or 500ms
        interval = 'soon'
                   ^
      see --interval in effllm-run(1)
    ");
    let env = TestEnv::new();
    assert_snapshot!(refused(&env, &["--config", "missing.toml"]), @r"
    effllm: error: --config: cannot read missing.toml: No such file or directory (os error 2)
      name a TOML file; its keys are the long flags
    ");
}

#[test]
fn a_file_that_nobody_named_and_that_may_not_be_read_is_told_and_passed_over() {
    let is_root = nix::unistd::geteuid().is_root(); // who may read everything
    let mut env = TestEnv::new();
    if is_root {
        let Some(()) = available(other_users()) else { return };
        env.open_to_others();
    }
    env.write("home/.config/effllm/config.toml", "interval = 'soon'\n");
    fs::create_dir(env.path("effllm.toml")).expect("a folder");
    for (name, mode) in [("home/.config/effllm", 0o755), ("home/.config/effllm/config.toml", 0o000)] {
        fs::set_permissions(env.path(name), fs::Permissions::from_mode(mode)).expect("permissions");
    }
    let run = |arguments: &[&str]| {
        let mut call = env.effllm(arguments);
        if is_root {
            call.command.uid(54_321).gid(54_321);
        }
        let done = call.done();
        assert_eq!((done.code(), done.stdout()), (Some(0), "ran\n".to_owned()), "{}", done.stderr());
        done.stderr()
    };
    assert_eq!(run(&["run", "-q", "--", "echo", "ran"]), "");
    let said = run(&["run", "--", "echo", "ran"]);
    let unread = "effllm: warning: skipped unreadable settings: ";
    assert!(said.contains(&format!("{unread}effllm.toml: not a regular file\n")), "{said}");
    assert!(said.contains("/home/.config/effllm/config.toml: Permission denied"), "{said}");
    // Where the folder may not be looked into, nothing is known to be there.
    fs::set_permissions(env.path("home/.config/effllm"), fs::Permissions::from_mode(0o000))
        .expect("permissions");
    assert_eq!(run(&["run", "--", "echo", "ran"]).matches(unread).count(), 1);
    // So that the folder can be removed.
    fs::set_permissions(env.path("home/.config/effllm"), fs::Permissions::from_mode(0o755))
        .expect("permissions");
    // One that was asked for is an error.
    assert!(refused(&env, &["--config", "effllm.toml"]).contains("Is a directory"));
}

#[test]
fn settings_that_never_end_are_refused() {
    let env = TestEnv::new();
    env.write("large.toml", "#".repeat(2_000_000));
    env.write("deep.toml", format!("interval = {}", "[".repeat(100_000)));
    env.write("long.toml", format!("{} = 1", "k".repeat(100_000)));
    nix::unistd::mkfifo(&env.path("pipe.toml"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert_snapshot!(refused(&env, &["--config", "/dev/zero"]), @r"
    effllm: error: --config: cannot read /dev/zero: it has more than 1 MiB
      name a TOML file; its keys are the long flags
    ");
    assert_snapshot!(refused(&env, &["--config", "pipe.toml"]), @r"
    effllm: error: --config: cannot read pipe.toml: not a regular file
      name a TOML file; its keys are the long flags
    ");
    assert!(
        refused(&env, &["--config", "large.toml"]).contains("cannot read large.toml: it has more than 1 MiB")
    );
    assert!(
        refused(&env, &["--rules", "large.toml"]).contains("cannot read large.toml: it has more than 1 MiB")
    );
    for name in ["deep.toml", "long.toml"] {
        let said = refused(&env, &["--config", name]);
        assert!(said.len() < 2000, "{}: {}", said.len(), said.chars().take(500).collect::<String>());
    }
    // Pipes that are open are read.
    let piped = "printf 'interval = 0.5' | $effllm run -q --config /dev/stdin -- echo ran";
    assert_eq!(env.sh(piped).done().stdout(), "ran\n");
}

#[test]
fn a_bad_rules_file_says_who_asked_for_it() {
    let env = TestEnv::new();
    env.write("bad.toml", "[[record]]\nline = 'step'\nbarr = true\n");
    env.write("effllm.toml", "# ours\nrules = 'bad.toml'\n");
    assert_snapshot!(refused(&env, &[]), @r"
    effllm: error: bad.toml:3:1: unknown key `barr` (the rules of effllm.toml:2)
        barr = true
        ^
      did you mean 'bar'? effllm-rules(5) describes the language
    ");
    assert!(!refused(&env, &["--rules", "bad.toml"]).contains("effllm.toml"));
}

#[test]
fn what_the_keys_of_the_gate_lead_to_names_their_place() {
    let said = |text: &str| {
        let env = TestEnv::new();
        env.write("effllm.toml", format!("[gate]\n{text}\n"));
        refused(&env, &[])
    };
    assert_snapshot!(said("require = ['al <= baseline']\nbaseline = ['nope.json']"), @r"
    effllm: error: effllm.toml:3:13: baseline: cannot read the report nope.json: No such file or directory (os error 2)
        baseline = ['nope.json']
                    ^
      'effllm run -o FILE' and 'effllm parse --json LOG' write reports
    ");
    assert_snapshot!(said("require = 'al < 1 s'\njunit = 'nowhere/x.xml'"), @r"
    effllm: error: effllm.toml:3:9: junit: nowhere/x.xml cannot be written: No such file or directory (os error 2)
        junit = 'nowhere/x.xml'
                ^
      name a file in an existing, writable folder
    ");
    assert_snapshot!(said("gitlab-metrics = '/'"), @r"
    effllm: error: effllm.toml:2:18: gitlab-metrics: / cannot be written: it is a folder
        gitlab-metrics = '/'
                         ^
      name a file in an existing, writable folder
    ");
    assert_snapshot!(said("fail-fast = true"), @r"
    effllm: error: effllm.toml:2:13: fail-fast: needs a requirement
        fail-fast = true
                    ^
      add one with --require EXPR, as in 'al <= 1.3 s', or with the key require in [gate]
    ");
    assert_snapshot!(said("warn = ['al <= baseline']"), @r"
    effllm: error: effllm.toml:2:9: warn: 'al <= baseline' cannot be evaluated: there is no baseline
        warn = ['al <= baseline']
                ^
      set --baseline REPORT, or the key baseline of [gate], to the report of an earlier run
    ");
    // What a flag says does not come from the file.
    let env = TestEnv::new();
    env.write("effllm.toml", "[gate]\nrequire = 'al < 1'\njunit = 'j.xml'\nbaseline = 'b.json'\n");
    for flag in ["--junit=nowhere/x.xml", "--baseline=nope.json"] {
        let of_the_flag = refused(&env, &[flag, "--baseline=nope.json"]);
        assert!(!of_the_flag.contains("effllm.toml"), "{of_the_flag}");
    }
}

#[test]
fn a_late_error_says_who_asked_for_the_file() {
    let env = TestEnv::new();
    env.write("effllm.toml", "[gate]\nwarn = 'al < 1'\njunit = '/dev/full'\n");
    let done = env.effllm(["run", "-q", "--", "true"]).done();
    assert_snapshot!(done.stderr(), @r"
    effllm: error: junit in effllm.toml: /dev/full cannot be written: No space left on device (os error 28)
      name a file in an existing, writable folder
    ");
    let done = env.effllm(["run", "-q", "--junit", "/dev/full", "--", "true"]).done();
    assert!(done.stderr().starts_with("effllm: error: --junit: /dev/full cannot"), "{}", done.stderr());
}

// Environment

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

// Precedence

fn parameters(report: &Report) -> f64 {
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
