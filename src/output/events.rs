//! Progress records and facts of a log, as JSON Lines.

use serde_json::{Map, Value, json};

use crate::event::field::Kind;
use crate::event::{FACT_FIELDS, Facts, Progress, RECORD_FIELDS};
use crate::text::sanitize;

/// The facts that the log states once; `None` if it states none.
pub fn context(facts: &Facts, profile: Option<&str>) -> Option<String> {
    let mut context = Map::new();
    for field in FACT_FIELDS {
        let value = match field.name {
            "parameters" => facts.model_parameters().ok().map(|parameters| parameters.0),
            "world_size" => facts.job_world_size(),
            _ => field.number(facts),
        };
        put(&mut context, field.name, value);
    }
    (!context.is_empty()).then(|| line(&json!({ "context": context, "profile": profile })))
}

/// One progress record: those values that its line states.
pub fn progress(record: &Progress, profile: Option<&str>) -> String {
    let mut object = Map::new();
    object.insert("profile".to_owned(), json!(profile));
    for field in RECORD_FIELDS {
        let unit = if field.kind() == Kind::Duration { "_s" } else { "" };
        put(&mut object, &format!("{}{unit}", field.name), field.number(record));
        if let Some(scope) = field.scope(record) {
            object.insert(format!("{}_scope", field.name), json!(scope));
        }
    }
    line(&Value::Object(object))
}

fn line(value: &Value) -> String {
    sanitize::json(&value.to_string())
}

/// Adds a number; whole ones are written without a decimal point.
fn put(object: &mut Map<String, Value>, name: &str, value: Option<f64>) {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    let number = match value {
        Some(whole) if whole.fract() == 0.0 && whole.abs() <= LARGEST_EXACT => json!(whole as i64),
        Some(number) => json!(number),
        None => return,
    };
    object.insert(name.to_owned(), number);
}
