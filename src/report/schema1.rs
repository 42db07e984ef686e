//! Reports of the first form, `effllm.report/1`, brought into today's.

use serde_json::{Map, Value, json};

use super::SCHEMA;

/// The form that is still read.
pub const SCHEMA_1: &str = "effllm.report/1";

/// A report of the first form as one of today's. What the first form does not hold (sums of GPUs, the
/// driver, uncertainties) stays empty.
pub fn upgraded(mut report: Value) -> Value {
    let old_phases = report.as_object_mut().and_then(|report| report.remove("phases")).unwrap_or_default();
    let phases = old_phases.as_array().into_iter().flatten().filter_map(|old| phase(old, &report));
    let phases: Map<String, Value> = phases.collect();
    if let Some(report) = report.as_object_mut() {
        report.insert("schema".to_owned(), SCHEMA.into());
        report.insert("environment".to_owned(), json!({}));
        report.insert("uncertainty".to_owned(), json!({}));
        report.insert("phases".to_owned(), phases.into());
    }
    report
}

fn phase(old: &Value, report: &Value) -> Option<(String, Value)> {
    let name = old["name"].as_str()?;
    let (from, to) = (old["from_seconds"].as_f64()?, old["to_seconds"].as_f64()?);
    let is_training = name == "training";
    let of_training = |key| report["iterations"][key].as_f64().filter(|_| is_training).unwrap_or(0.0);
    let amount = |total: f64| json!({ "total": total, "timed": 0.0, "seconds": 0.0 });
    let energy = &old["energy_joules"];
    let phase = json!({
        "episodes": 1,
        "sums": {
            "seconds": to - from,
            "gpus": {},
            "iterations": {
                "count": of_training("count") as u64,
                "timed": of_training("timed") as u64,
                "seconds": of_training("seconds"),
                "error_seconds": 0.0, "error_iterations": 0, "pooled": 0,
            },
            "tokens": amount(of_training("tokens")),
            "samples": amount(of_training("samples")),
            "generated_tokens": amount(0.0),
        },
        "metrics": { "energy_joules": energy },
        "longest": [{ "name": null, "from_seconds": from, "to_seconds": to, "energy_joules": energy }],
    });
    Some((if is_training { "train" } else { name }.to_owned(), phase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{PhaseKind, Report};

    #[test]
    fn a_report_of_the_first_form_is_read() {
        let old: Value = serde_json::from_str(include_str!("schema1/example.json")).unwrap();
        assert_eq!(old["schema"], SCHEMA_1);
        let report: Report = serde_json::from_value(upgraded(old)).unwrap();
        assert_eq!((report.schema.as_str(), report.iterations.count), (SCHEMA, 60));
        let train = &report.phases[&PhaseKind::Train];
        assert!(train.sums.seconds > 0.0 && train.sums.iterations.timed == 60);
        assert!(report.metrics.al_seconds.is_some() && report.metrics.joules_per_generated_token.is_none());
    }
}
