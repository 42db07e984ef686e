//! A report as JSON, for programs.

use serde::Serialize;

use super::RenderOptions;
use crate::compare::compare;
use crate::report::NamedReport;
use crate::text::sanitize;

/// One report as an object, several as an array.
pub fn render(reports: &[NamedReport], _: RenderOptions) -> String {
    match reports {
        [(_, report)] => json(report),
        reports => json(&reports.iter().map(|(_, report)| report).collect::<Vec<_>>()),
    }
}

pub fn comparison(reports: &[NamedReport], _: RenderOptions) -> String {
    json(&compare(reports))
}

/// A report, or what is made of some, pretty-printed, with a newline at its end.
pub fn json(value: &impl Serialize) -> String {
    // Strings, numbers and maps with string keys: there is nothing in a report that cannot be
    // written as JSON (a number that is not finite is written as null).
    sanitize::json(&serde_json::to_string_pretty(value).unwrap_or_default()) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;
    use crate::report::samples::training;

    #[test]
    fn what_is_written_can_be_read() {
        let mut report = training(2);
        report.command.argv.push("\x1b[2J\x7f\u{9b}\u{202e}é\u{fffd}\n".to_owned());
        let text = json(&report);
        assert!(text.ends_with("}\n"));
        assert!(text.contains(r#""\u001b[2J\u007f\u009b\u202eé�\n""#), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
