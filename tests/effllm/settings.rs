//! Every bad setting is found before the command starts, and says where it is and what to do; a later
//! layer goes before an earlier one.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use insta::assert_snapshot;

use crate::shell::{Report, Shell};

/// What is said of a bad setting: the exit status is 2, nothing else is printed, nothing is left
/// behind, and the command has not been started.
#[track_caller]
fn refused(shell: &Shell, options: &[&str]) -> String {
    let before = shell.files();
    let arguments = ["run"].iter().chain(options).chain(&["--", "touch", "started"]);
    let done = shell.effllm(arguments).done();
    assert_eq!(done.code(), Some(2), "{}", done.stderr());
    assert_eq!(done.stdout(), "");
    assert_eq!(shell.files(), before);
    done.stderr()
}

// Rules

#[test]
fn an_unknown_profile_is_answered_with_the_nearest_one() {
    let shell = Shell::new();
    let said = refused(&shell, &["--profile", "megatrom"]);
    let (first, hint) = said.split_once('\n').expect("two lines");
    assert_snapshot!(first, @"effllm: error: --profile: no profile is named 'megatrom'");
    assert!(hint.starts_with("  did you mean 'megatron'? the built-in profiles are "), "{hint}");
    let said = refused(&shell, &["--profile", "tensorflow-of-old"]);
    assert!(said.contains("  the built-in profiles are ") && said.contains("--rules FILE reads your own"));
}

#[test]
fn a_broken_pattern_is_shown_with_a_caret() {
    let shell = Shell::new();
    assert_snapshot!(refused(&shell, &["--pattern", r"step (?P<iteration>\d+"]), @r"
    effllm: error: --pattern: this is no regular expression: unclosed group
        step (?P<iteration>\d+
             ^
      the syntax is that of https://docs.rs/regex: no look-around, no back-references
    ");
    assert_snapshot!(refused(&shell, &["--pattern", r"step (?P<iteratoin>\d+)"]), @r"
    effllm: error: --pattern: group 'iteratoin' is no field
        step (?P<iteratoin>\d+)
                 ^
      did you mean 'iteration'? effllm-rules(5) lists the fields
    ");
    assert_snapshot!(refused(&shell, &["--pattern", r"step \d+"]), @r"
    effllm: error: --pattern: no group is named after a field
        step \d+
      name one, as in 'step (?P<iteration>\d+)'; effllm-rules(5) lists the fields
    ");
}

#[test]
fn broken_rules_are_shown_with_file_line_and_column() {
    let shell = Shell::new();
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
        shell.write(&format!("{name}.toml"), text);
    }
    assert_snapshot!(refused(&shell, &["--rules", "regex.toml"]), @r"
    effllm: error: regex.toml:3:14: this is no regular expression: unclosed group
        line = 'step (?P<iteration>\d+'
                     ^
      the syntax is that of https://docs.rs/regex: no look-around, no back-references
    ");
    assert_snapshot!(refused(&shell, &["--rules", "field.toml"]), @r"
    effllm: error: field.toml:3:21: group 'step_tyme_ms' is no field
        fields = ['took (?P<step_tyme_ms>[\d.]+)']
                            ^
      did you mean 'step_time'? effllm-rules(5) lists the fields
    ");
    assert_snapshot!(refused(&shell, &["--rules", "key.toml"]), @r"
    effllm: error: key.toml:3:1: unknown key `barr`
        barr = true
        ^
      did you mean 'bar'? effllm-rules(5) describes the language
    ");
    assert_snapshot!(refused(&shell, &["--rules", "syntax.toml"]), @r"
    effllm: error: syntax.toml:2:8: string values must be quoted, expected literal string
        line = step
               ^
      effllm-rules(5) describes the language
    ");
    assert_snapshot!(refused(&shell, &["--rules", "empty.toml"]), @r"
    effllm: error: empty.toml:1:1: no [[record]] and no facts: these rules recognise nothing
        description = 'nothing'
        ^
      'effllm profiles show megatron' prints rules to start from
    ");
}

#[test]
fn rules_that_cannot_be_read_are_named() {
    let shell = Shell::new();
    fs::create_dir(shell.path("folder.toml")).expect("a folder");
    shell.write("binary.toml", b"\xff\xfe");
    assert_snapshot!(refused(&shell, &["--rules", "missing.toml"]), @r"
    effllm: error: --rules: cannot read missing.toml: No such file or directory (os error 2)
      --rules FILE, or the key rules of effllm.toml, names a file of rules
    ");
    assert_snapshot!(refused(&shell, &["--rules", "folder.toml"]), @r"
    effllm: error: --rules: cannot read folder.toml: Is a directory (os error 21)
      --rules FILE, or the key rules of effllm.toml, names a file of rules
    ");
    assert_snapshot!(refused(&shell, &["--rules", "binary.toml"]), @r"
    effllm: error: binary.toml:1:1: this is not UTF-8
        ��
        ^
      TOML files are UTF-8 text
    ");
}

#[test]
fn a_profile_and_rules_of_ones_own_are_one_choice() {
    let shell = Shell::new();
    shell.write("my.toml", "[[record]]\nline = 'step (?P<iteration>\\d+)'\n");
    assert!(
        refused(&shell, &["--profile", "megatron", "--rules", "my.toml"]).contains("cannot be used with")
    );
}

// Flags

#[test]
fn an_interval_that_is_none_is_refused() {
    let shell = Shell::new();
    assert_snapshot!(refused(&shell, &["--interval", "0"]), @r"
    effllm: error: --interval: '0' must be between 0.01 and 3600 seconds
      'effllm run --help' says what --interval takes
    ");
    for none in ["NaN", "-1", "abc", "", "inf", "0.001", "3601"] {
        let said = refused(&shell, &[&format!("--interval={none}")]);
        assert_eq!(refused(&shell, &["--interval", none]), said);
        assert!(said.contains(&format!("--interval: '{none}' ")) || none.is_empty(), "{said}");
        assert!(said.contains("--interval"), "{said}");
    }
}

#[test]
fn numbers_that_are_none_are_refused_by_name() {
    let shell = Shell::new();
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
        let said = refused(&shell, &[option]);
        assert_eq!(refused(&shell, &[name, value]), said);
        assert!(said.contains(name) && said.lines().count() <= 6, "{option}: {said}");
        assert!(!said.contains("invalid digit"), "{option}: {said}");
    }
}

#[test]
fn a_number_without_its_suffix_is_no_count() {
    let shell = Shell::new();
    assert_snapshot!(refused(&shell, &["--params", "7.6"]), @r"
    effllm: error: --params: '7.6' must be a whole number; did you mean 7.6B, 7.6M or 7.6k?
      'effllm run --help' says what --params takes
    ");
    assert_snapshot!(refused(&shell, &["--params", "7"]), @r"
    effllm: error: --params: '7' is less than any model has; did you mean 7B, 7M or 7k?
      'effllm run --help' says what --params takes
    ");
    for option in ["--seq-len=1.5", "--global-batch-size=31.9", "--seq-len=2.00001"] {
        assert!(refused(&shell, &[option]).contains("must be a whole number"), "{option}");
    }
    shell.write("effllm.toml", "seq-len = 2048\nparams = 7.6\n");
    assert!(
        refused(&shell, &[])
            .starts_with("effllm: error: effllm.toml:2:10: params: '7.6' must be a whole number")
    );
    // These are whole, however they are written.
    for (params, value) in
        [("494.032768M", 494_032_768.0), ("7.6B", 7.6e9), ("1e3", 1000.0), ("0.3M", 300_000.0)]
    {
        let done = Shell::new();
        let report = done.effllm(["run", "-q", "--params", params, "--", "true"]).done().report();
        assert_eq!(parameters(&report), value);
    }
}

#[test]
fn a_misspelt_flag_is_answered_with_the_nearest_one() {
    let said = refused(&Shell::new(), &["--intervall", "1"]);
    assert!(said.starts_with("effllm: error: "), "{said}");
    assert!(said.contains("no option --intervall") && said.contains("did you mean '--interval'?"), "{said}");
}

#[test]
fn a_command_is_needed() {
    let shell = Shell::new();
    for arguments in [&["run"][..], &["run", "--"], &["run", "--interval", "1"], &["run", "true"]] {
        let done = shell.effllm(arguments).done();
        assert_eq!(done.code(), Some(2), "{arguments:?}: {}", done.stderr());
        assert!(done.stderr().starts_with("effllm: error: "), "{arguments:?}: {}", done.stderr());
    }
    let done = shell.effllm(["run", "python", "train.py"]).done();
    assert!(
        done.stderr().contains("  the command comes behind '--': effllm run [OPTIONS] -- python …"),
        "{}",
        done.stderr()
    );
    let done = shell.effllm(["run", "--help"]).done();
    assert!(done.stdout().starts_with("Examples:") && done.stderr().is_empty());
}

#[test]
fn a_report_that_could_not_be_written_is_refused() {
    let shell = Shell::new();
    shell.write("file", "");
    fs::create_dir(shell.path("folder")).expect("a folder");
    assert_snapshot!(refused(&shell, &["-o", "missing/report.json"]), @r"
    effllm: error: the report cannot be written to missing/report.json: No such file or directory (os error 2)
      -o FILE names another place, -o - prints it on stdout
    ");
    assert_snapshot!(refused(&shell, &["-o", "folder"]), @r"
    effllm: error: the report cannot be written to folder: it is a folder
      -o FILE names another place, -o - prints it on stdout
    ");
    assert_snapshot!(refused(&shell, &["-o", "file/report.json"]), @r"
    effllm: error: the report cannot be written to file/report.json: Not a directory (os error 20)
      -o FILE names another place, -o - prints it on stdout
    ");
    // /proc takes no files of ours, whoever asks.
    assert_snapshot!(refused(&shell, &["-o", "/proc/report.json"]), @r"
    effllm: error: the report cannot be written to /proc/report.json: No such file or directory (os error 2)
      -o FILE names another place, -o - prints it on stdout
    ");
}

#[test]
fn a_file_may_have_any_name() {
    let shell = Shell::new();
    let name = |end: &str| OsString::from_vec([b"\xff", end.as_bytes()].concat());
    let arguments = ["run", "-q", "-o"].map(OsString::from).into_iter().chain([name(".json")]);
    let arguments = arguments.chain([OsString::from("--series"), name(".csv")]);
    let done = shell.effllm(arguments.chain(["--", "true"].map(OsString::from))).done();
    assert_eq!((done.code(), done.stderr()), (Some(0), String::new()));
    assert!(shell.path(name(".csv")).is_file());
    Report::parse(&fs::read_to_string(shell.path(name(".json"))).expect("a report"));
}

// Files

#[test]
fn what_a_files_values_lead_to_names_the_file_the_line_and_the_key() {
    let shell = Shell::new();
    shell.write("home/.config/effllm/config.toml", "# mine\nrules = 'nope.toml'\n");
    assert_snapshot!(refused(&shell, &[]), @r"
    effllm: error: $PWD/home/.config/effllm/config.toml:2:9: rules: cannot read nope.toml: No such file or directory (os error 2)
        rules = 'nope.toml'
                ^
      --rules FILE, or the key rules of effllm.toml, names a file of rules
    ");
    let said = |text: &str| {
        let mut shell = Shell::new();
        shell.gpus("gpu = [{ name = 'A', uuid = 'GPU-a' }, { name = 'B', uuid = 'GPU-b' }]");
        shell.write("effllm.toml", format!("# ours\n{text}\n"));
        // What a flag says does not come from the file.
        let flag = text.split(' ').next().expect("a key");
        let of_the_flag = refused(&shell, &[&format!("--{flag}"), "/proc/no/such,thing.csv"]);
        assert!(!of_the_flag.contains("effllm.toml"), "{of_the_flag}");
        refused(&shell, &[])
    };
    assert_snapshot!(said("gpus = '9'"), @r"
    effllm: error: effllm.toml:2:8: gpus 9: no such GPU
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
    let shell = Shell::new();
    shell.write("home/.config/effllm/config.toml", "seq-len = 2048\nglobal-batch-size = 4\nparams = '1B'\n");
    shell.write("effllm.toml", "params = '2B'\nprofile = 'megatron'\ngpus = 'none'\n");
    let report = shell.effllm(["run", "-q", "--global-batch-size", "8", "--", "true"]).done().report();
    assert_eq!(report.text("model.parameters.source"), "params in effllm.toml");
    let user = shell.path("home/.config/effllm/config.toml");
    assert_eq!(report.text("model.sequence_length.source"), format!("seq-len in {}", user.display()));
    assert_eq!(report.text("model.global_batch_size.source"), "--global-batch-size");
    assert_eq!(report.text("log.profile_source"), "profile = megatron in effllm.toml");
    assert_eq!(report.why_null("amu_gb"), "gpus = none in effllm.toml");
}

#[test]
fn a_bad_project_file_is_shown_with_file_line_and_column() {
    let said = |text: &str| {
        let shell = Shell::new();
        shell.write("effllm.toml", text);
        refused(&shell, &[])
    };
    assert_snapshot!(said("# ours\ninterval = 0.5\nintervall = 0.5\n"), @r"
    effllm: error: effllm.toml:3:1: unknown key `intervall`
        intervall = 0.5
        ^
      did you mean 'interval'? the keys are the long flags of 'effllm run --help'
    ");
    assert_snapshot!(said("interval = 'soon'\n"), @r"
    effllm: error: effllm.toml:1:12: interval: 'soon' is no number of seconds, as in 1.0 or 500ms
        interval = 'soon'
                   ^
      effllm-run(1) says what --interval takes
    ");
    assert_snapshot!(said("interval = -1\n"), @r"
    effllm: error: effllm.toml:1:12: interval: '-1' must be between 0.01 and 3600 seconds
        interval = -1
                   ^
      effllm-run(1) says what --interval takes
    ");
    assert_snapshot!(said("interval = nan\n"), @r"
    effllm: error: effllm.toml:1:12: interval: 'NaN' is no number of seconds, as in 1.0 or 500ms
        interval = nan
                   ^
      effllm-run(1) says what --interval takes
    ");
    assert_snapshot!(said("warmup = -3\n"), @r"
    effllm: error: effllm.toml:1:10: warmup: '-3' must be a whole number, 0 or more
        warmup = -3
                 ^
      effllm-run(1) says what --warmup takes
    ");
    assert_snapshot!(said("gpus = [0, 1]\n"), @r"
    effllm: error: effllm.toml:1:8: gpus: a list is not a string or a number
        gpus = [0, 1]
               ^
      effllm-run(1) says what --gpus takes
    ");
    assert_snapshot!(said("[gate]\njunit = ['a', 'b']\n"), @r"
    effllm: error: effllm.toml:2:9: junit: a list is not a string
        junit = ['a', 'b']
                ^
      effllm-run(1) says what --junit takes
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
    effllm: error: effllm.toml:1:8: gpus: '0,x' names no GPU by `x`: write auto, all, none, or NVML indices and UUIDs (or their beginnings) separated by commas, such as 0,1 or GPU-1a2b
        gpus = '0,x'
               ^
      effllm-run(1) says what --gpus takes
    ");
    assert_snapshot!(said("interval = \n"), @r"
    effllm: error: effllm.toml:1:12: interval: string values must be quoted, expected literal string
        interval = 
                   ^
      effllm-run(1) says what --interval takes
    ");
    assert_snapshot!(said("[run]\ninterval = 1\n"), @r"
    effllm: error: effllm.toml:1:2: unknown key `run`
        [run]
         ^
      the keys are the long flags of 'effllm run --help'
    ");
}

#[test]
fn a_bad_user_file_and_a_chosen_one_are_named() {
    let shell = Shell::new();
    shell.write("home/.config/effllm/config.toml", "interval = 'soon'\n");
    assert_snapshot!(refused(&shell, &[]), @r"
    effllm: error: $PWD/home/.config/effllm/config.toml:1:12: interval: 'soon' is no number of seconds, as in 1.0 or 500ms
        interval = 'soon'
                   ^
      effllm-run(1) says what --interval takes
    ");
    let shell = Shell::new();
    assert_snapshot!(refused(&shell, &["--config", "missing.toml"]), @r"
    effllm: error: --config: cannot read missing.toml: No such file or directory (os error 2)
      it names a TOML file whose keys are the long flags of 'effllm run --help'
    ");
}

#[test]
fn a_file_that_nobody_named_and_that_may_not_be_read_is_told_and_passed_over() {
    let shell = Shell::new();
    shell.write("home/.config/effllm/config.toml", "interval = 'soon'\n");
    fs::create_dir(shell.path("effllm.toml")).expect("a folder");
    for (name, mode) in
        [(".", 0o777), ("home/.config/effllm", 0o755), ("home/.config/effllm/config.toml", 0o000)]
    {
        fs::set_permissions(shell.path(name), fs::Permissions::from_mode(mode)).expect("permissions");
    }
    let run = |arguments: &[&str]| {
        let mut call = shell.effllm(arguments);
        if nix::unistd::geteuid().is_root() {
            call.command.uid(54_321).gid(54_321); // root may read everything
        }
        let done = call.done();
        assert_eq!((done.code(), done.stdout()), (Some(0), "ran\n".to_owned()), "{}", done.stderr());
        done.stderr()
    };
    assert_eq!(run(&["run", "-q", "--", "echo", "ran"]), "");
    let said = run(&["run", "--", "echo", "ran"]);
    let unread = "effllm: warning: settings that cannot be read are not used: ";
    assert!(said.contains(&format!("{unread}effllm.toml: it is no file\n")), "{said}");
    assert!(said.contains("/home/.config/effllm/config.toml: Permission denied"), "{said}");
    // Where the folder may not be looked into, nothing is known to be there.
    fs::set_permissions(shell.path("home/.config/effllm"), fs::Permissions::from_mode(0o000))
        .expect("permissions");
    assert_eq!(run(&["run", "--", "echo", "ran"]).matches(unread).count(), 1);
    // So that the folder can be removed.
    fs::set_permissions(shell.path("home/.config/effllm"), fs::Permissions::from_mode(0o755))
        .expect("permissions");
    // One that was asked for is an error.
    assert!(refused(&shell, &["--config", "effllm.toml"]).contains("Is a directory"));
}

#[test]
fn settings_that_never_end_are_refused() {
    let shell = Shell::new();
    shell.write("large.toml", "#".repeat(2_000_000));
    shell.write("deep.toml", format!("interval = {}", "[".repeat(100_000)));
    shell.write("long.toml", format!("{} = 1", "k".repeat(100_000)));
    nix::unistd::mkfifo(&shell.path("pipe.toml"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert_snapshot!(refused(&shell, &["--config", "/dev/zero"]), @r"
    effllm: error: --config: cannot read /dev/zero: it has more than 1 MiB
      it names a TOML file whose keys are the long flags of 'effllm run --help'
    ");
    assert_snapshot!(refused(&shell, &["--config", "pipe.toml"]), @r"
    effllm: error: --config: cannot read pipe.toml: it is no file
      it names a TOML file whose keys are the long flags of 'effllm run --help'
    ");
    assert!(
        refused(&shell, &["--config", "large.toml"])
            .contains("cannot read large.toml: it has more than 1 MiB")
    );
    assert!(
        refused(&shell, &["--rules", "large.toml"])
            .contains("cannot read large.toml: it has more than 1 MiB")
    );
    for name in ["deep.toml", "long.toml"] {
        let said = refused(&shell, &["--config", name]);
        assert!(said.len() < 2000, "{}: {}", said.len(), said.chars().take(500).collect::<String>());
    }
    // Pipes that are open are read.
    let piped = "printf 'interval = 0.5' | $effllm run -q --config /dev/stdin -- echo ran";
    assert_eq!(shell.sh(piped).done().stdout(), "ran\n");
}

#[test]
fn a_bad_rules_file_says_who_asked_for_it() {
    let shell = Shell::new();
    shell.write("bad.toml", "[[record]]\nline = 'step'\nbarr = true\n");
    shell.write("effllm.toml", "# ours\nrules = 'bad.toml'\n");
    assert_snapshot!(refused(&shell, &[]), @r"
    effllm: error: bad.toml:3:1: unknown key `barr` (the rules of effllm.toml:2)
        barr = true
        ^
      did you mean 'bar'? effllm-rules(5) describes the language
    ");
    assert!(!refused(&shell, &["--rules", "bad.toml"]).contains("effllm.toml"));
}

#[test]
fn what_the_keys_of_the_gate_lead_to_names_their_place() {
    let said = |text: &str| {
        let shell = Shell::new();
        shell.write("effllm.toml", format!("[gate]\n{text}\n"));
        refused(&shell, &[])
    };
    assert_snapshot!(said("require = ['al <= baseline']\nbaseline = ['nope.json']"), @r"
    effllm: error: effllm.toml:3:12: baseline: cannot read the report nope.json: No such file or directory (os error 2)
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
    effllm: error: effllm.toml:2:13: fail-fast: nothing is required, so there is nothing to end the run for
        fail-fast = true
                    ^
      --require EXPR, or the key require of [gate], requires something, as in 'al <= 1.3 s'
    ");
    assert_snapshot!(said("warn = ['al <= baseline']"), @r"
    effllm: error: effllm.toml:2:8: warn: 'al <= baseline' cannot be evaluated: there is no baseline
        warn = ['al <= baseline']
               ^
      set --baseline REPORT, or the key baseline of [gate], to the report of an earlier run
    ");
    // What a flag says does not come from the file.
    let shell = Shell::new();
    shell.write("effllm.toml", "[gate]\nrequire = 'al < 1'\njunit = 'j.xml'\nbaseline = 'b.json'\n");
    for flag in ["--junit=nowhere/x.xml", "--baseline=nope.json"] {
        let of_the_flag = refused(&shell, &[flag, "--baseline=nope.json"]);
        assert!(!of_the_flag.contains("effllm.toml"), "{of_the_flag}");
    }
}

#[test]
fn a_late_error_says_who_asked_for_the_file() {
    let shell = Shell::new();
    shell.write("effllm.toml", "[gate]\nwarn = 'al < 1'\njunit = '/dev/full'\n");
    let done = shell.effllm(["run", "-q", "--", "true"]).done();
    assert_snapshot!(done.stderr(), @r"
    effllm: error: junit in effllm.toml: /dev/full cannot be written: No space left on device (os error 28)
      name a file in an existing, writable folder
    ");
    let done = shell.effllm(["run", "-q", "--junit", "/dev/full", "--", "true"]).done();
    assert!(done.stderr().starts_with("effllm: error: --junit: /dev/full cannot"), "{}", done.stderr());
}

// Environment

#[test]
fn bad_values_in_the_environment_are_named() {
    let said = |name: &str, value: &str| {
        let mut shell = Shell::new();
        shell.set(name, value);
        refused(&shell, &[])
    };
    assert_snapshot!(said("EFFICIENTLLM_COLLECTION_INTERVAL", "often"), @r"
    effllm: error: the environment variable EFFICIENTLLM_COLLECTION_INTERVAL='often' is no number of seconds, as in 1.0 or 500ms
      correct it, or unset it: env -u EFFICIENTLLM_COLLECTION_INTERVAL …
    ");
    assert_snapshot!(said("EFFICIENTLLM_COLLECTION_INTERVAL", "0"), @r"
    effllm: error: the environment variable EFFICIENTLLM_COLLECTION_INTERVAL='0' must be between 0.01 and 3600 seconds
      correct it, or unset it: env -u EFFICIENTLLM_COLLECTION_INTERVAL …
    ");
    assert_snapshot!(said("EFFICIENTLLM_HISTORY_SIZE", "-1"), @r"
    effllm: error: the environment variable EFFICIENTLLM_HISTORY_SIZE='-1' must be a whole number between 1 and 10000000
      correct it, or unset it: env -u EFFICIENTLLM_HISTORY_SIZE …
    ");
    assert_snapshot!(said("EFFICIENTLLM_LOG_INTERVAL", "1.5"), @r"
    effllm: error: the environment variable EFFICIENTLLM_LOG_INTERVAL='1.5' must be a whole number between 1 and 10000000
      correct it, or unset it: env -u EFFICIENTLLM_LOG_INTERVAL …
    ");
    assert_snapshot!(said("EFFICIENTLLM_METRICS_ENABLED", "maybe"), @r"
    effllm: error: the environment variable EFFICIENTLLM_METRICS_ENABLED='maybe' is neither true nor false
      correct it, or unset it: env -u EFFICIENTLLM_METRICS_ENABLED …
    ");
}

// Precedence

fn parameters(report: &Report) -> f64 {
    report.number("model.parameters.value")
}

#[test]
fn a_later_layer_goes_before_an_earlier_one() {
    let mut shell = Shell::new();
    let history = |shell: &Shell, options: &str| {
        // Five records: a history of so many points keeps fewer than that.
        let script = r#"for i in 1 2 3 4 5 6 7 8 9; do echo "step $i"; done"#;
        let arguments = ["run", "--quiet", "--pattern", r"step (?P<iteration>\d+)"];
        let options = options.split_whitespace();
        let report = shell
            .effllm(arguments.into_iter().chain(options).chain(["--", "sh", "-c", script]))
            .done()
            .report();
        report.numbers("series.iterations.iteration").len()
    };
    // A history of N points is halved when it is full.
    assert_eq!(history(&shell, ""), 9, "the default keeps a thousand");
    shell.write("home/.config/effllm/config.toml", "history-size = 2\nparams = '1B'\n");
    let of_the_user = history(&shell, "");
    shell.write("effllm.toml", "history-size = 4\n");
    let of_the_project = history(&shell, "");
    shell.write("other.toml", "history-size = 8\n");
    let of_the_chosen = history(&shell, "--config other.toml");
    shell.set("EFFICIENTLLM_HISTORY_SIZE", "2");
    let of_the_environment = history(&shell, "");
    let of_the_flag = history(&shell, "--history-size 100");
    let expected = |n: &str| history(&Shell::new(), &format!("--history-size {n}"));
    assert_eq!(of_the_user, expected("2"));
    assert_eq!(of_the_project, expected("4"));
    assert_eq!(of_the_chosen, expected("8"));
    assert_eq!(of_the_environment, expected("2"));
    assert_eq!(of_the_flag, 9);
    assert!(of_the_user < of_the_project && of_the_project < of_the_chosen && of_the_chosen < 9);
}

#[test]
fn a_layer_that_says_nothing_lets_the_one_below_speak() {
    let mut shell = Shell::new();
    shell.write("home/.config/effllm/config.toml", "params = '1B'\nseq-len = 100\nquiet = true\n");
    shell.write("effllm.toml", "params = 2000000000\nreport = 'out/report.json'\nglobal-batch-size = '1k'\n");
    fs::create_dir(shell.path("out")).expect("a folder");
    shell.set("EFFICIENTLLM_COLLECTION_INTERVAL", "");
    let done = shell.effllm(["run", "--", "true"]).done();
    assert_eq!((done.code(), done.stderr()), (Some(0), String::new()));
    let report = Report::parse(&shell.read("out/report.json"));
    assert_eq!(parameters(&report), 2e9);
    assert_eq!(report.number("model.sequence_length.value"), 100.0);
    assert_eq!(report.number("model.global_batch_size.value"), 1000.0);
    let done = shell.effllm(["run", "--params", "3e9", "-o", "mine.json", "--", "true"]).done();
    assert_eq!(done.code(), Some(0), "{}", done.stderr());
    assert_eq!(parameters(&Report::parse(&shell.read("mine.json"))), 3e9);
}

#[test]
fn the_interval_is_read_in_all_its_forms() {
    // 50 ms for half a second are some ten samples; a second would be two: the first and the last.
    let samples = |prepare: &dyn Fn(&mut Shell), options: &str| {
        let mut shell = Shell::new();
        shell.gpus("");
        prepare(&mut shell);
        shell.run(options, "sleep 0.5").done().report().number("gpus.0.samples")
    };
    assert_eq!(samples(&|_| {}, "--interval 3600"), 2.0);
    assert!(samples(&|_| {}, "--interval 50ms") > 3.0);
    assert!(samples(&|_| {}, "--interval 0.05") > 3.0);
    let environment = |shell: &mut Shell| {
        shell.set("EFFICIENTLLM_COLLECTION_INTERVAL", "0.05");
    };
    assert!(samples(&environment, "") > 3.0);
    assert_eq!(samples(&environment, "--interval 1h"), 2.0);
    let file = |shell: &mut Shell| {
        shell.write("effllm.toml", "interval = '50ms'\n");
    };
    assert!(samples(&file, "") > 3.0);
}

#[test]
fn the_users_file_lies_in_the_home_where_nothing_else_is_said() {
    let mut shell = Shell::new();
    shell.unset("XDG_CONFIG_HOME");
    shell.write("home/.config/effllm/config.toml", "params = '5B'\n");
    assert_eq!(parameters(&shell.run("", "true").done().report()), 5e9);
    // Without a home there is none, and that is no error.
    shell.unset("HOME");
    assert!(shell.run("", "true").done().report().at("model.parameters.value").is_null());
}
