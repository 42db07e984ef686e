//! Built-in profiles on logs in each framework's format, and rules that users write wrongly.
//!
//! `fixtures/logs/NAME.log` is a log of our own, `NAME.events.jsonl` what `effllm parse --events`
//! prints for it; `EFFLLM_BLESS=1 cargo test --test it profiles` writes the latter anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::harness::{ROOT, TestEnv};
use crate::library::{Event, LogReader, Progress, RECORD_FIELDS, Rules, Stream, profiles};

/// The built-in profiles, compiled once for all tests.
pub static PROFILES: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let profiles = profiles::load_all().expect("profiles");
    for pattern in profiles.iter().flat_map(Rules::patterns) {
        pattern.compile().unwrap_or_else(|error| panic!("{}: {}", pattern.text(), error.what));
    }
    profiles
});

pub fn reader_of(name: &str) -> LogReader {
    let rules = PROFILES.iter().find(|rules| rules.name == name).expect("a profile");
    LogReader::with_rules(rules.clone(), "the test")
}

pub fn logs() -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join("fixtures/logs");
    let mut logs: Vec<PathBuf> = fs::read_dir(folder)
        .expect("fixtures/logs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs
}

#[test]
fn each_log_is_read_as_its_expected_events_say() {
    let bless = std::env::var_os("EFFLLM_BLESS").is_some();
    for log in logs() {
        let env = TestEnv::new();
        let events = env.effllm(["parse", "--events", log.to_str().expect("UTF-8")]).done().printed();
        let expected = log.with_extension("events.jsonl");
        if bless {
            fs::write(&expected, &events).expect("written");
        }
        let expected = fs::read_to_string(&expected).expect("the expected events");
        assert_eq!(events, expected, "{}", log.display());
    }
}

#[test]
fn each_log_leads_to_the_profile_that_its_name_begins_with() {
    for log in logs() {
        let stem = log.file_stem().expect("a name").to_string_lossy().into_owned();
        let expected = profiles::names().find(|name| stem.starts_with(name));
        let mut reader = LogReader::detecting(PROFILES.clone()).of_a_file();
        let mut events = Vec::new();
        reader.push(Stream::Stdout, &fs::read(&log).expect("read"), 0.0, &mut events);
        reader.finish(&mut events);
        assert_eq!(reader.profile().map(|profile| profile.0), expected, "{stem}");
    }
}

#[test]
fn each_profile_has_a_log_and_all_its_patterns_compile() {
    let stems: Vec<String> =
        logs().iter().map(|log| log.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    for name in profiles::names() {
        assert!(stems.iter().any(|stem| stem.starts_with(name)), "{name} has no log in fixtures/logs");
        let rules = PROFILES.iter().find(|rules| rules.name == name).expect("a profile");
        assert!(!rules.description.is_empty(), "{name}");
    }
}

#[test]
fn in_a_file_the_whole_log_and_its_pieces_give_the_same_events() {
    for log in logs() {
        let bytes = fs::read(&log).expect("read");
        let read = |pieces: usize| {
            let mut reader = LogReader::detecting(PROFILES.clone()).of_a_file();
            let mut events = Vec::new();
            bytes.chunks(pieces).for_each(|piece| reader.push(Stream::Stdout, piece, 0.0, &mut events));
            reader.finish(&mut events);
            events
        };
        assert_eq!(read(7), read(bytes.len()), "{}", log.display());
    }
}

/// One framework's lines in another's log: once chosen, a profile stays.
#[test]
fn lines_of_another_framework_do_not_switch_the_profile() {
    let all = logs();
    let text = |name: &str| {
        let log = all.iter().find(|log| log.file_stem().is_some_and(|stem| stem == name)).expect("a log");
        fs::read_to_string(log).expect("read")
    };
    for (first, then) in
        [("megatron-core-016", "nanogpt-nanochat"), ("torchtitan", "hf-trainer-trl"), ("nemo", "vllm-bench")]
    {
        let mut reader = LogReader::detecting(PROFILES.clone()).of_a_file();
        let mut events = Vec::new();
        for text in [text(first), text(then)] {
            reader.push(Stream::Stdout, text.as_bytes(), 0.0, &mut events);
        }
        reader.finish(&mut events);
        let chosen = reader.profile().map(|profile| profile.0.to_owned()).expect("a profile");
        assert!(first.starts_with(&chosen), "{first}, then {then}: {chosen}");
    }
}

// ---- what lines mean, beyond what their events show

fn records(name: &str, text: &str) -> Vec<Progress> {
    let mut reader = reader_of(name);
    let mut events = Vec::new();
    reader.push(Stream::Stdout, text.as_bytes(), 1.0, &mut events);
    reader.finish(&mut events);
    let records = events.into_iter().filter_map(|event| match event {
        Event::Progress(record) => Some(*record),
        _ => None,
    });
    records.collect()
}

#[test]
fn a_bars_rate_gives_way_to_a_measured_time() {
    let records = records(
        "verl",
        "Training Progress:   2%|▎         | 1/40 [01:01<39:48, 61.99s/it]\n\
         step:1 - actor/grad_norm:0.25 - timing_s/step:61.25\n",
    );
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].step_time, records[0].smoothed), (Some(61.25), false));
}

#[test]
fn a_later_epoch_counts_from_zero_again_and_is_no_restart() {
    let records = records(
        "lightning",
        "Epoch 0: 100%|##| 4/4 [00:08<00:00,  0.50it/s]\nEpoch 1:  25%|##| 1/4 [00:02<00:06,  0.50it/s]\n",
    );
    let seen: Vec<_> = records.iter().map(|record| (record.iteration, record.baseline)).collect();
    assert_eq!(seen, [(Some(4), false), (Some(0), true), (Some(1), false)]);
}

#[test]
fn servers_are_told_apart_by_their_prefix() {
    let line = |pid: u32| {
        format!(
            "(APIServer pid={pid}) INFO 02-01 10:00:00 [loggers.py:1] Engine 000: Avg prompt throughput: 0.0 \
             tokens/s, Avg generation throughput: 10.0 tokens/s, Running: 1 reqs\n"
        )
    };
    let records = records("vllm", &(line(1) + &line(2)));
    let engines: Vec<_> = records.iter().filter_map(|record| record.engine.as_deref()).collect();
    assert_eq!(engines, ["pid=1 Engine 000", "pid=2 Engine 000"]);
}

#[test]
fn a_record_of_several_lines_survives_foreign_lines_but_not_for_ever() {
    let noise = "r9i1n7:8760:9309 [0] NCCL INFO comm 0x14da8c001060\n";
    let log = |lines: usize| {
        format!(
            "[step=7/9,epoch=0]\n    train/CE loss=2.5\n{}    optim/total grad norm=0.5\n",
            noise.repeat(lines)
        )
    };
    assert_eq!(records("olmo", &log(5))[0].grad_norm, Some(0.5));
    assert_eq!(records("olmo", &log(100))[0].grad_norm, None);
}

#[test]
fn a_cut_number_is_not_stated() {
    let records = records(
        "megatron",
        " iteration        5/     100 | consumed samples:           80 | elapsed time per iteration (ms): 12",
    );
    assert_eq!((records[0].consumed_samples, records[0].step_time), (Some(80.0), None));
}

// ---- mistakes in a rules file

/// Reads a rules file; returns its error as it is printed.
#[track_caller]
fn mistake(text: &[u8]) -> String {
    let env = TestEnv::new();
    env.write("rules.toml", text);
    rejected(&env, &["--rules", "rules.toml"])
}

#[track_caller]
fn rejected(env: &TestEnv, options: &[&str]) -> String {
    let done = env.effllm(["parse"].iter().chain(options).chain(&["/dev/null"])).done();
    assert_eq!((done.code(), done.stdout()), (Some(2), String::new()), "{}", done.stderr());
    done.stderr()
}

/// Asserts that an error names the place, shows the line, and says what is wrong and what to do.
#[track_caller]
fn assert_told(error: &str, place: &str, parts: &[&str]) {
    assert!(error.contains(&format!("rules.toml:{place}: ")), "no {place} in: {error}");
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    let error = mistake(b"[[record]]\nline = 'step (?P<iteration>\\d+)'\nfeilds = []\n");
    assert_told(&error, "3:1", &["unknown key", "feilds", "did you mean 'fields'?", "^"]);
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    let error = mistake(b"[[record]]\nline = 5\n");
    assert_told(&error, "2:8", &["line = 5", "expected a string"]);
    let error = mistake(b"facts = 'a'\n");
    assert_told(&error, "1:9", &["facts = 'a'", "expected a sequence"]);
    let error = mistake(b"[[record]]\nline = 'step (?P<iteration>\\d+)'\nsign = \"certain\"\n");
    assert_told(&error, "3:8", &["sign = \"certain\"", "certain", "weak"]);
}

#[test]
fn a_broken_expression_is_shown_with_the_place() {
    let error = mistake(b"# mine\n[[record]]\nline = 'step (?P<iteration>\\d+'\n");
    assert_told(&error, "3:14", &["line = 'step (?P<iteration>\\d+'", "unclosed group"]);
    let error = mistake(b"[[record]]\nline = '(?<=x)(?P<iteration>\\d+)'\n");
    assert_told(&error, "2:9", &["look-around"]);
    // In a basic string an escape is longer than what it stands for.
    let error = mistake(b"[[record]]\nline = \"\\\\d \\\\d [\"\n");
    assert_told(&error, "2:17", &["unclosed character class"]);
}

#[test]
fn an_unknown_group_is_answered_with_the_nearest_field() {
    let error = mistake(b"[[record]]\nline = 'step (?P<iteration>\\d+) tok (?P<tokns>\\d+)'\n");
    assert_told(&error, "2:41", &["group 'tokns' is no field", "did you mean 'tokens'?"]);
}

#[test]
fn a_unit_that_is_none_is_answered_with_those_there_are() {
    let error = mistake(b"[[record]]\nline = 'in (?P<step_time_parsecs>\\d+)'\n");
    assert_told(&error, "2:16", &["step_time_parsecs", "'_ms'"]);
}

#[test]
fn a_record_without_a_value_is_refused() {
    let error = mistake(b"[[record]]\nline = 'step \\d+'\n");
    assert_told(&error, "2:8", &["line = 'step \\d+'", "takes no value"]);
    let error = mistake(b"[[record]]\nline = 'seq (?P<sequence_length>\\d+)'\n");
    assert_told(&error, "2:8", &["takes no value"]);
    let error = mistake(b"[[record]]\nfields = []\n");
    assert_told(&error, "1:1", &["[[record]]", "missing field `line`"]);
}

#[test]
fn rules_that_recognise_nothing_are_refused() {
    for text in [&b""[..], b"# nothing yet\n", b"ignore = ['x']\n"] {
        let error = mistake(text);
        assert_told(&error, "1:1", &["no [[record]]", "effllm profiles show"]);
    }
}

#[test]
fn an_option_that_is_given_twice_is_refused() {
    let error = mistake(b"[[record]]\nline = '(?P<loss>\\d)'\nbar = true\nbar = false\n");
    assert_told(&error, "4:1", &["duplicate key", "bar = false"]);
}

#[test]
fn what_is_no_toml_is_shown_with_the_place() {
    let error = mistake(b"[[record]\nline = 'x'\n");
    assert_told(&error, "1:10", &["[[record]"]);
}

#[test]
fn an_end_without_more_lines_is_refused() {
    let error = mistake(b"facts = []\n[[record]]\nline = '(?P<loss>\\d)'\nend = 'x'\n");
    assert_told(&error, "2:1", &["[[record]]", "'more'"]);
}

#[test]
fn a_pattern_that_is_too_large_is_refused() {
    let error = mistake(b"[[record]]\nline = '(?P<loss>\\d)(?:[a-z]{500}){500}'\n");
    assert_told(&error, "2:9", &["too large"]);
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let error = mistake(b"facts = [\n  'caf\xe9'\n]\n");
    assert_told(&error, "2:7", &["UTF-8"]);
}

#[test]
fn a_folder_or_nothing_instead_of_a_file_is_refused() {
    let env = TestEnv::new();
    let error = rejected(&env, &["--rules", "home"]);
    assert!(error.contains("home") && error.contains("directory"), "{error}");
    let error = rejected(&env, &["--rules", "none.toml"]);
    assert!(error.contains("none.toml") && error.contains("No such file"), "{error}");
}

#[test]
fn a_pattern_on_the_command_line_is_refused_with_a_caret() {
    let error = rejected(&TestEnv::new(), &["--pattern", "step (?P<iteraton>\\d+)"]);
    assert!(error.contains("did you mean 'iteration'?") && error.contains('^'), "{error}");
}

#[test]
fn every_profile_is_printed_as_rules_that_can_be_read() {
    for name in profiles::names() {
        Rules::parse(profiles::text(name).expect("text"), "printed.toml", name).expect("rules");
    }
}

/// The names of the pauses that rules recognise in a log.
fn pauses(rules: &str, log: &str) -> Vec<String> {
    let rules = Rules::parse(rules, "own.toml", "own").expect("rules");
    let mut reader = LogReader::with_rules(rules, "the test");
    let mut events = Vec::new();
    reader.push(Stream::Stdout, log.as_bytes(), 1.0, &mut events);
    reader.finish(&mut events);
    let names = events.into_iter().filter_map(|event| match event {
        Event::Pause { name, .. } => Some(name.to_string()),
        _ => None,
    });
    names.collect()
}

#[test]
fn a_pause_has_the_name_under_which_its_expression_is_listed() {
    let record = "[[record]]\nline = 'step (?P<iteration>\\d+)'\n";
    let log = "step 1\nSaving\nstep 2\nEvaluating\nstep 3\n";
    let table = format!("[pause]\nevaluation = ['^Eval']\n\"my save\" = ['^Saving']\n{record}");
    assert_eq!(pauses(&table, log), ["my save", "evaluation"]);
    assert_eq!(pauses(&format!("pause = ['^Eval', '^Saving']\n{record}"), log), ["pause", "pause"]);
}

#[test]
fn a_bar_of_an_evaluation_belongs_to_it() {
    let log = "  Total optimization steps = 100\n\
               1%|# | 1/100 [00:01<01:39, 1.00s/it]\n***** Running Evaluation *****\n\
               10%|# | 1/10 [00:01<00:09, 1.00s/it]\n  2%|# | 2/100 [00:09<08:00, 5.00s/it]\n\
               10%|# | 1/10 [00:01<00:09, 1.00s/it]\n";
    let hf_trainer = profiles::text("hf-trainer").expect("text");
    assert_eq!(pauses(hf_trainer, log), ["evaluation", "evaluation", "pause"]);
}

// ---- any bytes

/// All numbers of a record.
fn numbers(record: &Progress) -> Vec<f64> {
    let numbers = RECORD_FIELDS.iter().filter_map(|field| field.number(record));
    numbers.chain(record.clock.map(|clock| clock.seconds)).collect()
}

/// Lines of real formats with bytes replaced, and bytes of no format.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<Vec<u8>> = logs()
        .iter()
        .flat_map(|log| {
            fs::read(log).expect("read").split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .filter(|line| !line.is_empty())
        .collect();
    let digits = prop::sample::select(&b"0123456789.,-+eE%/|:\r nafiBTs"[..]);
    let byte = prop_oneof![digits, any::<u8>()];
    let mangle =
        (prop::sample::select(lines), prop::collection::vec((any::<prop::sample::Index>(), byte), 0..12));
    let line = mangle.prop_map(|(mut line, changes)| {
        for (at, byte) in changes {
            let at = at.index(line.len());
            line[at] = byte;
        }
        line.push(b'\n');
        line
    });
    let noise = prop::collection::vec(any::<u8>(), 0..80);
    prop::collection::vec(prop_oneof![4 => line, 1 => noise], 1..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_log_holds_no_profile_panics_or_states_what_is_no_number(bytes in mangled()) {
        for name in profiles::names() {
            let mut reader = reader_of(name);
            let mut events = Vec::new();
            reader.push(Stream::Stdout, &bytes, 1.0, &mut events);
            reader.pause(&mut events);
            reader.push(Stream::Stderr, &bytes, 2.0, &mut events);
            reader.finish(&mut events);
            for event in events {
                if let Event::Progress(record) = event {
                    prop_assert!(numbers(&record).iter().all(|number| number.is_finite()), "{name}: {record:?}");
                }
            }
        }
        let mut reader = LogReader::detecting(PROFILES.clone());
        let mut events = Vec::new();
        reader.push(Stream::Stdout, &bytes, 1.0, &mut events);
        reader.finish(&mut events);
    }
}
