//! The kept series as points of a plot: with gaps, and no more points than a chart can show, the highest
//! and the lowest kept.

use std::ops::Range;

use crate::report::GpuSeries;

use super::chart::Xy;

/// More points than this on a line cannot be distinguished.
pub const MOST: usize = 360;
/// The most points of which each is shown.
pub const FEW: usize = 60;

/// One quantity of a GPU's series.
pub type Quantity = fn(&GpuSeries) -> &[Option<f64>];

/// Several readings within a short time as a point of a plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotPoint {
    pub at: f64,
    pub low: f64,
    pub mean: f64,
    pub high: f64,
}

/// A quantity over all of some GPUs, in stretches without a gap: a point for each time at which they
/// were read, or for several such times in a row where there would be more points than `most`.
///
/// A stretch begins where its first reading was taken and ends where its last one was.
pub fn plot_points(gpus: &[GpuSeries], quantity: Quantity, most: usize) -> Vec<Vec<PlotPoint>> {
    let rounds = rounds(gpus, quantity);
    let together = rounds.len().div_ceil(most).max(1);
    let largest_gap = largest_gap(gpus);
    let follows = |before: &Vec<Reading>, after: &Vec<Reading>| match (before.last(), after.first()) {
        (Some(before), Some(after)) => after.at - before.at <= largest_gap,
        _ => false,
    };
    rounds.chunk_by(follows).map(|stretch| points_of_stretch(stretch, together)).collect()
}

/// A known value of the GPU at a place in the list.
#[derive(Debug, Clone, Copy)]
struct Reading {
    gpu: usize,
    at: f64,
    value: f64,
}

/// All readings in order of time, those together that were taken at about the same time.
fn rounds(gpus: &[GpuSeries], quantity: Quantity) -> Vec<Vec<Reading>> {
    let of_gpu = |(gpu, series): (usize, &GpuSeries)| {
        let reading = move |(at, value)| Reading { gpu, at, value };
        known(&series.seconds, quantity(series)).into_iter().map(reading).collect::<Vec<_>>()
    };
    let mut readings: Vec<Reading> = gpus.iter().enumerate().flat_map(of_gpu).collect();
    readings.sort_by(|a, b| a.at.total_cmp(&b.at));
    let near = 0.5 * spacing(gpus);
    let mut rounds: Vec<Vec<Reading>> = Vec::new();
    for reading in readings {
        let joins = |round: &&mut Vec<Reading>| {
            round.iter().all(|other| other.gpu != reading.gpu && reading.at - other.at < near)
        };
        match rounds.last_mut().filter(joins) {
            Some(round) => round.push(reading),
            None => rounds.push(vec![reading]),
        }
    }
    rounds
}

/// A point for so many rounds of a stretch.
fn points_of_stretch(stretch: &[Vec<Reading>], together: usize) -> Vec<PlotPoint> {
    let groups: Vec<Vec<Reading>> = stretch.chunks(together).map(<[_]>::concat).collect();
    let point = |(i, group): (usize, &Vec<Reading>)| {
        let values = || group.iter().map(|reading| reading.value);
        let is_last = i > 0 && i + 1 == groups.len();
        let at = if is_last { group.last() } else { group.first() }.map(|reading| reading.at);
        PlotPoint {
            at: at.unwrap_or_default(),
            low: values().fold(f64::INFINITY, f64::min),
            mean: values().sum::<f64>() / group.len() as f64,
            high: values().fold(f64::NEG_INFINITY, f64::max),
        }
    };
    groups.iter().enumerate().map(point).collect()
}

/// The times within a run in which no GPU was sampled.
pub fn gaps(gpus: &[GpuSeries], run: Range<f64>) -> Vec<Range<f64>> {
    let quantities: [Quantity; 3] =
        [|gpu| &gpu.memory_used_bytes, |gpu| &gpu.utilization_ratio, |gpu| &gpu.power_watts];
    let readings = gpus.iter().flat_map(|gpu| quantities.map(|of| known(&gpu.seconds, of(gpu))).concat());
    let mut at: Vec<f64> = readings.map(|reading| reading.0).collect();
    if at.is_empty() {
        return Vec::new();
    }
    at.extend([run.start, run.end]);
    at.sort_by(f64::total_cmp);
    let largest = largest_gap(gpus);
    let steps = at.iter().zip(at.iter().skip(1));
    steps.filter(|(end, start)| *start - *end > largest).map(|(end, start)| *end..*start).collect()
}

/// A line of at most some points: of neighbours the lowest and the highest are kept, in order, and
/// the ends of the line.
pub fn thinned(points: Vec<Xy>) -> Vec<Xy> {
    let together = points.len().div_ceil(MOST);
    if together <= 2 {
        return points;
    }
    let extremes = |neighbours: &[Xy]| {
        let mut sorted = neighbours.to_vec();
        sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut both: Vec<Xy> = sorted.first().into_iter().chain(sorted.last()).copied().collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0));
        both
    };
    let [first, last] = [points.first(), points.last()].map(|end| end.copied().into_iter());
    let mut line: Vec<Xy> = first.chain(points.chunks(together).flat_map(extremes)).chain(last).collect();
    line.dedup();
    line
}

/// The pairs of two lists in which both are known and fit for a plot.
pub fn pairs(x: &[Option<f64>], y: &[Option<f64>]) -> Vec<Xy> {
    let fit = |value: f64| value.abs() < 1e15;
    x.iter().zip(y).filter_map(|(x, y)| x.zip(*y)).filter(|(x, y)| fit(*x) && fit(*y)).collect()
}

/// The points in other units.
pub fn scaled(points: Vec<Xy>, x: f64, y: f64) -> Vec<Xy> {
    points.into_iter().map(|point| (point.0 / x, point.1 / y)).collect()
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
fn largest_gap(gpus: &[GpuSeries]) -> f64 {
    (3.0 * spacing(gpus)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let stretches = plot_points(&gpus, |gpu| &gpu.power_watts, MOST);
        assert_eq!(stretches.len(), 2);
        let start = stretches.first().and_then(|stretch| stretch.first());
        assert!(start.is_some_and(|start| start.low == 100.0 && start.high == 200.0));
        assert_eq!(gaps(&gpus, 0.0..120.0), [49.0..80.0, 99.0..120.0]);
        assert!(plot_points(&gpus, |gpu| &gpu.memory_used_bytes, MOST).is_empty());
    }

    #[test]
    fn readings_that_a_chart_has_room_for_are_all_drawn_where_they_were_taken() {
        // The last one is taken when the command ends, in between.
        let times = [-0.0001, 1.0, 2.0, 3.1, 4.0, 5.0, 5.3];
        let mut series = gpu(0, 0..7);
        series.seconds = times.to_vec();
        let stretches = plot_points(std::slice::from_ref(&series), |gpu| &gpu.power_watts, MOST);
        let drawn: Vec<Xy> = stretches.concat().iter().map(|point| (point.at, point.mean)).collect();
        let read: Vec<Xy> = times.into_iter().zip((0..7).map(|i| 100.0 + f64::from(i))).collect();
        assert_eq!((stretches.len(), drawn), (1, read));
    }

    #[test]
    fn a_reading_that_one_gpu_lacks_moves_no_other() {
        let gpus = [gpu(0, (0..3).chain(4..8)), gpu(1, 0..8)];
        let drawn: Vec<f64> =
            plot_points(&gpus, |gpu| &gpu.power_watts, MOST).concat().iter().map(|point| point.at).collect();
        assert_eq!(drawn, (0..8).map(f64::from).collect::<Vec<_>>());
    }

    proptest! {
        /// However many and however irregular: the points stay few, a stretch has the ends of its
        /// readings, and the highest and the lowest are in it.
        #[test]
        fn of_many_readings_the_ends_and_the_extremes_are_drawn(
            steps in prop::collection::vec(0.001f64..2.0, 2..3000),
            values in prop::collection::vec(0.0f64..700.0, 3000),
            gpus in 1u32..4,
        ) {
            let mut at = 0.0;
            let seconds: Vec<f64> = steps.iter().map(|step| { at += step; at }).collect();
            let power_watts: Vec<Option<f64>> = values.iter().take(seconds.len()).copied().map(Some).collect();
            let series = |i| GpuSeries { seconds: seconds.clone(), power_watts: power_watts.clone(), ..gpu(i, 0..0) };
            let all: Vec<GpuSeries> = (0..gpus).map(series).collect();
            let stretches = plot_points(&all, |gpu| &gpu.power_watts, 100);
            let points = stretches.concat();
            prop_assert!(points.len() <= 300, "{}", points.len());
            prop_assert!(seconds.len() > 100 || points.len() == seconds.len());
            prop_assert_eq!(points.first().map(|point| point.at), seconds.first().copied());
            let ends_alone = stretches.last().is_some_and(|stretch| stretch.len() == 1);
            prop_assert!(ends_alone || points.last().map(|point| point.at) == seconds.last().copied());
            let high = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
            prop_assert_eq!(
                high(&mut points.iter().map(|point| point.high)),
                high(&mut power_watts.iter().flatten().copied())
            );
        }
    }

    #[test]
    fn thinning_keeps_the_peak_and_the_order() {
        let line = |i: u32| (f64::from(i), if i == 31_415 { 999.0 } else { f64::from((i + 5) % 7) });
        let points = thinned((0..100_000).map(line).collect());
        assert!(points.len() <= 2 * MOST + 2);
        assert!([0, 99_999].map(line).iter().all(|end| points.contains(end)));
        assert!(points.contains(&(31_415.0, 999.0)));
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn what_no_axis_can_hold_is_left_out() {
        assert_eq!(pairs(&[Some(1.0), Some(2.0), None], &[Some(1e300), Some(3.0), Some(1.0)]), [(2.0, 3.0)]);
    }
}
