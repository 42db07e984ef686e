//! A report's metrics as OpenMetrics text.
//!
//! Base units (bytes and seconds), named after the report's own names: AMU is `effllm_amu_bytes`. An
//! unknown value is left out. There are gauges and counters only, and no timestamps, so that the older
//! Prometheus text, which node_exporter's textfile collector reads, can say the same: see
//! [`prometheus_text`].

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::{PATIENCE, Warn};
use crate::error::Error;
use crate::fs::atomic;
use crate::report::Report;
use crate::report::{Exit, Gpu, Status};
use crate::thread::worker::{Stop, Worker};

/// The time between two replacements of the file: a typical scrape interval.
const REPLACED_EVERY: Duration = Duration::from_secs(15);

/// A report as OpenMetrics text.
pub fn openmetrics(report: &Report) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families(report))));
    let mut text = String::new();
    // Writing into memory does not fail.
    let _ = text::encode(&mut text, &registry);
    text
}

/// A report as Prometheus text of the form 0.0.4. It differs in that a counter is named as its sample
/// is, by `_total`, and has neither a unit nor an end; read as OpenMetrics has it, a counter would be
/// untyped and without help.
pub fn prometheus_text(report: &Report) -> String {
    let text = openmetrics(report);
    let counter = |line| str::strip_prefix(line, "# TYPE ")?.strip_suffix(" counter");
    let counters: BTreeSet<&str> = text.lines().filter_map(counter).collect();
    let lines = text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF");
    lines
        .map(|line| {
            match line.split(' ').nth(2).filter(|name| line.starts_with('#') && counters.contains(name)) {
                Some(name) => line.replacen(name, &format!("{name}_total"), 1) + "\n",
                None => format!("{line}\n"),
            }
        })
        .collect()
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
    let replace = move || {
        if let Err(error) = atomic::replace(&file, text(&report()).as_bytes()) {
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
    /// Replaces the file a last time, and waits for that within a limit of time.
    pub fn finish(self) {
        if !self.thread.is_some_and(|thread| thread.finish(PATIENCE)) {
            (self.warn)(format!("{} is out of date: writing it hangs", self.path.display()));
        }
    }
}

/// A metric with its values, one for each set of labels.
#[derive(Debug)]
struct Family {
    /// Without the unit that it ends in.
    name: String,
    unit: Option<&'static str>,
    help: String,
    kind: MetricType,
    values: Vec<(Vec<(&'static str, String)>, f64)>,
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for family in &self.0 {
            let unit = family.unit.map(|unit| Unit::Other(unit.to_owned()));
            let mut metric =
                encoder.encode_descriptor(&family.name, &family.help, unit.as_ref(), family.kind)?;
            for (labels, value) in &family.values {
                if labels.is_empty() {
                    encode(&mut metric, family.kind, *value)?;
                } else {
                    encode(&mut metric.encode_family(labels)?, family.kind, *value)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(metric: &mut MetricEncoder<'_>, kind: MetricType, value: f64) -> fmt::Result {
    match kind {
        MetricType::Counter => metric.encode_counter::<NoLabelSet, _, u64>(&value, None),
        _ => metric.encode_gauge(&value),
    }
}

fn families(report: &Report) -> Vec<Family> {
    let mut families = of_run(report);
    families.extend(report.metrics.each().filter_map(|(metric, value)| {
        let (name, unit, factor) = metric.openmetrics?;
        let name = ["effllm", name].join(if name.is_empty() { "" } else { "_" });
        Some(gauge(&name, unit, metric.definition, value.map(|value| value * factor)))
    }));
    families.extend(of_gpus(&report.gpus));
    for family in &mut families {
        family.values.retain(|(_, value)| value.is_finite());
    }
    families.retain(|family| !family.values.is_empty());
    families
}

fn of_run(report: &Report) -> Vec<Family> {
    let (iterations, log) = (&report.iterations, &report.log);
    let unix =
        |moment: &String| moment.parse::<Timestamp>().ok().map(|moment| moment.as_millisecond() as f64 / 1e3);
    let exit = match &report.command.exit {
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
    vec![
        Family { values: vec![(labels, 1.0)], ..gauge("effllm_run_info", "", "The run, in labels.", None) },
        gauge(
            "effllm_running",
            "",
            "1 while the command runs, 0 once it has ended.",
            Some(f64::from(u8::from(report.status == Status::Running))),
        ),
        gauge("effllm_exit_code", "", "The command's exit status; absent after death by a signal.", exit),
        gauge(
            "effllm_start_time",
            "seconds",
            "When the command started, in Unix time.",
            report.command.started_at.as_ref().and_then(unix),
        ),
        counter("effllm_wall", "seconds", "Time since the command started.", report.command.wall_seconds),
        counter(
            "effllm_cpu",
            "seconds",
            "CPU time of the command's process tree.",
            report.command.cpu_seconds,
        ),
        gauge(
            "effllm_resident_memory",
            "bytes",
            "Resident memory of the command's process tree.",
            report.host.resident_bytes_now.map(|bytes| bytes as f64),
        ),
        counter("effllm_log_lines", "", "Lines of the command's output.", whole(log.lines)),
        counter("effllm_log_records", "", "Progress records in these lines.", whole(log.records)),
        counter("effllm_iterations", "", "Iterations without the warm-up.", whole(iterations.count)),
        counter("effllm_tokens", "", "Tokens of these iterations.", iterations.tokens),
        counter("effllm_samples", "", "Samples of these iterations.", iterations.samples),
        gauge("effllm_last_iteration", "", "The last iteration's number.", iterations.last.and_then(whole)),
        gauge(
            "effllm_final_iteration",
            "",
            "The number of the last iteration that the job will make.",
            iterations.total.and_then(whole),
        ),
        gauge("effllm_loss", "", "The last loss in the log.", iterations.loss_last),
        gauge("effllm_parameters", "", "Parameters of the model.", report.model.parameters.value),
        gauge("effllm_warnings", "", "Warnings in the report.", Some(report.warnings.len() as f64)),
    ]
}

fn of_gpus(gpus: &[Gpu]) -> Vec<Family> {
    let labels = |gpu: &Gpu| {
        let uuid = gpu.uuid.clone().map(|uuid| ("uuid", uuid));
        [("gpu", gpu.index.to_string())].into_iter().chain(uuid).collect::<Vec<_>>()
    };
    let named = |gpu: &Gpu| {
        let name = gpu.name.clone().map(|name| ("name", name));
        (labels(gpu).into_iter().chain(name).collect(), 1.0)
    };
    let each = |family: Family, value: fn(&Gpu) -> Option<f64>| Family {
        values: gpus.iter().filter_map(|gpu| Some((labels(gpu), value(gpu)?))).collect(),
        ..family
    };
    let gauge = |name, unit, help, value| each(gauge(name, unit, help, None), value);
    let counter = |name, unit, help, value| each(counter(name, unit, help, None), value);
    vec![
        Family {
            values: gpus.iter().map(named).collect(),
            ..self::gauge("effllm_gpu_info", "", "A measured GPU, in labels.", None)
        },
        gauge("effllm_gpu_memory_used", "bytes", "Memory used, last reading.", |gpu| {
            gpu.now.memory_used_bytes
        }),
        gauge("effllm_gpu_memory_total", "bytes", "Memory of the GPU.", |gpu| {
            gpu.memory_total_bytes.map(|bytes| bytes as f64)
        }),
        gauge(
            "effllm_gpu_utilization",
            "ratio",
            "Share of time in which some kernel ran, last reading.",
            |gpu| gpu.now.utilization_ratio,
        ),
        gauge("effllm_gpu_power", "watts", "Power, last reading.", |gpu| gpu.now.power_watts),
        gauge("effllm_gpu_power_limit", "watts", "Enforced power limit.", |gpu| gpu.power_limit_watts),
        counter("effllm_gpu_energy", "joules", "Energy since the command started.", |gpu| gpu.energy_joules),
        gauge("effllm_gpu_temperature", "celsius", "Temperature, last reading.", |gpu| {
            gpu.now.temperature_celsius
        }),
        gauge("effllm_gpu_sm_clock", "hertz", "SM clock, last reading.", |gpu| {
            gpu.now.sm_clock_mhz.map(|megahertz| megahertz * 1e6)
        }),
        gauge("effllm_gpu_coverage", "ratio", "Share of the run that readings cover.", |gpu| {
            gpu.coverage_ratio
        }),
        counter("effllm_gpu_readings", "", "Readings in which at least one quantity was known.", |gpu| {
            Some(gpu.samples as f64)
        }),
    ]
}

fn gauge(name: &str, unit: &'static str, help: &str, value: Option<f64>) -> Family {
    Family {
        name: name.to_owned(),
        unit: Some(unit).filter(|unit| !unit.is_empty()),
        help: help.to_owned(),
        kind: MetricType::Gauge,
        values: value.map(|value| (Vec::new(), value)).into_iter().collect(),
    }
}

/// As [`gauge()`], of what only ever rises.
fn counter(name: &str, unit: &'static str, help: &str, value: Option<f64>) -> Family {
    Family { kind: MetricType::Counter, ..gauge(name, unit, help, value) }
}
