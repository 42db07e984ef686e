//! Every reading and every progress record, one a line, as it comes.
//!
//! The column `source` of a line is `gpu`, `host` or `progress`, and only the columns of that source have
//! values; in CSV the others are empty, in JSON Lines they are left out. So is a value that could not be
//! read: it is never 0.

use std::borrow::Cow;
use std::fs::File;
use std::io;

use serde_json::{Value, json};

use super::queue::Opened;
use crate::config::{SeriesFile, SeriesFormat};
use crate::error::Error;
use crate::event::field::{Field, Kind};
use crate::event::{Clock, Event, GpuSample, HostSample, Progress, RECORD_FIELDS, Scope, StartLatch};
use crate::fs::atomic;
use crate::text::sanitize::{self, field};

impl SeriesFile {
    /// Makes the file, in the place of one that is there.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn open(&self) -> Result<Opened<Event>, Error> {
        let usage = |error: io::Error| {
            Error::usage(format!("the series cannot be written to {}: {error}", self.path.display()))
                .help("--series FILE names another place, in a folder that is there")
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
                    let _ = csv.write_record(columns.iter().map(|(name, _)| name.as_bytes()));
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

/// A column's name, and its value in one line.
pub type Column = (Cow<'static, str>, Value);

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
    /// All columns in their order; null where this line has no value, or no finite number.
    fn columns(&self) -> Vec<Column> {
        let (unread, unsaid) = (GpuSample::default(), Progress::default());
        let (gpu, log) = (self.gpu.unwrap_or(&unread), self.progress.unwrap_or(&unsaid));
        let host = self.host;
        let columns = [
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
            // The log's values, and nothing that is derived from them. The server is one of several that
            // write one log.
            ("engine", json!(log.engine)),
        ];
        let columns = columns.map(|(name, value)| (Cow::from(name), value)).into_iter();
        columns.chain(progress_columns(log)).collect()
    }
}

/// The columns of a progress record.
pub fn progress_columns(log: &Progress) -> Vec<Column> {
    RECORD_FIELDS.iter().flat_map(|field| field_columns(field, log)).collect()
}

/// The columns of a field of a record: its name with its unit, and a second one for the rate of a GPU or
/// the smoothed time of a progress bar.
fn field_columns(field: &Field<Progress>, log: &Progress) -> Vec<Column> {
    let name = match field.name {
        "generation_time" => "generation".to_owned(),
        name => name.replace("_per_s", "_per_second"),
    };
    let number = field.number(log);
    let (unit, second, is_second) = match field.kind() {
        Kind::Rate => ("", Some(format!("{name}_per_gpu")), field.scope(log) == Some(Scope::PerGpu)),
        Kind::Duration if field.name == "step_time" => {
            ("_seconds", Some(format!("smoothed_{name}_seconds")), log.smoothed)
        }
        Kind::Duration => ("_seconds", None, false),
        Kind::Ratio => ("_ratio", None, false),
        Kind::Timestamp | Kind::Flag | Kind::Text => return Vec::new(),
        _ => ("", None, false),
    };
    let value = |number: Option<f64>| match number {
        Some(whole) if field.kind() == Kind::Ordinal => json!(whole as u64),
        number => json!(number),
    };
    let first = (Cow::from(name + unit), value(number.filter(|_| !is_second)));
    [first]
        .into_iter()
        .chain(second.map(|name| (Cow::from(name), value(number.filter(|_| is_second)))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_log_is_seen_and_is_no_formula_and_numbers_stay_numbers() {
        let file = SeriesFile { path: "s.csv".into(), format: SeriesFormat::Csv };
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
        let file = SeriesFile { path: "s.jsonl".into(), format: SeriesFormat::JsonLines };
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
