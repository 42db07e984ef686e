//! Metrics for GitLab's metrics report, which a merge request shows beside those of its target.

use crate::metrics::registry::Metrics;

/// OpenMetrics text, as `artifacts:reports:metrics` takes it: a line for each metric that is known.
pub fn gitlab_metrics(metrics: &Metrics) -> String {
    let known = metrics.each().filter_map(|(metric, value)| Some((metric.name, value?)));
    let lines: String = known.map(|(name, value)| format!("effllm_{name} {value}\n")).collect();
    lines + "# EOF\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_a_line() {
        let metrics = Metrics { al_seconds: Some(1.231), pcu_ratio: Some(0.987), ..Metrics::default() };
        assert_eq!(gitlab_metrics(&metrics), "effllm_pcu_ratio 0.987\neffllm_al_seconds 1.231\n# EOF\n");
        assert_eq!(gitlab_metrics(&Metrics::default()), "# EOF\n");
    }
}
