//! Configuration files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use insta::assert_snapshot;

use super::refused;
use crate::harness::TestEnv;
use crate::harness::requirements::{available, other_users};

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
    let unread = "effllm: warning: skipped settings: ";
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
fn a_file_that_others_may_write_is_told_and_passed_over_unless_it_is_named() {
    for (folder, file) in [(0o777, 0o644), (0o1777, 0o644), (0o755, 0o666)] {
        let env = TestEnv::new();
        env.write("shared/effllm.toml", "report = 'others.json'\n");
        env.chmod("shared/effllm.toml", file).chmod("shared", folder);
        let run = |options: &str| env.sh(&format!("cd shared && $effllm run {options} -- true")).done();
        let said = run("").stderr();
        assert!(said.contains("skipped settings: effllm.toml: others may write it or its folder"), "{said}");
        assert!(!env.exists("shared/others.json"), "{:?}", env.files());
        assert_eq!(run("-q --config effllm.toml").code(), Some(0));
        assert!(env.exists("shared/others.json"), "{:?}", env.files());
    }
}

#[test]
fn no_output_replaces_the_file_that_a_stream_is_written_to() {
    for redirection in [">out", ">>out", "2>out"] {
        for option in ["-o out", "--series out", "-o link"] {
            let env = TestEnv::new();
            let script = format!("ln -s out link; $effllm run {option} -- touch ran {redirection}");
            assert_eq!(env.sh(&script).done().code(), Some(2), "{option} {redirection}");
            assert!(!env.exists("ran"), "{option} {redirection}");
        }
    }
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
