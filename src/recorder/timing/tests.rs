use super::*;
use crate::event::LogTime;

fn arriving(at: f64) -> Progress {
    Progress { at: Some(at), ..Progress::default() }
}

fn stamped(seconds: f64, resolution: f64) -> Progress {
    let clock = LogTime { seconds, resolution, is_timestamp: true };
    Progress { clock: Some(clock), ..Progress::default() }
}

/// The sums of the iterations that these records end, one each.
fn sums(records: impl IntoIterator<Item = Progress>) -> IterationSums {
    let mut timing = Timing::default();
    for record in records {
        timing.record(&record, 1, false, None);
    }
    timing.finish();
    timing.sums().train
}

/// Iterations of 0.1 s whose lines are written when a buffer of so many is full, and at the end.
fn buffered(iterations: u32, lines: u32) -> impl Iterator<Item = Progress> {
    (1..=iterations).map(move |i| {
        // The line that does not fit any more is what has the buffer written.
        let late = u32::from(lines > 1);
        let written = (i.div_ceil(lines) * lines + late).min(iterations);
        arriving(f64::from(written) * 0.1 + f64::from(i) * 1e-6)
    })
}

#[test]
fn lines_in_bursts_take_the_time_between_the_bursts() {
    for (iterations, lines) in [(1000, 1), (1000, 2), (1000, 10), (10_000, 700), (300, 50)] {
        let sums = sums(buffered(iterations, lines));
        let error = sums.relative_error();
        let off = (sums.mean().unwrap_or(0.0) - 0.1).abs() / 0.1;
        assert!(off <= 1e-4 && off <= error.max(1e-4), "{iterations} by {lines}: {off}, {error}");
        assert_eq!(sums.count, u64::from(iterations));
    }
}

#[test]
fn few_iterations_between_bursts_are_known_to_be_imprecise() {
    for (iterations, lines) in [(30, 10), (30, 1000), (1000, 600)] {
        let sums = sums(buffered(iterations, lines));
        assert!(sums.timed == 0 || sums.relative_error() > 0.02 || lines < 600, "{iterations} by {lines}");
    }
}

#[test]
fn whole_seconds_time_a_span_and_no_single_iteration() {
    let sums = sums((0..=400).map(|i| stamped((f64::from(i) * 0.25).floor(), 1.0)));
    assert_eq!((sums.timed, sums.seconds), (397, 100.0));
    assert_eq!(sums.relative_error(), 0.01);
    assert!(sums.pooled > 390);
}

#[test]
fn fine_timestamps_are_believed_before_arrival() {
    let record = |i: u32| Progress { at: Some(9.0), ..stamped(f64::from(i) * 0.1, 0.001) };
    let sums = sums((0..20).map(record));
    assert!(sums.timed == 19 && (sums.seconds - 1.9).abs() < 1e-9);
}

#[test]
fn an_interruption_leaves_one_record_without_a_time() {
    let mut timing = Timing::default();
    for at in [1.0, 2.0] {
        timing.record(&arriving(at), 1, false, None);
    }
    timing.interrupt(None);
    for at in [9.0, 10.0] {
        timing.record(&arriving(at), 1, false, None);
    }
    let sums = timing.sums().train;
    assert_eq!((sums.count, sums.timed, sums.seconds), (4, 2, 2.0));
}
