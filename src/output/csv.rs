//! Reports as CSV: a row each, under a header with the names of the columns.

use super::{RenderOptions, ReportFormat};
use crate::metrics::registry::METRICS;
use crate::report::gate::Verdict;
use crate::report::{Exit, NamedReport, Report, Status, Window};
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
    fn name(&self) -> &'static str {
        "csv"
    }

    fn help(&self) -> &'static str {
        "A row for each report"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv"]
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
        match report.status {
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Interrupted => "interrupted",
        }
        .to_owned(),
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
        match report.window {
            Window::Train => "train",
            Window::Generate => "generate",
            Window::Run => "run",
        }
        .to_owned(),
        report.warnings.len().to_string(),
        match report.gate.as_ref().map(|gate| gate.verdict) {
            Some(Verdict::Pass) => "pass",
            Some(Verdict::Fail) => "fail",
            Some(Verdict::NoData) => "no_data",
            None => "",
        }
        .to_owned(),
    ];
    about.into_iter().chain(report.metrics.each().map(|(_, value)| known(value))).collect()
}
