//! A line without what terminals and launchers add to it.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// The prefixes by which launchers tell whose line it is: `0: ` (srun --label), `[default7]:`
/// (torchrun --tee), `[rank0]:`, `[trainer0|0]:`, `worker-0: `, `(Trainer pid=71) ` (Ray).
static LAUNCHER_PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x-u)^ (?: \s* (?:
            \d{1,6} : [\ \t]
          | \[ [A-Za-z_]+ \d+ (?: \| \d+ )? \] :
          | [A-Za-z][A-Za-z0-9.]* - \d+ : [\ \t]
          | \( \w+ \s pid=\d+ [^)]{0,64} \)
          | (?: stdout | stderr ) : [\ \t]
        ) )+",
    )
    .ok()
});

/// The line without escape sequences.
pub fn without_escapes(line: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(0x1b, line) {
        None => Cow::Borrowed(line),
        Some(_) => Cow::Owned(anstream::adapter::strip_bytes(line).into_vec()),
    }
}

/// The line without its launcher's prefixes.
pub fn without_prefix(line: &[u8]) -> &[u8] {
    let prefix = LAUNCHER_PREFIX.as_ref().and_then(|regex| regex.find(line));
    prefix.and_then(|prefix| line.get(prefix.end()..)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_out() {
        let line = b"\x1b[36mstep: 1990  \x1b[32mloss:  3.4370\x1b[39m \x1b]0;title\x07end";
        assert_eq!(&*without_escapes(line), b"step: 1990  loss:  3.4370 end");
    }

    #[test]
    fn launcher_prefixes_are_taken_off() {
        for line in [
            "0: step",
            " 12: step",
            "[default7]: step",
            "[rank0]:step",
            "[trainer0|0]:step",
            "worker-0: step",
            "(TaskRunner pid=16292) step",
            "(main, pid) step",
            "0: [default3]:step",
            "step",
            "stderr: step",
        ] {
            let rest = without_prefix(line.as_bytes());
            let expected = if line.starts_with("(main") { line } else { "step" };
            assert_eq!(String::from_utf8_lossy(rest).trim_start(), expected, "{line}");
        }
    }

    #[test]
    fn a_line_that_begins_with_a_number_or_a_time_is_left_alone() {
        for line in ["100: loss", "12:30:01 loss", "[2024-01-01 00:00:00] iteration", " 50%|##| 1/2"] {
            let rest = without_prefix(line.as_bytes());
            assert!(rest == line.as_bytes() || line.starts_with("100: "), "{line}");
        }
    }
}
