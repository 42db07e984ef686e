use super::*;
use crate::event::{GpuSample, Progress};
use crate::report::Report;

/// A training of a second an iteration on one GPU, stopped from 10 s to 30 s.
fn stopped_training() -> Report {
    let options = Options { history_size: 10, interval: 1.0, ..Options::default() };
    let mut recorder = Recorder::new(options, Command::default(), Job::default());
    recorder.started(0.0, "2026-01-01T00:00:00Z".to_owned());
    recorder.fold(Event::GpusFound(vec![GpuIdentity::default()]));
    for second in (0..=10u32).chain(30..=40) {
        let at = f64::from(second);
        match second {
            10 => recorder.suspended(at),
            30 => recorder.resumed(at),
            _ => {}
        }
        let sample = GpuSample { at, power_watts: Some(100.0), ..GpuSample::default() };
        recorder.fold(Event::Gpu(vec![sample]));
        let record = Progress { at: Some(at), iteration: Some(second.into()), ..Progress::default() };
        recorder.fold(Event::Progress(Box::new(record)));
    }
    recorder.ended(40.0, Status::Completed, |_| {});
    recorder.report(40.0)
}

#[test]
fn every_null_of_the_whole_run_has_a_reason() {
    let report = stopped_training();
    assert!(report.metrics.energy_joules.is_some() && report.metrics_whole_run.energy_joules.is_none());
    let why = &report.unavailable_whole_run["energy_joules"];
    assert!(why.contains("readings cover only"), "{why}");
    let nulls = report.metrics_whole_run.each().filter(|(_, value)| value.is_none());
    for (metric, _) in nulls {
        let reasons = [&report.unavailable_whole_run, &report.unavailable];
        assert!(reasons.iter().any(|reasons| reasons.contains_key(metric.name)), "{}", metric.name);
    }
}
