//! Reports of the first form, `effllm.report/1`, brought into today's.

use serde_json::{Map, Value, json};

use super::SCHEMA;

/// The form that is still read.
pub const SCHEMA_1: &str = "effllm.report/1";

/// Changes a report of the first form into one of today's. What the first form does not hold (sums of
/// GPUs, the driver, uncertainties) stays empty.
pub fn upgrade(report: &mut Value) {
    let Some(report) = report.as_object_mut() else { return };
    report.insert("schema".to_owned(), SCHEMA.into());
    report.insert("environment".to_owned(), json!({}));
    report.insert("uncertainty".to_owned(), json!({}));
    let listed = report.remove("phases").unwrap_or_default();
    let iterations = report.get("iterations").cloned().unwrap_or_default();
    let listed = listed.as_array().into_iter().flatten();
    let phases: Map<String, Value> = listed.filter_map(|old| phase(old, &iterations)).collect();
    report.insert("phases".to_owned(), phases.into());
}

fn phase(old: &Value, iterations: &Value) -> Option<(String, Value)> {
    let name = old.get("name")?.as_str()?;
    let [from, to] = ["from_seconds", "to_seconds"].map(|key| old.get(key).and_then(Value::as_f64));
    let (from, to) = (from?, to?);
    let is_training = name == "training";
    let of_training = |key: &str| iterations.get(key).filter(|_| is_training).and_then(Value::as_f64);
    let seconds = of_training("seconds").unwrap_or(0.0);
    let amount = |key| {
        let total = of_training(key).unwrap_or(0.0);
        json!({ "total": total, "timed": 0.0, "seconds": 0.0 })
    };
    let [count, timed] = ["count", "timed"].map(|key| of_training(key).unwrap_or(0.0) as u64);
    let energy = old.get("energy_joules").cloned().unwrap_or_default();
    let episode = json!({ "name": null, "from_seconds": from, "to_seconds": to, "energy_joules": energy });
    let phase = json!({
        "episodes": 1,
        "sums": {
            "seconds": to - from,
            "gpus": {},
            "iterations": {
                "count": count, "timed": timed, "seconds": seconds,
                "error_seconds": 0.0, "error_iterations": 0, "pooled": 0,
            },
            "tokens": amount("tokens"),
            "samples": amount("samples"),
            "generated_tokens": amount(""),
        },
        "metrics": { "energy_joules": energy },
        "longest": [episode],
    });
    Some((if is_training { "train" } else { name }.to_owned(), phase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{PhaseKind, Report};

    #[test]
    fn a_report_of_the_first_form_is_read() {
        let mut old: Value = serde_json::from_str(include_str!("schema1/example.json")).unwrap();
        assert_eq!(old["schema"], SCHEMA_1);
        upgrade(&mut old);
        let report: Report = serde_json::from_value(old).unwrap();
        assert_eq!((report.schema.as_str(), report.iterations.count), (SCHEMA, 60));
        let train = &report.phases[&PhaseKind::Train];
        assert!(train.sums.seconds > 0.0 && train.sums.iterations.timed == 60);
        assert!(report.metrics.al_seconds.is_some() && report.metrics.joules_per_generated_token.is_none());
    }
}
