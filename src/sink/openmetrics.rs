//! A report's metrics as OpenMetrics text.
//!
//! Base units (bytes and seconds), named after the report's own names: AMU is `effllm_amu_bytes`. An
//! unknown value is left out. There are gauges and counters only, and no timestamps, so that the older
//! Prometheus text, which node_exporter's textfile collector reads, can say the same: see
//! [`prometheus_text`].

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Warn;
use crate::error::Error;
use crate::fs::atomic;
use crate::process::{FileWriter, Way};
use crate::report::Report;
use crate::report::{Exit, Gpu, Status};
use crate::thread::worker::{Stop, Worker};

/// The time between two replacements of the file: a typical scrape interval.
const REPLACED_EVERY: Duration = Duration::from_secs(15);

/// A report as OpenMetrics text.
pub fn openmetrics(report: &Report) -> String {
    let text: String = families(report).iter().map(|family| family.text(true)).collect();
    text + "# EOF\n"
}

/// A report as Prometheus text of the form 0.0.4. It differs in that a counter is named as its sample
/// is, by `_total`, and has neither a unit nor an end; read as OpenMetrics has it, a counter would be
/// untyped and without help.
pub fn prometheus_text(report: &Report) -> String {
    families(report).iter().map(|family| family.text(false)).collect()
}

/// The file, if it can be replaced.
///
/// # Errors
/// The folder cannot be written to, or the path is one.
pub fn checked(path: PathBuf) -> Result<PathBuf, Error> {
    atomic::can_replace(&path).map_err(|why| {
        Error::usage(format!("OpenMetrics cannot be written to {}: {why}", path.display()))
            .of_flag("openmetrics")
            .help("--openmetrics FILE names another place, in a folder that is there")
    })?;
    Ok(path)
}

/// Replaces the file by the metrics of `report`: immediately, every 15 s, and at exit.
pub fn start(path: PathBuf, report: impl Fn() -> Report + Send + 'static, warn: &Warn) -> Replacing {
    // node_exporter's textfile collector takes files of this name alone, and reads the older form.
    let older = path.extension().is_some_and(|ending| ending == "prom");
    let text = if older { prometheus_text } else { openmetrics };
    let (file, report_error) = (path.clone(), warn.clone());
    let mut writer = FileWriter::start(Way::Replace(path.clone()));
    let mut replace = move || {
        if let Err(error) = writer.replace(text(&report()).as_bytes(), None) {
            report_error(format!("{} cannot be replaced and is out of date: {error}", file.display()));
        }
    };
    let keep = move |stop: Stop| {
        replace();
        while stop.wait_until(Instant::now() + REPLACED_EVERY) {
            replace();
        }
        replace();
    };
    Replacing { thread: Worker::spawn("effllm-openmetrics", keep).ok(), path, warn: warn.clone() }
}

/// A file that is kept current.
pub struct Replacing {
    thread: Option<Worker>,
    path: PathBuf,
    warn: Warn,
}

impl Replacing {
    /// Replaces the file a last time, and waits for that until the deadline.
    pub fn finish(self, deadline: Instant) {
        let patience = deadline.saturating_duration_since(Instant::now());
        if !self.thread.is_some_and(|thread| thread.finish(patience)) {
            (self.warn)(format!("{} is out of date: writing it hangs", self.path.display()));
        }
    }
}

/// A metric with its values, one for each set of labels.
#[derive(Debug)]
struct Family {
    name: String,
    /// The end of the name, or empty.
    unit: &'static str,
    help: &'static str,
    is_counter: bool,
    values: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl Family {
    fn text(&self, is_openmetrics: bool) -> String {
        let Self { name, unit, help, is_counter, values } = self;
        let sample = if *is_counter { format!("{name}_total") } else { name.clone() };
        let described = if is_openmetrics { name } else { &sample };
        let kind = if *is_counter { "counter" } else { "gauge" };
        let mut text = format!("# HELP {described} {help}\n# TYPE {described} {kind}\n");
        if is_openmetrics && !unit.is_empty() {
            text += &format!("# UNIT {described} {unit}\n");
        }
        for (labels, value) in values {
            let label = |(name, value): &(_, String)| {
                let escaped = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
                format!("{name}=\"{escaped}\"")
            };
            let labels = labels.iter().map(label).collect::<Vec<_>>().join(",");
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            text += &format!("{sample}{labels} {value:?}\n");
        }
        text
    }
}

/// What is known of a report.
fn families(report: &Report) -> Vec<Family> {
    let metrics = report.metrics.each().filter_map(|(metric, value)| {
        let (name, unit, factor) = metric.openmetrics?;
        Some(gauge(name, unit, metric.definition, value.map(|value| value * factor)))
    });
    let mut families: Vec<_> =
        of_run(report).into_iter().chain(metrics).chain(of_gpus(&report.gpus)).collect();
    for family in &mut families {
        family.values.retain(|(_, value)| value.is_finite());
    }
    families.retain(|family| !family.values.is_empty());
    families
}

fn of_run(report: &Report) -> [Family; 17] {
    let (command, iterations, log) = (&report.command, &report.iterations, &report.log);
    let started = command.started_at.as_ref().and_then(|moment| moment.parse::<Timestamp>().ok());
    let exit = match &command.exit {
        Some(Exit::Code(code)) => Some(f64::from(*code)),
        _ => None,
    };
    let whole = |number: u64| Some(number as f64);
    let known = [
        ("version", Some(&report.effllm_version)),
        ("host", report.job.host.as_ref()),
        ("profile", log.profile.as_ref()),
    ];
    let labels = known.into_iter().filter_map(|(label, value)| Some((label, value?.clone()))).collect();
    let running = whole(u64::from(report.status == Status::Running));
    let started = started.map(|moment| moment.as_millisecond() as f64 / 1e3);
    let resident = report.host.resident_bytes_now.and_then(whole);
    let last_of_job = "The number of the last iteration that the job will make.";
    [
        Family { values: vec![(labels, 1.0)], ..gauge("run_info", "", "The run, in labels.", None) },
        gauge("running", "", "1 while the command runs, 0 once it has ended.", running),
        gauge("exit_code", "", "The command's exit status; absent after death by a signal.", exit),
        gauge("start_time", "seconds", "When the command started, in Unix time.", started),
        counter("wall", "seconds", "Time since the command started.", command.wall_seconds),
        counter("cpu", "seconds", "CPU time of the command's process tree.", command.cpu_seconds),
        gauge("resident_memory", "bytes", "Resident memory of the command's process tree.", resident),
        counter("log_lines", "", "Lines of the command's output.", whole(log.lines)),
        counter("log_records", "", "Progress records in these lines.", whole(log.records)),
        counter("iterations", "", "Iterations without the warm-up.", whole(iterations.count)),
        counter("tokens", "", "Tokens of these iterations.", iterations.tokens),
        counter("samples", "", "Samples of these iterations.", iterations.samples),
        gauge("last_iteration", "", "The last iteration's number.", iterations.last.and_then(whole)),
        gauge("final_iteration", "", last_of_job, iterations.total.and_then(whole)),
        gauge("loss", "", "The last loss in the log.", iterations.loss_last),
        gauge("parameters", "", "Parameters of the model.", report.model.parameters.value),
        gauge("warnings", "", "Warnings in the report.", whole(report.warnings.len() as u64)),
    ]
}

fn of_gpus(gpus: &[Gpu]) -> [Family; 11] {
    let labels = |gpu: &Gpu| {
        let uuid = gpu.uuid.clone().map(|uuid| ("uuid", uuid));
        [("gpu", gpu.index.to_string())].into_iter().chain(uuid).collect::<Vec<_>>()
    };
    let named = |gpu: &Gpu| {
        let name = gpu.name.clone().map(|name| ("name", name));
        (labels(gpu).into_iter().chain(name).collect(), 1.0)
    };
    let info = gauge("gpu_info", "", "A measured GPU, in labels.", None);
    let each = |family: Family, value: fn(&Gpu) -> Option<f64>| Family {
        values: gpus.iter().filter_map(|gpu| Some((labels(gpu), value(gpu)?))).collect(),
        ..family
    };
    let gauge = |name, unit, help, value| each(gauge(name, unit, help, None), value);
    let counter = |name, unit, help, value| each(counter(name, unit, help, None), value);
    let kernel = "Share of time in which some kernel ran, last reading.";
    let readings = "Readings in which at least one quantity was known.";
    [
        Family { values: gpus.iter().map(named).collect(), ..info },
        gauge("gpu_memory_used", "bytes", "Memory used, last reading.", |gpu| gpu.now.memory_used_bytes),
        gauge("gpu_memory_total", "bytes", "Memory of the GPU.", |gpu| Some(gpu.memory_total_bytes? as f64)),
        gauge("gpu_utilization", "ratio", kernel, |gpu| gpu.now.utilization_ratio),
        gauge("gpu_power", "watts", "Power, last reading.", |gpu| gpu.now.power_watts),
        gauge("gpu_power_limit", "watts", "Enforced power limit.", |gpu| gpu.power_limit_watts),
        counter("gpu_energy", "joules", "Energy since the command started.", |gpu| gpu.energy_joules),
        gauge("gpu_temperature", "celsius", "Temperature, last reading.", |gpu| gpu.now.temperature_celsius),
        gauge("gpu_sm_clock", "hertz", "SM clock, last reading.", |gpu| Some(gpu.now.sm_clock_mhz? * 1e6)),
        gauge("gpu_coverage", "ratio", "Share of the run that readings cover.", |gpu| gpu.coverage_ratio),
        counter("gpu_readings", "", readings, |gpu| Some(gpu.samples as f64)),
    ]
}

fn gauge(name: &str, unit: &'static str, help: &'static str, value: Option<f64>) -> Family {
    let parts = ["effllm", name, unit].into_iter().filter(|part| !part.is_empty());
    let values = value.map(|value| (Vec::new(), value)).into_iter().collect();
    Family { name: parts.collect::<Vec<_>>().join("_"), unit, help, is_counter: false, values }
}

/// As [`gauge()`], of what only ever rises.
fn counter(name: &str, unit: &'static str, help: &'static str, value: Option<f64>) -> Family {
    Family { is_counter: true, ..gauge(name, unit, help, value) }
}
