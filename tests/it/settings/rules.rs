//! Profiles, patterns and files of rules.

use std::fs;

use insta::assert_snapshot;

use super::refused;
use crate::harness::TestEnv;

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
