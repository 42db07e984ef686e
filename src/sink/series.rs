//! Every reading and every progress record, one a line, as it comes.
//!
//! The column `source` of a line is `gpu`, `host` or `progress`, and only the columns of that source have
//! values; in CSV the others are empty, in JSON Lines they are left out. So is a value that could not be
//! read: it is never 0.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Value, json};

use super::queue::Opened;
use crate::error::Error;
use crate::event::{Clock, Event, GpuSample, HostSample, Progress, Scope, StartLatch};
use crate::fs::atomic;
use crate::text::sanitize::{self, field};

/// A file, and the format that its name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesFile {
    path: PathBuf,
    format: SeriesFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SeriesFormat {
    Csv,
    JsonLines,
}

impl TryFrom<OsString> for SeriesFile {
    type Error = String;
    fn try_from(name: OsString) -> Result<Self, String> {
        let path = PathBuf::from(name);
        let format = match path.extension().and_then(OsStr::to_str) {
            Some("csv") => SeriesFormat::Csv,
            Some("jsonl") => SeriesFormat::JsonLines,
            _ => return Err("must end in .csv or .jsonl, which says how it is written".to_owned()),
        };
        Ok(Self { path, format })
    }
}

impl FromStr for SeriesFile {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(OsString::from(text))
    }
}

impl SeriesFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file, in the place of one that is there.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn open(&self) -> Result<Opened<Event>, Error> {
        let usage = |error: io::Error| {
            Error::usage(format!("the series cannot be written to {}: {error}", self.path.display()))
                .hint("--series FILE names another place, in a folder that is there")
        };
        atomic::refuse_planted(&self.path).map_err(usage)?;
        let file = File::create(&self.path).map_err(usage)?;
        Ok(Opened::new(file, self.path.clone()))
    }

    /// The encoder of events as lines, once the run has started.
    pub fn encoder(self, clock: Clock, started: StartLatch) -> SeriesEncoder {
        SeriesEncoder { format: self.format, clock, started, needs_header: self.format == SeriesFormat::Csv }
    }
}

/// Whether a series has lines for an event.
pub fn shows(event: &Event) -> bool {
    matches!(event, Event::Gpu(_) | Event::Host(_) | Event::Progress(_))
}

/// Makes lines of events.
#[derive(Debug)]
pub struct SeriesEncoder {
    format: SeriesFormat,
    clock: Clock,
    started: StartLatch,
    needs_header: bool,
}

impl SeriesEncoder {
    /// Appends the lines of an event: one for each GPU that was read.
    pub fn encode(&mut self, event: Event, to: &mut Vec<u8>) {
        match event {
            Event::Gpu(samples) => {
                for sample in samples {
                    self.line(&SeriesLine { gpu: Some(&sample), ..self.row("gpu", sample.at) }, to);
                }
            }
            Event::Host(sample) => {
                self.line(&SeriesLine { host: Some(sample), ..self.row("host", sample.at) }, to);
            }
            // Nothing has progressed at a bar's 0/N.
            Event::Progress(record) if !record.baseline => {
                let at = record.at.unwrap_or(self.clock.now());
                self.line(&SeriesLine { progress: Some(&record), ..self.row("progress", at) }, to);
            }
            _ => {}
        }
    }

    fn row(&self, source: &'static str, at: f64) -> SeriesLine<'static> {
        let microseconds = |seconds: f64| (seconds * 1e6).round() / 1e6;
        SeriesLine {
            unix_seconds: microseconds(self.clock.unix(at)),
            elapsed_seconds: microseconds(at - self.started.wait()),
            source,
            gpu: None,
            host: None,
            progress: None,
        }
    }

    fn line(&mut self, row: &SeriesLine<'_>, to: &mut Vec<u8>) {
        let columns = row.columns();
        // Nothing below fails: the bytes go into memory.
        match self.format {
            SeriesFormat::Csv => {
                let mut csv = csv::WriterBuilder::new().buffer_capacity(1024).from_writer(to);
                if std::mem::take(&mut self.needs_header) {
                    let _ = csv.write_record(columns.iter().map(|(name, _)| name));
                }
                let _ = csv.write_record(columns.iter().map(|(_, value)| match value {
                    Value::Null => String::new(),
                    Value::String(text) => field(text),
                    number => number.to_string(),
                }));
                let _ = csv.flush();
            }
            SeriesFormat::JsonLines => {
                let known = columns.iter().filter(|(_, value)| !value.is_null());
                let line = known.map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>();
                to.extend(sanitize::json(&format!("{{{}}}\n", line.join(","))).bytes());
            }
        }
    }
}

/// One line.
struct SeriesLine<'a> {
    unix_seconds: f64,
    elapsed_seconds: f64,
    source: &'static str,
    gpu: Option<&'a GpuSample>,
    host: Option<HostSample>,
    progress: Option<&'a Progress>,
}

impl SeriesLine<'_> {
    /// All columns in their order; null where this line has nothing to say, or no finite number.
    fn columns(&self) -> [(&'static str, Value); 39] {
        let (unread, unsaid) = (GpuSample::default(), Progress::default());
        let (gpu, log) = (self.gpu.unwrap_or(&unread), self.progress.unwrap_or(&unsaid));
        let host = self.host;
        let step_time = |smoothed| log.step_time.filter(|_| log.smoothed == smoothed);
        let rate = |rate: Option<(f64, Scope)>, wanted| {
            rate.filter(|(_, scope)| *scope == wanted).map(|(rate, _)| rate)
        };
        [
            // Unix time.
            ("unix_seconds", json!(self.unix_seconds)),
            // Since the start of the command; the first reading lies before it.
            ("elapsed_seconds", json!(self.elapsed_seconds)),
            ("source", json!(self.source)),
            // NVML's index.
            ("gpu", json!(self.gpu.map(|gpu| gpu.index))),
            ("memory_used_bytes", json!(gpu.memory_used_bytes)),
            ("utilization_ratio", json!(gpu.utilization_ratio)),
            ("power_watts", json!(gpu.power_watts)),
            // A counter from any origin.
            ("energy_joules", json!(gpu.energy_joules)),
            ("temperature_celsius", json!(gpu.temperature_celsius)),
            ("sm_clock_mhz", json!(gpu.sm_clock_mhz)),
            // The command's process tree.
            ("processes", json!(host.map(|host| host.processes))),
            ("resident_bytes", json!(host.map(|host| host.resident_bytes))),
            ("cpu_seconds", json!(host.map(|host| host.cpu_seconds))),
            // The statements of the log, and nothing derived from them.
            // Which of several servers that write one log.
            ("engine", json!(log.engine)),
            ("epoch", json!(log.epoch)),
            ("iteration", json!(log.iteration)),
            ("total_iterations", json!(log.total_iterations)),
            ("step_time_seconds", json!(step_time(false))),
            // A progress bar's moving average.
            ("smoothed_step_time_seconds", json!(step_time(true))),
            ("loss", json!(log.loss)),
            ("learning_rate", json!(log.learning_rate)),
            ("grad_norm", json!(log.grad_norm)),
            ("global_batch_size", json!(log.global_batch_size)),
            ("consumed_samples", json!(log.consumed_samples)),
            ("consumed_tokens", json!(log.consumed_tokens)),
            ("samples", json!(log.samples)),
            ("tokens", json!(log.tokens)),
            ("samples_per_second", json!(rate(log.samples_per_s, Scope::Global))),
            ("samples_per_second_per_gpu", json!(rate(log.samples_per_s, Scope::PerGpu))),
            ("tokens_per_second", json!(rate(log.tokens_per_s, Scope::Global))),
            ("tokens_per_second_per_gpu", json!(rate(log.tokens_per_s, Scope::PerGpu))),
            ("tflops_per_gpu", json!(log.tflops_per_gpu)),
            ("mfu_ratio", json!(log.mfu)),
            ("prompt_tokens", json!(log.prompt_tokens)),
            ("generated_tokens", json!(log.generated_tokens)),
            ("prompt_tokens_per_second", json!(log.prompt_tokens_per_s)),
            ("generation_tokens_per_second", json!(log.generation_tokens_per_s)),
            // The time of these generated tokens.
            ("generation_seconds", json!(log.generation_time)),
            ("requests_running", json!(log.requests_running)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_log_is_seen_and_is_no_formula_and_numbers_stay_numbers() {
        let file: SeriesFile = "s.csv".parse().expect("a name");
        let mut written = Vec::new();
        let engine = Some("=1+1\x1b[2J,\"\0".to_owned());
        let record = Progress { engine, loss: Some(-1.5), at: Some(1.0), ..Progress::default() };
        let started = StartLatch::default();
        started.set(0.0);
        file.encoder(Clock::new(), started).encode(Event::Progress(Box::new(record)), &mut written);
        let mut rows = csv::Reader::from_reader(written.as_slice());
        let header = rows.headers().expect("a header").clone();
        let row = rows.records().next().expect("a line").expect("as long as its header");
        let column = |name: &str| header.iter().position(|column| column == name).and_then(|at| row.get(at));
        assert_eq!(column("engine"), Some("'=1+1␛[2J,\"␀"));
        assert_eq!(column("loss"), Some("-1.5"));
    }

    #[test]
    fn text_of_the_log_is_escaped_in_json_lines() {
        let file: SeriesFile = "s.jsonl".parse().expect("a name");
        let mut written = Vec::new();
        let engine = "\x1b[2J\x7f\u{9b}\u{202e}\"é\n";
        let record = Progress { engine: Some(engine.to_owned()), at: Some(1.0), ..Progress::default() };
        let started = StartLatch::default();
        started.set(0.0);
        file.encoder(Clock::new(), started).encode(Event::Progress(Box::new(record)), &mut written);
        let line = String::from_utf8(written).expect("UTF-8");
        assert!(line.contains(r#""engine":"\u001b[2J\u007f\u009b\u202e\"é\n""#), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["engine"], engine);
    }
}
