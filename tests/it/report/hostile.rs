//! Reports with text and numbers that mean harm.

use serde_json::json;

use super::reports::{TRAINING, page, phase, poisoned, rendered};

const HARM: &str =
    "x\"'><script>alert(1)</script><!--</style></title>\u{1b}[31m\0\u{202e}&amp;|`*_[a](javascript:b)";

#[test]
fn no_text_becomes_markup_in_a_page() {
    let report = poisoned(&TRAINING, HARM);
    let one = page(&report);
    let two = rendered(&[("<script>a.json", &report), ("b'\"&.json", &TRAINING)], "html");
    for page in [one, two] {
        assert!(!page.contains("<script"), "a script");
        assert!(!page.contains("x\"'>"), "an attribute that ends early");
        assert_eq!(page.matches("</style>").count(), 1);
        assert_eq!(page.matches("</title>").count(), page.matches("<title>").count());
        assert!(!page.contains("<!--"));
        let unseen = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert_eq!(page.chars().find(|c| unseen(*c)), None);
        assert!(page.contains("x&quot;'&gt;&lt;script&gt;alert(1)"), "the text itself is shown");
        assert!(page.contains("␛[31m␀\u{fffd}&amp;amp;"), "and what cannot be seen");
    }
}

#[test]
fn no_text_becomes_markup_in_markdown() {
    let report = poisoned(&TRAINING, HARM);
    let one = rendered(&[("a.json", &report)], "markdown");
    let two = rendered(&[("a|<b>.json", &report), ("b.json", &TRAINING)], "markdown");
    for text in [one, two] {
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        // A bar that does not separate columns has a backslash before it.
        let columns = |line: &str| line.matches('|').count() - line.matches("\\|").count();
        let first = table.first().map_or(0, |line| columns(line));
        assert!(table.len() > 10 && table.iter().all(|line| columns(line) == first), "{text}");
        let outside_code: String = text.split("``").step_by(2).collect();
        assert!(!outside_code.contains("<script>") && !outside_code.contains("[a](j"), "{outside_code}");
        assert!(!text.contains('\u{1b}') && !text.contains('\0'));
    }
}

#[test]
fn numbers_that_no_axis_can_hold_make_no_difference() {
    let mut report = TRAINING.clone();
    let odd = json!([1e300, -1e300, 1e308, null, 0.0, 5e-324, -7.0]);
    report["series"]["gpus"][0] = json!({
        "index": 0,
        "seconds": [0.0, 1e300, -1e300, 1.0, 1.0, 0.5, 1e16],
        "memory_used_bytes": odd,
        "utilization_ratio": odd,
        "power_watts": [1.0],
    });
    report["series"]["iterations"] = json!({
        "iteration": [1.0, 1e300, null, 3.0, 3.0, -5.0],
        "seconds": [1e300, 2.0, 1.0],
        "latency_seconds": odd,
        "loss": odd,
    });
    report["iterations"]["latency_histogram"] = json!([
        { "from_seconds": 0.0, "to_seconds": 0.0, "iterations": u64::MAX },
        { "from_seconds": -1.0, "to_seconds": 1e300, "iterations": u64::MAX },
    ]);
    report["iterations"]["latency_seconds"] =
        json!({ "mean": 1e300, "p50": 1e300, "p95": -1.0, "p99": 0.0, "max": null });
    report["phases"] = json!({
        "startup": phase(1e300, -1e300, -1e308),
        "train": phase(0.0, 0.0, 1e308),
        "after": phase(0.0, 1e308, 1e308),
    });
    report["command"]["wall_seconds"] = json!(1e300);
    let numbers = page(&report);
    assert!(numbers.contains("</html>") && numbers.len() < 1_000_000);
    rendered(&[("a.json", &report), ("b.json", &report)], "html");
    for (key, value) in
        [("wall_seconds", json!(-5.0)), ("wall_seconds", json!(null)), ("wall_seconds", json!(0.0))]
    {
        report["command"][key] = value;
        assert!(page(&report).contains("</html>"));
    }
}
