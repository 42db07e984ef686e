//! Masks what looks like a secret in a command line.
//!
//! A value is taken for a secret by its name (`--token=…`, `--api-key …`, `WANDB_API_KEY=…`), or by its
//! shape (`hf_…`, `sk-…`, a password in a URL). An argument that is a name and its value is masked to
//! its end; in a script a value ends where a word of the shell does.

mod names;

use std::sync::LazyLock;

use regex::{Captures, Regex};

use names::is_secret;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// What is looked for.
struct Patterns {
    /// The beginning of an argument that is a name and its value.
    whole: Regex,
    /// The beginning of the same within a script or JSON.
    named: Regex,
    /// A value in a script.
    word: Regex,
    /// A value in JSON, or of a header.
    json: Regex,
    /// Secrets that are known by their shape.
    shaped: Regex,
    /// What follows the captured is secret: in a call of login(), the path of a web hook, a signed URL,
    /// after `Bearer`.
    led: Regex,
    /// The same for curl's user and password.
    of_curl: Regex,
    /// A password in a URL, or what stands there alone.
    in_url: Regex,
}

static PATTERNS: LazyLock<Result<Patterns, regex::Error>> = LazyLock::new(Patterns::new);

impl Patterns {
    fn new() -> Result<Self, regex::Error> {
        const NAME: &str = "(?P<name>[-+]{0,2}[A-Za-z_][A-Za-z0-9_.-]*)";
        // Text in quotes, what the shell puts in, and all that ends no word.
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
            shaped: Regex::new(concat!(
                r"(?-u:\b)(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{16,}",
                r"|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|A[KS]IA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}",
                r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)",
            ))?,
            led: Regex::new(concat!(
                r#"((?-u:\b)login\()(?:"[^"]*"|'[^']*'|[^)"'])+"#,
                r"|(hooks\.slack\.com/(?:services|workflows|triggers)/",
                r#"|discord(?:app)?\.com/api/webhooks/|[?&](?:sig|X-Amz-Signature)=|(?-u:\b)Bearer[ \t]+)[^ \t\r\n"'&)]+"#,
            ))?,
            in_url: Regex::new(concat!(
                r#"(?P<lead>[a-z][a-z0-9+.-]*://[^/ \t\r\n:@"']*:)(?P<password>[^/ \t\r\n"']*@|[^ \t\r\n"']*@)"#,
                r#"|(?P<alone>https?://)[^/ \t\r\n:@"']+@"#,
            ))?,
            of_curl: Regex::new(&format!(
                r#"({FLAG}"[^:"]+:)[^"]*|({FLAG}'[^:']+:)[^']*|({FLAG}[^ \t:'"]+:)[^ \t'"]+"#
            ))?,
        })
    }

    /// An argument, masked.
    fn mask(&self, argument: &str, is_script: bool, is_for_curl: bool) -> String {
        if let Some(shown) = self.before_the_value(argument).filter(|_| !is_script) {
            return argument.get(..shown).unwrap_or_default().to_owned() + MASK;
        }
        let text = self.shaped.replace_all(argument, MASK);
        let text = self.led.replace_all(&text, masked_behind);
        let text = self.in_url.replace_all(&text, |found: &Captures| self.without_password(found));
        let text = if is_for_curl { self.of_curl.replace_all(&text, masked_behind) } else { text };
        self.mask_named(&text)
    }

    /// Where the value of an argument begins that is all a secret and its name (`--env=TOKEN=a b`).
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

    fn without_password(&self, found: &Captures) -> String {
        let part = |name| found.name(name).map(|part| part.as_str());
        match (part("lead"), part("password"), part("alone")) {
            // A port and a path.
            (Some(_), Some(password), _)
                if password.split_once('/').is_some_and(|(port, _)| is_number(port)) =>
            {
                found[0].to_owned()
            }
            (Some(lead), ..) => format!("{lead}{MASK}@"),
            (.., alone) => format!("{}{MASK}@", alone.unwrap_or_default()),
        }
    }

    fn mask_named(&self, text: &str) -> String {
        let mut masked = String::new();
        let mut rest = text;
        // One by one: a value that is no secret may be the name of the next.
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

    /// The length of the value that follows a name in a script, if it is secret.
    fn secret(&self, found: &Captures, text: &str) -> Option<usize> {
        let (name, is_in_json) = (&found["name"], found.name("quoted").is_some());
        if !is_secret(name) {
            return None;
        }
        let value = if is_in_json { &self.json } else { &self.word }.find(text)?.as_str();
        // Words of a text are no names.
        let is_its = is_in_json || found[0].contains('=') || name.starts_with('-') && is_value(value);
        is_its.then_some(value.len())
    }
}

fn masked_behind(found: &Captures) -> String {
    found.iter().skip(1).flatten().next().map_or("", |lead| lead.as_str()).to_owned() + MASK
}

/// Whether what follows a flag is its value, and no flag: a key may begin with a dash.
fn is_value(argument: &str) -> bool {
    !(argument.starts_with("--") || argument.starts_with('-') && argument.len() <= 2)
}

/// Where a value ends whose name is in the same quotes (`-H "Cookie: a=b; c=d"`).
fn within_quotes(text: &str, name: usize, value: usize) -> Option<usize> {
    let quote = text.get(..name)?.chars().next_back().filter(|sign| ['"', '\''].contains(sign))?;
    if text.get(name..value)?.contains(quote) {
        return None; // the name's own, as in JSON
    }
    Some(text.get(value..)?.find(quote).map_or(text.len(), |length| value + length))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The arguments with each secret masked.
pub fn mask(arguments: &[String]) -> Vec<String> {
    let Ok(patterns) = &*PATTERNS else {
        return vec![MASK.to_owned(); arguments.len()]; // what cannot be looked at is not shown
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

/// Whether an argument is a flag alone, whose value is the next.
fn is_flag(argument: &str) -> bool {
    !argument.contains(['=', ' '])
}

/// Whether an argument is curl's user and password, whose flag can be a part of it.
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
