//! Reports as CSV: a row each, under a header with the names of the columns.

use serde::Serialize;

use super::{About, RenderOptions, ReportFormat};
use crate::metrics::registry::METRICS;
use crate::report::{Exit, NamedReport, Report};
use crate::text::sanitize::field;

/// The columns before the metrics.
const ABOUT: [&str; 15] = [
    "report",
    "command",
    "status",
    "exit",
    "started_at",
    "wall_seconds",
    "host",
    "world_size",
    "gpus",
    "gpu_name",
    "parameters",
    "iterations",
    "window",
    "warnings",
    "gate",
];

/// The metrics of each report in full precision; the field of an unknown one is empty.
#[derive(Debug)]
pub struct Csv;

impl ReportFormat for Csv {
    fn about(&self) -> About {
        About { name: "csv", help: "A row for each report", extensions: &["csv"] }
    }

    fn render(&self, reports: &[NamedReport], _: RenderOptions) -> String {
        csv(reports)
    }
}

fn csv(reports: &[NamedReport]) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let header = ABOUT.into_iter().chain(METRICS.iter().map(|metric| metric.name)).map(str::to_owned);
    let rows = reports.iter().map(|(name, report)| row(name, report));
    for row in std::iter::once(header.collect()).chain(rows) {
        // Writing to memory does not fail, and all rows are of one length.
        let _: Result<(), ::csv::Error> = writer.write_record::<Vec<String>, _>(row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn row(name: &str, report: &Report) -> Vec<String> {
    let known = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let text = |text: &Option<String>| text.as_deref().map(field).unwrap_or_default();
    let command = &report.command;
    let about = [
        field(name),
        field(&command.argv.join(" ")),
        name_of(&report.status),
        match &command.exit {
            Some(Exit::Code(code)) => code.to_string(),
            Some(Exit::Signal(signal)) => field(signal),
            None => String::new(),
        },
        text(&command.started_at),
        known(command.wall_seconds),
        text(&report.job.host),
        report.job.world_size.map(|world| world.to_string()).unwrap_or_default(),
        report.gpus.len().to_string(),
        report.gpus.first().map(|gpu| text(&gpu.name)).unwrap_or_default(),
        known(report.model.parameters.value),
        report.iterations.count.to_string(),
        name_of(&report.window),
        report.warnings.len().to_string(),
        report.gate.as_ref().map(|gate| name_of(&gate.verdict)).unwrap_or_default(),
    ];
    about.into_iter().chain(report.metrics.each().map(|(_, value)| known(value))).collect()
}

/// The name of a variant in the report's JSON.
fn name_of(variant: &impl Serialize) -> String {
    serde_json::to_value(variant).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}
