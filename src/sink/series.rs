//! Every reading and every progress record, one a line, as it comes.
//!
//! The column `source` of a line is `gpu`, `host` or `progress`, and only the columns of that source have
//! values; in CSV the others are empty, in JSON Lines they are left out. So is a value that could not be
//! read: it is never 0.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};

use super::queue::Opened;
use crate::error::Error;
use crate::event::field::{Field, Kind};
use crate::event::{Clock, Event, GpuSample, HostSample, Progress, RECORD_FIELDS, Scope, StartLatch};
use crate::fs::atomic;
use crate::text::sanitize::{self, field};

/// Makes the file, in the place of one that is there.
///
/// # Errors
/// It cannot be written to.
pub fn open(path: &Path) -> Result<Opened<Event>, Error> {
    let made = atomic::refuse_planted(path)
        .and_then(|()| atomic::open_stream(File::options().create(true).truncate(true), path));
    let file = made.map_err(|error| {
        Error::usage(format!("the series cannot be written to {}: {error}", path.display()))
            .of_flag("series")
            .help("--series FILE names another place, in a folder that is there")
    })?;
    Ok(Opened::new(file, path.to_owned()))
}

/// Whether a series has lines for an event.
pub fn shows(event: &Event) -> bool {
    matches!(event, Event::Gpu(_) | Event::Host(_) | Event::Progress(_))
}

/// Makes lines of events.
#[derive(Debug)]
pub struct SeriesEncoder {
    is_csv: bool,
    clock: Clock,
    started: StartLatch,
    needs_header: bool,
}

impl SeriesEncoder {
    /// The encoder for a file, whose name's ending chooses the format.
    pub fn new(path: &Path, clock: Clock, started: StartLatch) -> Self {
        let is_csv = path.extension().is_some_and(|ending| ending == "csv");
        Self { is_csv, clock, started, needs_header: is_csv }
    }

    /// Appends the lines of an event: one for each GPU that was read.
    pub fn encode(&mut self, event: Event, to: &mut Vec<u8>) {
        match event {
            Event::Gpu(samples) => {
                samples.iter().for_each(|sample| self.line(sample.at, Reading::Gpu(sample), to));
            }
            Event::Host(sample) => self.line(sample.at, Reading::Host(sample), to),
            // Nothing has progressed at a bar's 0/N.
            Event::Progress(record) if !record.baseline => {
                self.line(record.at.unwrap_or(self.clock.now()), Reading::Progress(&record), to);
            }
            _ => {}
        }
    }

    fn line(&mut self, at: f64, reading: Reading<'_>, to: &mut Vec<u8>) {
        let columns = self.columns(at, reading);
        if !self.is_csv {
            let known = columns.iter().filter(|(_, value)| !value.is_null());
            let line = known.map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>();
            to.extend(sanitize::json(&format!("{{{}}}\n", line.join(","))).bytes());
            return;
        }
        // Nothing below fails: the bytes go into memory.
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

    /// All columns in their order; null where this line has no value, or no finite number.
    fn columns(&self, at: f64, reading: Reading<'_>) -> Vec<Column> {
        let (unread, unsaid) = (GpuSample::default(), Progress::default());
        let (source, gpu, host, log) = match reading {
            Reading::Gpu(sample) => ("gpu", sample, None, &unsaid),
            Reading::Host(sample) => ("host", &unread, Some(sample), &unsaid),
            Reading::Progress(record) => ("progress", &unread, None, record),
        };
        let microseconds = |seconds: f64| json!((seconds * 1e6).round() / 1e6);
        let columns = [
            // Unix time.
            ("unix_seconds", microseconds(self.clock.unix(at))),
            // Since the start of the command; the first reading lies before it.
            ("elapsed_seconds", microseconds(at - self.started.wait())),
            ("source", json!(source)),
            // NVML's index.
            ("gpu", json!((source == "gpu").then_some(gpu.index))),
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

/// A column's name, and its value in one line.
pub type Column = (Cow<'static, str>, Value);

/// What one line shows.
enum Reading<'a> {
    Gpu(&'a GpuSample),
    Host(HostSample),
    Progress(&'a Progress),
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
        let path = Path::new("s.csv");
        let mut written = Vec::new();
        let engine = Some("=1+1\x1b[2J,\"\0".to_owned());
        let record = Progress { engine, loss: Some(-1.5), at: Some(1.0), ..Progress::default() };
        let started = StartLatch::default();
        started.set(0.0);
        SeriesEncoder::new(path, Clock::new(), started)
            .encode(Event::Progress(Box::new(record)), &mut written);
        let mut rows = csv::Reader::from_reader(written.as_slice());
        let header = rows.headers().expect("a header").clone();
        let row = rows.records().next().expect("a line").expect("as long as its header");
        let column = |name: &str| header.iter().position(|column| column == name).and_then(|at| row.get(at));
        assert_eq!(column("engine"), Some("'=1+1␛[2J,\"␀"));
        assert_eq!(column("loss"), Some("-1.5"));
    }

    #[test]
    fn text_of_the_log_is_escaped_in_json_lines() {
        let path = Path::new("s.jsonl");
        let mut written = Vec::new();
        let engine = "\x1b[2J\x7f\u{9b}\u{202e}\"é\n";
        let record = Progress { engine: Some(engine.to_owned()), at: Some(1.0), ..Progress::default() };
        let started = StartLatch::default();
        started.set(0.0);
        SeriesEncoder::new(path, Clock::new(), started)
            .encode(Event::Progress(Box::new(record)), &mut written);
        let line = String::from_utf8(written).expect("UTF-8");
        assert!(line.contains(r#""engine":"\u001b[2J\u007f\u009b\u202e\"é\n""#), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["engine"], engine);
    }
}
