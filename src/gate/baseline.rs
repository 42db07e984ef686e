//! The baselines of a run: one earlier run, or several, whose spread shows the noise.

use crate::metrics::registry::Metric;
use crate::report::Report;
use crate::report::gate::Baseline;

use crate::compare::differences;

/// The reports of earlier runs, by the names of their files.
#[derive(Debug, Clone, Default)]
pub struct Baselines(Vec<(String, Report)>);

impl Baselines {
    pub fn new(reports: Vec<(String, Report)>) -> Self {
        Self(reports)
    }

    /// A metric over the runs that have it.
    ///
    /// # Errors
    /// Why none has it.
    pub fn of(&self, metric: &Metric) -> Result<Baseline, String> {
        let known = self.0.iter().filter_map(|(_, report)| report.metrics.get(metric));
        let mut values: Vec<f64> = known.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (Some(lowest), Some(median), Some(highest)) = (values.first(), median(&values), values.last())
        else {
            return Err(self.why_none(metric));
        };
        let spread = (highest - lowest) / 2.0 / median.abs();
        let spread_ratio = (values.len() > 1 && spread.is_finite()).then_some(spread);
        Ok(Baseline { median, runs: values.len(), spread_ratio })
    }

    /// The differences of a run from its baselines, but for the metrics and how the run ended, which the
    /// verdict covers.
    pub fn differences(&self, report: &Report) -> Vec<String> {
        let differences = |(name, baseline): &(String, Report)| {
            let differences = differences(&[baseline, report]);
            (!differences.is_empty()).then(|| {
                let differences = differences.join(", ");
                format!("the run differs from the baseline {name} in: {differences}; use a baseline of an equal run")
            })
        };
        self.0.iter().filter_map(differences).collect()
    }

    /// A warning for each baseline that there is a reason not to trust.
    pub fn unreliable(&self, why: impl Fn(&Report) -> Option<String>) -> Vec<String> {
        let reasons = self.0.iter().filter_map(|(name, report)| Some((name, why(report)?)));
        reasons.map(|(name, why)| format!("the baseline {name} may be unreliable: {why}")).collect()
    }

    fn why_none(&self, metric: &Metric) -> String {
        let Some((name, report)) = self.0.first() else { return "there is no baseline".to_owned() };
        let why = report.unavailable.get(metric.name).map_or("the reason is unknown", String::as_str);
        format!("no baseline has {}; {name}: {why}", metric.name)
    }
}

/// The middle of sorted values.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    match sorted.len() % 2 {
        0 => Some((sorted.get(middle.checked_sub(1)?)? + upper) / 2.0),
        _ => Some(*upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::counted as report;

    fn baseline(values: &[Option<f64>]) -> Result<Baseline, String> {
        let reports = values.iter().enumerate().map(|(i, value)| {
            let mut report = report(100);
            report.metrics.al_seconds = *value;
            (format!("{i}.json"), report)
        });
        Baselines::new(reports.collect()).of(Metric::named("al").unwrap())
    }

    #[test]
    fn the_median_of_several_runs_and_their_spread() {
        let one = baseline(&[Some(1.231)]).unwrap();
        assert_eq!(one, Baseline { median: 1.231, runs: 1, spread_ratio: None });
        let three = baseline(&[Some(1.1), Some(1.3), Some(1.0)]).unwrap();
        assert_eq!((three.median, three.runs), (1.1, 3));
        assert!((three.spread_ratio.unwrap() - 0.15 / 1.1).abs() < 1e-12);
        assert_eq!(baseline(&[Some(1.0), Some(3.0)]).unwrap().median, 2.0);
        assert_eq!(baseline(&[Some(0.0), Some(0.0)]).unwrap().spread_ratio, None);
    }

    #[test]
    fn runs_that_do_not_have_the_metric_do_not_count() {
        assert_eq!(baseline(&[None, Some(2.0), None]).unwrap().runs, 1);
        assert_eq!(
            baseline(&[None]),
            Err("no baseline has al_seconds; 0.json: no iterations were recognised in the log".to_owned())
        );
        assert_eq!(baseline(&[]), Err("there is no baseline".to_owned()));
    }
}
