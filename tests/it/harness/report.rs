//! A report, as any program reads it.

use serde_json::Value;

use crate::library;

/// The JSON of a report.
pub struct Report(pub Value);

impl Report {
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in the report: {text}"));
        // What any JSON reader takes is also a report of this version.
        let typed: library::Report = serde_json::from_str(text).expect("a report");
        assert_eq!(typed.schema, "effllm.report/2");
        Self(value)
    }

    /// What a path such as `command.exit.code` leads to; a number in it is a place in a list.
    #[track_caller]
    pub fn at(&self, path: &str) -> &Value {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.0.pointer(&pointer).unwrap_or_else(|| panic!("the report has no {path}: {:#}", self.0))
    }

    /// A number that must be known.
    #[track_caller]
    pub fn number(&self, path: &str) -> f64 {
        self.at(path).as_f64().unwrap_or_else(|| {
            panic!("{path} is {}: {:#} {:#}", self.at(path), self.0["unavailable"], self.0["gpus"])
        })
    }

    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        self.number(&format!("metrics.{name}"))
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_else(|| panic!("{path} is {}", self.at(path)))
    }

    /// Why a metric is null, which it must be.
    #[track_caller]
    pub fn why_null(&self, name: &str) -> &str {
        assert_eq!(self.at(&format!("metrics.{name}")), &Value::Null, "{name}");
        self.text(&format!("unavailable.{name}"))
    }

    pub fn warnings(&self) -> Vec<&str> {
        let warnings = self.at("warnings").as_array().expect("a list");
        warnings.iter().map(|warning| warning.as_str().expect("words")).collect()
    }

    #[track_caller]
    pub fn numbers(&self, path: &str) -> Vec<Option<f64>> {
        self.at(path).as_array().expect("a list").iter().map(Value::as_f64).collect()
    }
}

/// Fails unless the value lies within a share of what is expected.
#[track_caller]
pub fn assert_near(value: f64, expected: f64, share: f64) {
    let difference = (value - expected).abs();
    assert!(
        difference <= share * expected.abs(),
        "{value} is not {expected}: the difference is {:.3e} of it",
        difference / expected.abs()
    );
}
