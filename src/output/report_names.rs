//! Files by names that are short enough for the head of a column.

use std::collections::HashSet;

use console::measure_text_width;

use crate::text::sanitize::{clip, plain};

/// The names, and the forms of them that are shown.
pub struct Names<'a> {
    full: &'a [String],
    pub shown: Vec<String>,
}

impl<'a> Names<'a> {
    /// If one does not fit, only that of the paths in which they differ, with its middle left out where
    /// that is too long still; numbers, if those are not told apart.
    pub fn within(full: &'a [String], columns: usize) -> Self {
        let fits = |name: &String| measure_text_width(name) <= columns;
        let mut shown: Vec<String> = full.iter().map(|name| plain(name)).collect();
        if !shown.iter().all(fits) {
            let short: Vec<String> =
                differing(&shown).iter().map(|name| without_middle(name, columns)).collect();
            let told_apart = |names: &[String]| names.iter().collect::<HashSet<_>>().len();
            let numbers = || (1..=short.len()).map(|n| n.to_string()).collect();
            shown = if told_apart(&short) < told_apart(&shown) { numbers() } else { short };
        }
        Self { full, shown }
    }

    /// A line for each name that is not shown in full.
    pub fn legend(&self) -> impl Iterator<Item = String> {
        let names = self.shown.iter().zip(self.full.iter().map(|name| plain(name)));
        names.filter(|(shown, full)| *shown != full).map(|(shown, full)| format!("{shown} is {full}"))
    }
}

/// The paths without the folders that all begin with and the names that all end in.
fn differing(paths: &[String]) -> Vec<String> {
    let mut parts: Vec<Vec<&str>> = paths.iter().map(|path| path.split('/').rev().collect()).collect();
    // The first parts are the last in the lists; then the lists are turned.
    for _ in 0..2 {
        while parts.iter().all(|path| path.len() > 1 && path.last() == parts.first().and_then(|p| p.last())) {
            for path in &mut parts {
                path.pop();
            }
        }
        parts.iter_mut().for_each(|path| path.reverse());
    }
    parts.iter_mut().for_each(|path| path.reverse());
    parts.into_iter().map(|path| path.join("/")).collect()
}

/// `a-very-…-name`.
fn without_middle(text: &str, columns: usize) -> String {
    if measure_text_width(text) <= columns {
        return text.to_owned();
    }
    let start = clip(text, columns.div_ceil(2));
    let mut end = text;
    while measure_text_width(&start) + measure_text_width(end) > columns {
        let mut rest = end.chars();
        rest.next();
        end = rest.as_str();
    }
    start + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_that_in_which_they_differ() {
        let shown = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let names = Names::within(&paths, 12);
            (names.shown.clone(), names.legend().collect::<Vec<_>>())
        };
        assert_eq!(shown(&["a/b.json", "c.json"]), (vec!["a/b.json".into(), "c.json".into()], vec![]));
        for (paths, names) in [
            (["/data/runs/a/report.json", "/data/runs/b/report.json"], ["a", "b"]),
            (["runs/2026/x.json", "runs/2026/b/x.json"], ["x.json", "b/x.json"]),
            (["same-in-both.json", "same-in-both.json"], ["same-…h.json", "same-…h.json"]),
            (["a-very-long-name-1_of-a-run.json", "a-very-long-name-2_of-a-run.json"], ["1", "2"]),
            (["the-first-of-november.json", "b.json"], ["the-f…r.json", "b.json"]),
            (["", "runs/of/a/job.json"], ["", "runs/…b.json"]),
            (["界界界界界界界界界.json", "b"], ["界界…界.json", "b"]),
        ] {
            assert_eq!(shown(&paths).0, names);
        }
        assert_eq!(
            shown(&["runs/a.json", "runs/by-me/b.json"]).1,
            ["a.json is runs/a.json", "by-me/b.json is runs/by-me/b.json"]
        );
    }
}
