//! The facts and progress records of a log, as JSON Lines.

use serde_json::{Map, Value, json};

use crate::event::{Facts, Progress};

/// The facts that a log states; `None` if it states none.
pub fn context(facts: &Facts, profile: Option<&str>) -> Option<String> {
    let mut context = Map::new();
    let values = [
        ("parameters", facts.model_parameters().map(|parameters| parameters.0)),
        ("sequence_length", facts.sequence_length),
        ("global_batch_size", facts.global_batch_size),
        ("micro_batch_size", facts.micro_batch_size),
        ("world_size", facts.job_world_size()),
        ("total_iterations", facts.total_iterations.map(|total| total as f64)),
    ];
    values.into_iter().for_each(|(name, value)| put(&mut context, name, value));
    (!context.is_empty()).then(|| json!({ "context": context, "profile": profile }).to_string())
}

/// One progress record: those values that its line states.
pub fn progress(record: &Progress, profile: Option<&str>) -> String {
    let mut object = Map::new();
    object.insert("profile".to_owned(), json!(profile));
    let values = [
        ("iteration", record.iteration.map(|iteration| iteration as f64)),
        ("total_iterations", record.total_iterations.map(|total| total as f64)),
        ("step_time_s", record.step_time),
        ("loss", record.loss),
        ("consumed_samples", record.consumed_samples),
        ("consumed_tokens", record.consumed_tokens),
        ("global_batch_size", record.global_batch_size),
        ("samples_per_s", record.samples_per_s.map(|rate| rate.0)),
        ("tokens_per_s", record.tokens_per_s.map(|rate| rate.0)),
        ("tflops_per_gpu", record.tflops_per_gpu),
        ("mfu", record.mfu),
        ("grad_norm", record.grad_norm),
        ("learning_rate", record.learning_rate),
        ("prompt_tokens", record.prompt_tokens),
        ("generated_tokens", record.generated_tokens),
        ("prompt_tokens_per_s", record.prompt_tokens_per_s),
        ("generation_tokens_per_s", record.generation_tokens_per_s),
        ("requests_running", record.requests_running),
    ];
    values.into_iter().for_each(|(name, value)| put(&mut object, name, value));
    if let Some((_, scope)) = record.tokens_per_s {
        object.insert("tokens_per_s_scope".to_owned(), json!(scope));
    }
    Value::Object(object).to_string()
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
