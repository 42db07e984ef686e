//! Rules that users write wrongly.

use std::fs;
use std::path::Path;

use effllm::log::{Rules, profiles};

use super::effllm;

/// Reads a rules file; returns its error as it is printed.
fn mistake(name: &str, text: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, text).expect("written");
    rejected(&file)
}

fn rejected(file: &Path) -> String {
    let out = effllm(&["parse", "--rules", file.to_str().expect("UTF-8"), "/dev/null"]);
    assert_eq!(out.status.code(), Some(2), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(out.stdout.is_empty());
    String::from_utf8(out.stderr).expect("UTF-8")
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
    let error = mistake("rules.toml", b"[[record]]\nline = 'step (?P<iteration>\\d+)'\nfeilds = []\n");
    assert_told(&error, "3:1", &["unknown key", "feilds", "did you mean 'fields'?", "^"]);
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    let error = mistake("rules.toml", b"[[record]]\nline = 5\n");
    assert_told(&error, "2:8", &["line = 5", "expected a string"]);
    let error = mistake("rules.toml", b"facts = 'a'\n");
    assert_told(&error, "1:9", &["facts = 'a'", "expected a sequence"]);
    let error = mistake("rules.toml", b"pause = 'a'\n");
    assert_told(&error, "1:9", &["pause = 'a'", "expected a list of expressions, or a table"]);
    let error = mistake("rules.toml", b"[pause]\nevaluation = 'a'\n");
    assert_told(&error, "2:14", &["expected a sequence"]);
    let error = mistake("rules.toml", b"[[record]]\nline = 'step (?P<iteration>\\d+)'\nsign = \"certain\"\n");
    assert_told(&error, "3:8", &["sign = \"certain\"", "certain", "weak"]);
}

#[test]
fn a_broken_expression_is_shown_with_the_place() {
    let error = mistake("rules.toml", b"# mine\n[[record]]\nline = 'step (?P<iteration>\\d+'\n");
    assert_told(&error, "3:14", &["line = 'step (?P<iteration>\\d+'", "unclosed group"]);
    let error = mistake("rules.toml", b"[[record]]\nline = '(?<=x)(?P<iteration>\\d+)'\n");
    assert_told(&error, "2:9", &["look-around"]);
    // In a basic string an escape is longer than what it stands for.
    let error = mistake("rules.toml", b"[[record]]\nline = \"\\\\d \\\\d [\"\n");
    assert_told(&error, "2:17", &["unclosed character class"]);
}

#[test]
fn an_unknown_group_is_answered_with_the_nearest_field() {
    let error = mistake("rules.toml", b"[[record]]\nline = 'step (?P<iteration>\\d+) tok (?P<tokns>\\d+)'\n");
    assert_told(&error, "2:41", &["group 'tokns' is no field", "did you mean 'tokens'?"]);
}

#[test]
fn a_unit_that_is_none_is_answered_with_those_there_are() {
    let error = mistake("rules.toml", b"[[record]]\nline = 'in (?P<step_time_parsecs>\\d+)'\n");
    assert_told(&error, "2:16", &["step_time_parsecs", "'_ms'"]);
}

#[test]
fn a_record_without_a_value_is_refused() {
    let error = mistake("rules.toml", b"[[record]]\nline = 'step \\d+'\n");
    assert_told(&error, "2:8", &["line = 'step \\d+'", "takes no value"]);
    let error = mistake("rules.toml", b"[[record]]\nline = 'seq (?P<sequence_length>\\d+)'\n");
    assert_told(&error, "2:8", &["takes no value"]);
    let error = mistake("rules.toml", b"[[record]]\nfields = []\n");
    assert_told(&error, "1:1", &["[[record]]", "missing field `line`"]);
}

#[test]
fn rules_that_recognise_nothing_are_refused() {
    for text in [&b""[..], b"# nothing yet\n", b"ignore = ['x']\n"] {
        let error = mistake("rules.toml", text);
        assert_told(&error, "1:1", &["no [[record]]", "effllm profiles show"]);
    }
}

#[test]
fn an_option_that_is_given_twice_is_refused() {
    let error = mistake("rules.toml", b"[[record]]\nline = '(?P<loss>\\d)'\nbar = true\nbar = false\n");
    assert_told(&error, "4:1", &["duplicate key", "bar = false"]);
}

#[test]
fn what_is_no_toml_is_shown_with_the_place() {
    let error = mistake("rules.toml", b"[[record]\nline = 'x'\n");
    assert_told(&error, "1:10", &["[[record]"]);
}

#[test]
fn an_end_without_more_lines_is_refused() {
    let error = mistake("rules.toml", b"facts = []\n[[record]]\nline = '(?P<loss>\\d)'\nend = 'x'\n");
    assert_told(&error, "2:1", &["[[record]]", "'more'"]);
}

#[test]
fn a_pattern_that_is_too_large_is_refused() {
    let error = mistake("rules.toml", b"[[record]]\nline = '(?P<loss>\\d)(?:[a-z]{500}){500}'\n");
    assert_told(&error, "2:9", &["too large"]);
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let error = mistake("rules.toml", b"facts = [\n  'caf\xe9'\n]\n");
    assert_told(&error, "2:7", &["UTF-8"]);
}

#[test]
fn a_folder_or_nothing_instead_of_a_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = rejected(folder.path());
    assert!(error.contains(&folder.path().display().to_string()) && error.contains("directory"), "{error}");
    let error = rejected(&folder.path().join("none.toml"));
    assert!(error.contains("none.toml") && error.contains("No such file"), "{error}");
}

#[test]
fn a_pattern_on_the_command_line_is_refused_with_a_caret() {
    let out = effllm(&["parse", "--pattern", "step (?P<iteraton>\\d+)", "/dev/null"]);
    let error = String::from_utf8(out.stderr).expect("UTF-8");
    assert_eq!(out.status.code(), Some(2));
    assert!(error.contains("did you mean 'iteration'?") && error.contains('^'), "{error}");
}

#[test]
fn every_profile_is_printed_as_rules_that_can_be_read() {
    for name in profiles::names() {
        Rules::parse(profiles::text(name).expect("text"), "printed.toml", name).expect("rules");
    }
}
