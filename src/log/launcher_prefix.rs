//! A line without the escape sequences of terminals and the prefixes of launchers.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// A prefix with which a launcher marks the lines of a process: `0: ` (srun
/// --label), `[default7]:` (torchrun --tee), `[rank0]: `, `[trainer0|0]:`, `[1,0]<stdout>:` (mpirun
/// --tag-output), `node01: ` and `10.0.0.1: ` (pdsh, clush), `(Trainer pid=71) ` (Ray); and the
/// prefix of the logger of Transformers.
static PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x-u)^ \s* (?:
            \d{1,6} : [\ \t]
          | \[ [A-Za-z_]+ \d+ (?: \| \d+ )? \] :
          | \[ [^\s,\]]{1,64} , \d+ \] (?: \[ [^\s\]]{1,64} \] )? < std(?: out | err | diag ) > :
          | [A-Za-z][A-Za-z0-9.-]* \d [A-Za-z0-9.-]* : [\ \t]
          | \d{1,3} (?: \. \d{1,3} ){3} : [\ \t]
          | \( (?: \w+ ,? \s )+ pid=\d+ [^)]{0,64} \)
          | (?: stdout | stderr ) : [\ \t]
          | \[ [A-Z]+ \| [^\s\]]{1,64} : \d+ \] \s [\d-]{10} \s [\d:,.]{8,15} \s >>
        )",
    )
    .ok()
});

/// Prefixes that are removed from one line; the space after one that needs none counts by itself.
const MOST_PREFIXES: usize = 6;

/// A line without its escape sequences.
#[derive(Debug, Clone, Copy)]
pub struct Line<'l> {
    /// All of it.
    pub whole: &'l [u8],
    /// Where each of its prefixes ends; 0 for none.
    ends: [usize; MOST_PREFIXES],
}

impl<'l> Line<'l> {
    pub fn new(whole: &'l [u8]) -> Self {
        let (mut ends, mut from) = ([0; MOST_PREFIXES], 0);
        for end in &mut ends {
            let Some(length) = whole.split_at_checked(from).and_then(|(before, rest)| prefix(before, rest))
            else {
                break;
            };
            from += length;
            *end = from;
        }
        Self { whole, ends }
    }

    /// The texts in which an expression is looked for, until it matches: the line without its prefixes,
    /// and, since `12: `, `step-5: ` and a space may belong to the message, with each of them again, the
    /// innermost first.
    pub fn texts(self) -> impl Iterator<Item = &'l [u8]> {
        let starts = self.ends.into_iter().rev().filter(|end| *end > 0).chain([0]);
        starts.filter_map(move |start| self.whole.get(start..))
    }

    /// The line without its prefixes.
    pub fn text(self) -> &'l [u8] {
        self.texts().next().unwrap_or(self.whole)
    }

    /// The prefix that names a rank, in brackets: `[rank0]: `. A number alone may be the message's own.
    pub fn label(self) -> Option<&'l [u8]> {
        let end = self.ends.into_iter().find(|end| *end > 0)?;
        let label = self.whole.get(..end)?.trim_ascii();
        let is_bracketed = label.starts_with(b"[") && matches!(label.last(), Some(b':'));
        is_bracketed.then_some(label)
    }

    /// The part of the line between two places, with the prefixes in it.
    pub fn between(self, from: usize, to: usize) -> Self {
        let end_of = |end: usize| end.checked_sub(from).filter(|_| end <= to).unwrap_or(0);
        Self { whole: self.whole.get(from..to).unwrap_or_default(), ends: self.ends.map(end_of) }
    }
}

/// The length of a prefix with which a line goes on, or of the space that separates it from one.
fn prefix(before: &[u8], rest: &[u8]) -> Option<usize> {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_separated = !before.is_empty() && !is_space(before.last()) && is_space(rest.first());
    if is_separated {
        return Some(1);
    }
    PREFIX.as_ref()?.find(rest).map(|prefix| prefix.end())
}

/// The line without escape sequences.
pub fn without_escapes(line: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(0x1b, line) {
        None => Cow::Borrowed(line),
        Some(_) => Cow::Owned(anstream::adapter::strip_bytes(line).into_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_out() {
        let line = b"\x1b[36mstep: 1990  \x1b[32mloss:  3.4370\x1b[39m \x1b]0;title\x07end";
        assert_eq!(&*without_escapes(line), b"step: 1990  loss:  3.4370 end");
    }

    fn texts(line: &str) -> Vec<String> {
        Line::new(line.as_bytes()).texts().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    #[test]
    fn launcher_prefixes_are_taken_off_with_the_space_behind_them() {
        for prefix in [
            "0: ",
            " 12: ",
            "[default7]:",
            "[rank0]: ",
            "[rank0]:",
            "[trainer0|0]:",
            "[1,0]<stdout>:",
            "[1,12]<stderr>: ",
            "[prterun-node01-4711@1,0][node01:4712]<stdout>: ",
            "worker-0: ",
            "node01: ",
            "gpu3.cluster.example: ",
            "ip-10-0-0-1: ",
            "10.0.0.1: ",
            "(TaskRunner pid=16292) ",
            "(RayTrainWorker pid=71, ip=10.0.0.1) ",
            "(pretraining, pid=4112) ",
            "stderr: ",
            "[INFO|trainer.py:2414] 2025-06-01 08:00:00,001 >> ",
        ] {
            for rest in ["step 5", ""] {
                let line = format!("{prefix}{rest}");
                let texts = texts(&line);
                assert_eq!((texts.first(), texts.last()), (Some(&rest.to_owned()), Some(&line)), "{line}");
            }
        }
    }

    #[test]
    fn a_prefix_that_may_be_the_lines_own_is_put_back() {
        assert_eq!(
            texts("0: [rank0]: step-5: 7 ms"),
            ["7 ms", "step-5: 7 ms", " step-5: 7 ms", "[rank0]: step-5: 7 ms", "0: [rank0]: step-5: 7 ms"]
        );
        // Megatron's own space.
        assert_eq!(texts("[default7]: step 5"), ["step 5", " step 5", "[default7]: step 5"]);
        assert_eq!(texts("1: 2: 3: 4: 5: 6: 7").first().map(String::as_str), Some("7"));
        assert_eq!(texts("1: 2: 3: 4: 5: 6: 7: 8").first().map(String::as_str), Some("7: 8"));
    }

    #[test]
    fn what_is_no_prefix_is_left_alone() {
        for line in [
            "step 5",
            "loss: 2.5",
            "step: 5",
            "val_loss: 2",
            "node01:8760",
            "12:30:01 loss",
            "[2024-01-01 00:00:00] iteration",
            "[rank 0]: step",
            "[1,0] step",
            "(main, pid) step",
            "2025-06-01 08:00:00,001 >> step",
            " 50%|##| 1/2",
            "",
        ] {
            assert_eq!(texts(line), [line]);
        }
    }

    #[test]
    fn a_part_of_a_line_has_the_prefixes_that_lie_in_it() {
        let line = Line::new(b"0: node1: step 1 step 2");
        assert_eq!(
            line.between(0, 17).texts().collect::<Vec<_>>(),
            [&b"step 1 "[..], b"node1: step 1 ", b"0: node1: step 1 "]
        );
        assert_eq!(line.between(17, 23).texts().collect::<Vec<_>>(), [b"step 2"]);
        assert_eq!(line.between(0, 5).text(), b"no");
        assert_eq!(line.between(5, 3).text(), b"");
    }
}
