//! The kept series, made fit for plotting: gaps told from neighbours, and no more points than a
//! chart can show, the highest and the lowest kept.

use std::ops::Range;

use crate::model::report::GpuSeries;

use super::chart::Xy;

/// More points than this on a line cannot be told apart.
const MOST: usize = 360;

/// One quantity of a GPU's series.
pub type Quantity = fn(&GpuSeries) -> &[Option<f64>];

/// What several lines, or many readings, did within a short time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub at: f64,
    pub low: f64,
    pub mean: f64,
    pub high: f64,
}

/// A quantity over all of some GPUs, in stretches without a gap.
pub fn spread(gpus: &[GpuSeries], quantity: Quantity, most: usize) -> Vec<Vec<Spread>> {
    let mut points: Vec<Xy> = gpus.iter().flat_map(|gpu| known(&gpu.seconds, quantity(gpu))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let spacing = spacing(gpus);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let (first, span) = (first.0, last.0 - first.0);
    // Wide enough that every GPU has a reading in it.
    let width = (span / most as f64).max(1.5 * spacing).max(f64::MIN_POSITIVE);
    let bucket = |point: &Xy| ((point.0 - first) / width).floor();
    let mut stretches: Vec<Vec<Spread>> = Vec::new();
    let mut before = f64::NEG_INFINITY;
    for bucket in points.chunk_by(|a, b| bucket(a) == bucket(b)) {
        let (Some(start), Some(end)) = (bucket.first(), bucket.last()) else { continue };
        let n = bucket.len() as f64;
        let values = || bucket.iter().map(|point| point.1);
        let spread = Spread {
            at: bucket.iter().map(|point| point.0).sum::<f64>() / n,
            low: values().fold(f64::INFINITY, f64::min),
            mean: values().sum::<f64>() / n,
            high: values().fold(f64::NEG_INFINITY, f64::max),
        };
        match stretches.last_mut() {
            Some(stretch) if start.0 - before <= largest_gap(spacing) => stretch.push(spread),
            _ => stretches.push(vec![spread]),
        }
        before = end.0;
    }
    stretches
}

/// The times within a run in which no GPU was sampled.
pub fn gaps(gpus: &[GpuSeries], run: Range<f64>) -> Vec<Range<f64>> {
    let has_reading = |gpu: &GpuSeries, i: usize| {
        [&gpu.memory_used_bytes, &gpu.utilization_ratio, &gpu.power_watts]
            .iter()
            .any(|quantity| quantity.get(i).is_some_and(Option::is_some))
    };
    let mut at: Vec<f64> = gpus
        .iter()
        .flat_map(|gpu| gpu.seconds.iter().enumerate().filter(|(i, _)| has_reading(gpu, *i)))
        .map(|(_, at)| *at)
        .filter(|at| at.is_finite())
        .collect();
    if at.is_empty() {
        return Vec::new();
    }
    at.sort_by(f64::total_cmp);
    let ends = std::iter::once(run.start).chain(at.iter().copied());
    let starts = at.iter().copied().chain([run.end]);
    let largest = largest_gap(spacing(gpus));
    ends.zip(starts).filter(|(end, start)| start - end > largest).map(|(end, start)| end..start).collect()
}

/// A line of at most some points: of neighbours the lowest and the highest are kept, in order.
pub fn thinned(points: Vec<Xy>) -> Vec<Xy> {
    let together = points.len().div_ceil(MOST);
    if together <= 2 {
        return points;
    }
    let extremes = |neighbours: &[Xy]| {
        let by_value = |a: &&Xy, b: &&Xy| a.1.total_cmp(&b.1);
        let (low, high) = (neighbours.iter().min_by(by_value), neighbours.iter().max_by(by_value));
        let mut both: Vec<Xy> = low.into_iter().chain(high).copied().collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0));
        both
    };
    points.chunks(together).flat_map(extremes).collect()
}

/// The pairs of two lists in which both are known and fit for a plot.
pub fn pairs(x: &[Option<f64>], y: &[Option<f64>]) -> Vec<Xy> {
    let fit = |value: f64| value.abs() < 1e15;
    x.iter().zip(y).filter_map(|(x, y)| x.zip(*y)).filter(|(x, y)| fit(*x) && fit(*y)).collect()
}

/// The value that a share of some does not exceed.
pub fn quantile(values: impl Iterator<Item = f64>, share: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((share * last as f64).round() as usize).copied()
}

fn known(seconds: &[f64], values: &[Option<f64>]) -> Vec<Xy> {
    let seconds: Vec<Option<f64>> = seconds.iter().copied().map(Some).collect();
    pairs(&seconds, values)
}

/// Seconds from one kept reading to the next, as a rule.
fn spacing(gpus: &[GpuSeries]) -> f64 {
    let steps = gpus.iter().flat_map(|gpu| gpu.seconds.windows(2)).filter_map(|pair| match pair {
        [before, after] => Some(after - before).filter(|step| step.is_finite() && *step > 0.0),
        _ => None,
    });
    quantile(steps, 0.5).unwrap_or(0.0)
}

/// As in the recorder: readings further apart are not joined.
fn largest_gap(spacing: f64) -> f64 {
    (3.0 * spacing).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(index: u32, seconds: impl Iterator<Item = u32>) -> GpuSeries {
        let seconds: Vec<f64> = seconds.map(f64::from).collect();
        let power_watts = seconds.iter().map(|at| Some(100.0 * f64::from(index + 1) + at)).collect();
        let unknown = vec![None; seconds.len()];
        GpuSeries {
            index,
            memory_used_bytes: unknown.clone(),
            utilization_ratio: unknown,
            seconds,
            power_watts,
        }
    }

    #[test]
    fn a_gap_parts_the_line_and_is_found() {
        let gpus = [gpu(0, (0..50).chain(80..100)), gpu(1, (0..50).chain(80..100))];
        let stretches = spread(&gpus, |gpu| &gpu.power_watts, MOST);
        assert_eq!(stretches.len(), 2);
        let start = stretches.first().and_then(|stretch| stretch.first());
        assert!(start.is_some_and(|start| start.low == 100.0 && start.high == 201.0));
        assert_eq!(gaps(&gpus, 0.0..120.0), [49.0..80.0, 99.0..120.0]);
        assert!(spread(&gpus, |gpu| &gpu.memory_used_bytes, MOST).is_empty());
    }

    #[test]
    fn thinning_keeps_the_peak_and_the_order() {
        let line = |i: u32| (f64::from(i), if i == 31_415 { 999.0 } else { f64::from(i % 7) });
        let points = thinned((0..100_000).map(line).collect());
        assert!(points.len() <= 2 * MOST);
        assert!(points.contains(&(31_415.0, 999.0)));
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn what_no_axis_can_hold_is_left_out() {
        assert_eq!(pairs(&[Some(1.0), Some(2.0), None], &[Some(1e300), Some(3.0), Some(1.0)]), [(2.0, 3.0)]);
    }
}
