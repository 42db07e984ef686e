//! Masks what looks like a secret in a command line.
//!
//! A value is taken for a secret by its name (`--token=…`, `--api-key …`, `WANDB_API_KEY=…`, also
//! within a shell's script), or by its shape (`hf_…`, `sk-…`, a password in a URL).

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in the place of a secret.
const MASK: &str = "***";

/// A flag or a variable with its value, in one argument or within a script.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?P<name>-{0,2}[A-Za-z_][A-Za-z0-9_.-]*)(?P<between>=|["']?:[ \t]*|[ \t]+)"#,
        r#"(?P<value>(?:Bearer|Basic)[ \t]+[^ \t\r\n"']+|"[^"]*"|'[^']*'|[^ \t\r\n"';&|]+)"#,
    ))
    .ok()
});

/// Secrets that are known by their shape.
static SHAPED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u:\b)(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{16,}",
        r"|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}",
        r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)",
    ))
    .ok()
});

/// A password in a URL.
static IN_URL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?P<user>[a-z][a-z0-9+.-]*://[^/ \t:@]*:)[^/ \t@]+@").ok());

/// The arguments with each secret masked.
pub fn mask(arguments: &[String]) -> Vec<String> {
    let mut named_before = false;
    arguments
        .iter()
        .map(|argument| {
            let is_value = named_before && !argument.starts_with('-');
            named_before = argument.starts_with('-') && !argument.contains('=') && is_secret(argument);
            if is_value { MASK.to_owned() } else { within(argument) }
        })
        .collect()
}

fn within(argument: &str) -> String {
    let (Some(named), Some(shaped), Some(in_url)) = (&*NAMED, &*SHAPED, &*IN_URL) else {
        return MASK.to_owned(); // what cannot be looked at is not shown
    };
    let text = shaped.replace_all(argument, MASK);
    let text = in_url.replace_all(&text, |found: &Captures| format!("{}{MASK}@", &found["user"]));
    let mut masked = String::new();
    let mut rest = &*text;
    // One by one: a value that is no secret may be the name of the next.
    while let Some(found) = named.captures(rest) {
        let (Some(name), Some(value)) = (found.name("name"), found.name("value")) else { break };
        let (separated, is_flag) = (!found["between"].contains('='), name.as_str().starts_with('-'));
        let secret = is_secret(name.as_str()) && (is_flag || !separated || found["between"].contains(':'));
        let (shown, mask, next) = if secret && !(separated && value.as_str().starts_with('-')) {
            (value.start(), MASK, value.end())
        } else {
            (name.end(), "", name.end())
        };
        masked.push_str(rest.get(..shown).unwrap_or_default());
        masked.push_str(mask);
        rest = rest.get(next..).unwrap_or_default();
    }
    masked + rest
}

/// Whether what goes by this name is a secret. Tokens of a vocabulary are none.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [.., before, "token"] => ![
            "eos", "bos", "pad", "unk", "mask", "sep", "cls", "special", "per", "image", "begin", "end",
            "stop",
        ]
        .contains(before),
        [
            ..,
            "token" | "secret" | "password" | "passwd" | "passphrase" | "pwd" | "apikey" | "credential"
            | "credentials",
        ] => name != "pwd" && name != "oldpwd",
        [
            ..,
            "api" | "access" | "secret" | "private" | "auth" | "account" | "encryption" | "license" | "wandb",
            "key",
        ] => true,
        [.., "authorization" | "auth"] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(arguments: &[&str]) -> String {
        mask(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>()).join(" ")
    }

    #[test]
    fn secrets_are_masked_by_name_and_by_shape() {
        let hf = format!("hf_{}", "a1B2".repeat(8));
        for (arguments, shown) in [
            (&["train", "--token=abc"][..], "train --token=***"),
            (&["--api-key", "abc", "x"], "--api-key *** x"),
            (&["--hf_token", "abc"], "--hf_token ***"),
            (&["env", "WANDB_API_KEY=0123", "python"], "env WANDB_API_KEY=*** python"),
            (
                &["sh", "-c", "export HF_TOKEN='a b'; run --password x; done"],
                "sh -c export HF_TOKEN=***; run --password ***; done",
            ),
            (&["sh", "-c", "run --lr 3 --token x --seed 1"], "sh -c run --lr 3 --token *** --seed 1"),
            (&["curl", "-H", "Authorization: Bearer abc"], "curl -H Authorization: ***"),
            (&["x", "--wandb-key=abc", "--auth", "abc"], "x --wandb-key=*** --auth ***"),
            (&["x", r#"{"api_key": "abc", "lr": 3}"#], r#"x {"api_key": ***, "lr": 3}"#),
            (&["curl", "https://me:pass@host/x"], "curl https://me:***@host/x"),
            (&["login", &hf], "login ***"),
            (&["login", &format!("x={hf},y")], "login x=***,y"),
            (&["sk-abcdefghijklmnopqrstuv"], "***"),
            (&["--secret", "--verbose"], "--secret --verbose"),
        ] {
            assert_eq!(masked(arguments), shown);
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for arguments in [
            &["--max-tokens", "300"][..],
            &["--eos-token", "</s>", "--pad_token=<pad>"],
            &["--tokenizer", "hf_tokenizer", "--tokenizer-model=x.model"],
            &["--key", "value", "--keys=a,b", "--sort-key", "name"],
            &["PWD=/tmp", "--cwd", "/tmp", "--sk-learn"],
            &["print the token please", "a=b=c", "--x", "--y=z"],
            &["", "-", "--", "=", "é=ü"],
            &["http://host:8080/path", "user@host:file"],
        ] {
            assert_eq!(masked(arguments), arguments.join(" "));
        }
    }
}
