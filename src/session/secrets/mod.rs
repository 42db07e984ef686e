//! Masks values in a command line that look like secrets.
//!
//! A secret has a secret's name (`--token=…`, `--api-key …`, `WANDB_API_KEY=…`) or format (`hf_…`, `sk-…`, a
//! password in a URL). In an argument that is only a name and its value, the whole value is masked; in a
//! script a value ends with its shell word.

mod names;

use std::sync::LazyLock;

use regex::{Captures, Regex};

use names::is_secret;

/// The text in place of a secret.
const MASK: &str = "***";

struct Patterns {
    /// The name in an argument that is a name and its value.
    whole: Regex,
    /// The name of a value in a script or JSON.
    named: Regex,
    /// A value in a script.
    word: Regex,
    /// A value in JSON or of a header.
    json: Regex,
    /// A secret with a known format.
    formatted: Regex,
    /// A secret after a known text: `login(`, the host of a web hook, a URL's signature or user, `Bearer`.
    after: Regex,
    /// The password in curl's options.
    of_curl: Regex,
}

static PATTERNS: LazyLock<Result<Patterns, regex::Error>> = LazyLock::new(Patterns::new);

impl Patterns {
    fn new() -> Result<Self, regex::Error> {
        const NAME: &str = "(?P<name>[-+]{0,2}[A-Za-z_][A-Za-z0-9_.-]*)";
        // Quoted text, substitutions, and all characters that do not end a word.
        const WORD: &str = concat!(
            r#"(?:\$'(?:\\.|[^'\\])*'|'[^']*'|\$?"(?:\\.|[^"\\])*"|\$\([^)]*\)?|`[^`]*`?|\\.|"#,
            r#"[^ \t\r\n;&|<>()'"`\\])+"#,
        );
        const FLAG: &str = r"(?:^|[ \t])(?:-u|-U|--user|--proxy-user)[ \t=]*";
        const JSON: &str = r#"\\"[^"]*"|"(?:\\.|[^"\\])*"|'[^']*'|(?:(?:Bearer|Basic)[ \t]+)?(?:\\[^"]|[^ \t\r\n,}\]"'\\])+"#;
        Ok(Self {
            whole: Regex::new(&format!("^{NAME}[=:]"))?,
            named: Regex::new(&format!(
                r#"{NAME}(?:(?P<quoted>\\?["']?:[ \t]*|["']\][ \t]*=[ \t]*)|=|[ \t]+(?:==?[ \t]+)?)"#
            ))?,
            word: Regex::new(&format!(r#"(?s)^(?:{WORD}|["'].*)"#))?,
            json: Regex::new(&format!("(?s)^(?:{JSON})"))?,
            formatted: Regex::new(concat!(
                r"((?-u:\b)(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{16,}",
                r"|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|A[KS]IA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}",
                r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*))",
            ))?,
            after: Regex::new(concat!(
                r#"(?-u:\b)login\(((?:"[^"]*"|'[^']*'|[^)"'])+)"#,
                r"|(?:hooks\.slack\.com/(?:services|workflows|triggers)/",
                r#"|discord(?:app)?\.com/api/webhooks/|[?&](?:sig|X-Amz-Signature)=|(?-u:\b)Bearer[ \t]+)([^ \t\r\n"'&)]+)"#,
                // A password in a URL; a number before a slash is a port and a path.
                r#"|[a-z][a-z0-9+.-]*://[^/ \t\r\n:@"']*:([^/ \t\r\n"']*"#,
                r#"|(?:[^/ \t\r\n"']*[^/0-9 \t\r\n"'][^/ \t\r\n"']*)?/[^ \t\r\n"']*)@"#,
                // A token in its place.
                r#"|https?://([^/ \t\r\n:@"']+)@"#,
            ))?,
            of_curl: Regex::new(&format!(
                r#"{FLAG}"[^:"]+:([^"]*)|{FLAG}'[^:']+:([^']*)|{FLAG}[^ \t:'"]+:([^ \t'"]+)"#
            ))?,
        })
    }

    /// An argument, masked.
    fn mask(&self, argument: &str, is_script: bool, is_for_curl: bool) -> String {
        if let Some(shown) = self.before_the_value(argument).filter(|_| !is_script) {
            return argument.get(..shown).unwrap_or_default().to_owned() + MASK;
        }
        let text = mask_groups(&self.after, &mask_groups(&self.formatted, argument));
        self.mask_named(&if is_for_curl { mask_groups(&self.of_curl, &text) } else { text })
    }

    /// Where the value begins in an argument that is only a name and a secret (`--env=TOKEN=a b`).
    fn before_the_value(&self, argument: &str) -> Option<usize> {
        let mut value = 0;
        loop {
            let found = self.whole.captures(argument.get(value..)?)?;
            value += found[0].len();
            if is_secret(&found["name"]) {
                return Some(value).filter(|value| *value < argument.len());
            }
        }
    }

    fn mask_named(&self, text: &str) -> String {
        let mut masked = String::new();
        let mut rest = text;
        // One by one, because a value that is not secret may be the name of the next value.
        while let Some(found) = self.named.captures(rest) {
            let (_, before) = rest.split_at(found.get(0).map_or(0, |whole| whole.end()));
            let Some(name) = found.name("name") else { break };
            let (shown, next) = match self.secret(&found, before) {
                Some(length) => {
                    let value = rest.len() - before.len();
                    (value, within_quotes(rest, name.start(), value).unwrap_or(value + length))
                }
                None => (name.end(), name.end()),
            };
            masked.push_str(rest.get(..shown).unwrap_or_default());
            masked.push_str(if shown < next { MASK } else { "" });
            rest = rest.get(next..).unwrap_or_default();
        }
        masked + rest
    }

    /// The length of the secret value after a name in a script.
    fn secret(&self, found: &Captures, text: &str) -> Option<usize> {
        let (name, is_in_json) = (&found["name"], found.name("quoted").is_some());
        if !is_secret(name) {
            return None;
        }
        let value = if is_in_json { &self.json } else { &self.word }.find(text)?.as_str();
        // A word of a text is not a name.
        let is_its = is_in_json || found[0].contains('=') || name.starts_with('-') && is_value(value);
        is_its.then_some(value.len())
    }
}

/// The text with the group of each match masked.
fn mask_groups(pattern: &Regex, text: &str) -> String {
    let (mut masked, mut end) = (String::new(), 0);
    let groups = pattern.captures_iter(text).filter_map(|found| found.iter().skip(1).flatten().next());
    for secret in groups {
        masked += text.get(end..secret.start()).unwrap_or_default();
        masked += MASK;
        end = secret.end();
    }
    masked + text.get(end..).unwrap_or_default()
}

/// Whether the argument after a flag is its value instead of a flag: a key may begin with a dash.
fn is_value(argument: &str) -> bool {
    !(argument.starts_with("--") || argument.starts_with('-') && argument.len() <= 2)
}

/// The end of a value in the same quotes as its name (`-H "Cookie: a=b; c=d"`).
fn within_quotes(text: &str, name: usize, value: usize) -> Option<usize> {
    let quote = text.get(..name)?.chars().next_back().filter(|sign| ['"', '\''].contains(sign))?;
    if text.get(name..value)?.contains(quote) {
        return None; // the quotes of the name, as in JSON
    }
    Some(text.get(value..)?.find(quote).map_or(text.len(), |length| value + length))
}

/// The arguments with each secret masked.
pub fn mask(arguments: &[String]) -> Vec<String> {
    let Ok(patterns) = &*PATTERNS else {
        return vec![MASK.to_owned(); arguments.len()]; // never show arguments that were not checked
    };
    let is_for_curl = arguments.iter().any(|argument| argument.contains("curl"));
    let mut before = "";
    let masked = arguments.iter().map(|argument| {
        let flag = std::mem::replace(&mut before, argument);
        if flag.starts_with('-') && is_flag(flag) && is_secret(flag) && is_value(argument) {
            return MASK.to_owned();
        }
        if let Some((user, _)) = argument.split_once(':').filter(|_| is_for_curl && is_login(flag, argument))
        {
            return format!("{user}:{MASK}");
        }
        patterns.mask(argument, is_before_a_script(flag), is_for_curl)
    });
    masked.collect()
}

/// Whether an argument is a flag whose value is the next argument.
fn is_flag(argument: &str) -> bool {
    !argument.contains(['=', ' '])
}

/// Whether an argument is curl's user and password, with or without the flag in it.
fn is_login(flag: &str, argument: &str) -> bool {
    ["-u", "-U", "--user", "--proxy-user"].contains(&flag)
        || ["-u", "-U", "--user=", "--proxy-user="].iter().any(|flag| argument.starts_with(flag))
}

/// `-c`, `-lc`: of a shell, or of Python.
fn is_before_a_script(flag: &str) -> bool {
    let letters = flag.strip_prefix('-').and_then(|letters| letters.strip_suffix('c'));
    letters.is_some_and(|letters| letters.bytes().all(|letter| letter.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests;
