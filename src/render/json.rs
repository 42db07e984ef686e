//! A report as JSON, for programs.

use crate::model::Report;

/// The report, pretty-printed, with a newline at its end.
pub fn json(report: &Report) -> String {
    // Strings, numbers and maps with string keys: there is nothing in a report that cannot be
    // written as JSON (a number that is not finite is written as null).
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::training;

    #[test]
    fn what_is_written_can_be_read() {
        let report = training(2);
        let text = json(&report);
        assert!(text.ends_with("}\n"));
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
