//! The value of a metric in a baseline: one earlier run, or several, whose spread shows the noise.

use crate::metrics::registry::Metric;
use crate::report::NamedReport;
use crate::report::gate::Baseline;

/// A metric over the earlier runs that have it.
///
/// # Errors
/// Why none has it.
pub fn baseline(runs: &[NamedReport], metric: &Metric) -> Result<Baseline, String> {
    let known = runs.iter().filter_map(|(_, report)| report.metrics.get(metric));
    let mut values: Vec<f64> = known.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (Some(lowest), Some(median), Some(highest)) = (values.first(), median(&values), values.last()) else {
        let Some((name, report)) = runs.first() else { return Err("there is no baseline".to_owned()) };
        let why = report.unavailable.get(metric.name).map_or("the reason is unknown", String::as_str);
        return Err(format!("no baseline has {}; {name}: {why}", metric.name));
    };
    let spread = (highest - lowest) / 2.0 / median.abs();
    let spread_ratio = (values.len() > 1 && spread.is_finite()).then_some(spread);
    Ok(Baseline { median, runs: values.len(), spread_ratio })
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

    fn of(values: &[Option<f64>]) -> Result<Baseline, String> {
        let reports = values.iter().enumerate().map(|(i, value)| {
            let mut report = report(100);
            report.metrics.al_seconds = *value;
            (format!("{i}.json"), report)
        });
        baseline(&reports.collect::<Vec<_>>(), Metric::named("al").unwrap())
    }

    #[test]
    fn the_median_of_several_runs_and_their_spread() {
        let one = of(&[Some(1.231)]).unwrap();
        assert_eq!(one, Baseline { median: 1.231, runs: 1, spread_ratio: None });
        let three = of(&[Some(1.1), Some(1.3), Some(1.0)]).unwrap();
        assert_eq!((three.median, three.runs), (1.1, 3));
        assert!((three.spread_ratio.unwrap() - 0.15 / 1.1).abs() < 1e-12);
        assert_eq!(of(&[Some(1.0), Some(3.0)]).unwrap().median, 2.0);
        assert_eq!(of(&[Some(0.0), Some(0.0)]).unwrap().spread_ratio, None);
    }

    #[test]
    fn runs_that_do_not_have_the_metric_do_not_count() {
        assert_eq!(of(&[None, Some(2.0), None]).unwrap().runs, 1);
        assert_eq!(
            of(&[None]),
            Err("no baseline has al_seconds; 0.json: no iterations were recognised in the log".to_owned())
        );
        assert_eq!(of(&[]), Err("there is no baseline".to_owned()));
    }
}
