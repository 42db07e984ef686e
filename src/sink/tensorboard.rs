//! Scalars for TensorBoard, under the tags of the original EfficientLLM monitor.
//!
//! To TensorBoard a folder is a run. The event file is in the named folder itself, not in one below it,
//! so that the metrics are in the same run as the curves of the training. Each writer has a file with a
//! name of its own. TensorBoard's default reader
//! follows all files of a folder. The one of `--load_fast=false` follows the newest only, unless
//! `--reload_multifile=true` is given.
//!
//! The format: an event is a protobuf message (tensorflow/core/util/event.proto), framed by its
//! length and the CRC-32C of both (tensorflow/core/lib/io/record_writer.h).

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use super::queue::{Opened, Queue};
use crate::error::Error;
use crate::event::Clock;
use crate::fs::atomic;
use crate::metrics::registry::{Metric, Metrics};
use crate::recorder::Recorder;
use crate::report::Report;

/// The metrics of the original monitor, as far as they are known.
fn scalars(metrics: &Metrics) -> Vec<Scalar> {
    let known = Metric::originals().filter_map(|(metric, ..)| Some((metric, metrics.get(metric)? as f32)));
    known.filter(|(_, value)| value.is_finite()).collect()
}

type Scalar = (&'static Metric, f32);

/// Makes an event file in a folder, and the folder where there is none.
///
/// # Errors
/// The folder cannot be made or written to.
pub fn open(folder: &Path) -> Result<Opened<ScalarPoint>, Error> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let host = nix::unistd::gethostname().unwrap_or_default();
    let (whole, host, process) = (unix as u64, host.to_string_lossy(), process::id());
    let path = folder.join(format!("events.out.tfevents.{whole:010}.{host}.{process}.effllm"));
    let make = || {
        atomic::refuse_planted(folder)?;
        fs::create_dir_all(folder)?;
        let mut file = File::create_new(&path)?;
        let mut bytes = Vec::new();
        let version = Some("brain.Event:2".to_owned());
        frame(&Event { wall_time: unix, file_version: version, ..Event::default() }, &mut bytes);
        file.write_all(&bytes).map(|()| file)
    };
    let file = make().map_err(|error| {
        Error::usage(format!("TensorBoard's folder {} cannot be written to: {error}", folder.display()))
            .of_flag("tensorboard")
            .help("--tensorboard DIR names another one; it is made if it is not there")
    })?;
    Ok(Opened::new(file, path))
}

/// The metrics at one step.
#[derive(Debug, Clone)]
pub struct ScalarPoint {
    /// The iteration, or the number of the record where the log counts no iterations.
    step: u64,
    /// When the metrics were so, on the run's clock.
    at: f64,
    metrics: Vec<Scalar>,
}

impl ScalarPoint {
    /// The end of a run: the metrics of its report.
    pub fn last(report: &Report, ended: f64) -> Self {
        let step = report.iterations.last.unwrap_or(report.log.records);
        Self { step, at: ended, metrics: scalars(&report.metrics) }
    }
}

/// Takes a point each time that a log interval is complete.
#[derive(Debug)]
pub struct Scalars {
    points: Queue<ScalarPoint>,
    clock: Clock,
    log_interval: u64,
    /// The last record's step.
    step: Option<u64>,
}

impl Scalars {
    pub fn new(points: Queue<ScalarPoint>, clock: Clock, log_interval: u64) -> Self {
        Self { points, clock, log_interval: log_interval.max(1), step: None }
    }

    /// Offers a point where the recorder's last record completes a log interval.
    pub fn look(&mut self, recorder: &Recorder) {
        let step = recorder.last_iteration().unwrap_or(recorder.log.records);
        let before = self.step.replace(step);
        if step > 0 && is_due(before, step, self.log_interval) {
            let at = recorder.last_record_at.unwrap_or(self.clock.now());
            self.points.offer(ScalarPoint {
                step,
                at,
                metrics: scalars(&recorder.metrics(at, |metric| metric.original.is_some())),
            });
        }
    }
}

/// Whether a step is in another log interval than the one before, or the first to complete one.
fn is_due(before: Option<u64>, step: u64, interval: u64) -> bool {
    before.map_or(step.is_multiple_of(interval), |before| before / interval != step / interval)
}

/// Writes points as events.
#[derive(Debug)]
pub struct EventEncoder {
    clock: Clock,
    last: Option<ScalarPoint>,
    /// The last event's time, Unix time in seconds.
    written_at: f64,
}

impl EventEncoder {
    pub fn new(clock: Clock) -> Self {
        Self { clock, last: None, written_at: 0.0 }
    }

    /// Appends an event with those metrics that this step has not yet shown so.
    pub fn encode(&mut self, point: ScalarPoint, to: &mut Vec<u8>) {
        // The command's end can be known before its last line is read: time does not go back for that.
        let at = self.last.as_ref().map_or(point.at, |last| last.at.max(point.at));
        let shown = self.last.as_ref().filter(|last| last.step == point.step);
        let is_new = |scalar: &&_| !shown.is_some_and(|shown| shown.metrics.contains(scalar));
        let value = |(metric, value): &Scalar| Value {
            tag: format!("efficientllm/{}", metric.name),
            simple_value: Some(*value),
        };
        let value: Vec<_> = point.metrics.iter().filter(is_new).map(value).collect();
        let step = i64::try_from(point.step).unwrap_or(i64::MAX);
        self.last = Some(ScalarPoint { at, ..point });
        if !value.is_empty() {
            let wall_time = not_before(self.written_at, self.clock.unix(at));
            self.written_at = wall_time;
            frame(&Event { wall_time, step, summary: Some(Summary { value }), file_version: None }, to);
        }
    }
}

/// A moment without the small steps back that come from reading two clocks one after the other. A larger
/// step back is that of the machine's clock.
fn not_before(last: f64, wall_time: f64) -> f64 {
    let is_step_of_reading = (wall_time..wall_time + 1.0).contains(&last);
    if is_step_of_reading { last } else { wall_time }
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Unix time in seconds.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Appends an event in its frame.
fn frame(event: &Event, to: &mut Vec<u8>) {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    for part in [&length[..], &data] {
        to.extend_from_slice(part);
        to.extend_from_slice(&masked_crc(part).to_le_bytes());
    }
}

/// The checksum of a frame: rotated and shifted, as data with checksums in it would weaken it.
fn masked_crc(bytes: &[u8]) -> u32 {
    const CRC_32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    CRC_32C.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_due_once_each_interval_whatever_the_steps() {
        let due = |steps: &[u64], interval| -> Vec<u64> {
            let before = std::iter::once(None).chain(steps.iter().copied().map(Some));
            let due = before.zip(steps).filter(|(before, step)| is_due(*before, **step, interval));
            due.map(|(_, step)| *step).collect()
        };
        assert_eq!(due(&[1, 2, 3, 4, 5, 6, 7], 3), [3, 6]);
        assert_eq!(due(&[7, 14, 21, 28, 35], 10), [14, 21, 35]);
        assert_eq!(due(&[100, 200], 10), [100, 200]);
        assert_eq!(due(&[9, 10, 10, 10, 11], 10), [10]); // a bar redraws itself
        assert_eq!(due(&[19, 20, 5, 6, 10], 10), [20, 5, 10]); // begun again from an earlier one
    }

    #[test]
    fn time_goes_back_only_where_the_machines_clock_does() {
        assert_eq!(not_before(0.0, 1e9), 1e9);
        assert_eq!(not_before(1e9, 1e9 + 0.5), 1e9 + 0.5);
        assert_eq!(not_before(1e9, 1e9 - 1e-6), 1e9);
        assert_eq!(not_before(1e9, 1e9 - 3600.0), 1e9 - 3600.0);
    }

    #[test]
    fn the_last_point_repeats_nothing() {
        let point = |power| ScalarPoint { step: 5, at: 1.0, metrics: scalars(&metrics(power)) };
        let metrics_of = |points: &[ScalarPoint]| {
            let (mut encoder, mut bytes) = (EventEncoder::new(Clock::new()), Vec::new());
            points
                .iter()
                .map(|point| {
                    bytes.clear();
                    encoder.encode(point.clone(), &mut bytes);
                    let data = bytes.get(12..bytes.len().saturating_sub(4)).unwrap_or_default();
                    Event::decode(data).unwrap().summary.map_or(0, |summary| summary.value.len())
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(metrics_of(&[point(300.0), point(300.0), point(301.0)]), [2, 0, 1]);
        assert_eq!(metrics_of(&[point(f64::NAN)]), [1]);
    }

    fn metrics(power: f64) -> Metrics {
        Metrics { aec_watts: Some(power), al_seconds: Some(0.0), ..Metrics::default() }
    }

    #[test]
    fn the_checksum_is_masked() {
        // CRC-32C of "123456789" is e3069283.
        assert_eq!(masked_crc(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
