//! Reports as CSV: a row each, under a header with the names of the columns.

use super::RenderOptions;
use super::format::{command, name_of};
use crate::report::{Exit, NamedReport, Report};
use crate::text::sanitize::field;

/// The metrics of each report in full precision; the field of an unknown one is empty.
pub fn render(reports: &[NamedReport], _: RenderOptions) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    for (n, (name, report)) in reports.iter().enumerate() {
        let (header, row): (Vec<&str>, Vec<String>) = fields(name, report).unzip();
        // Writing to memory does not fail, and all rows are of one length.
        let header = if n == 0 { writer.write_record(header) } else { Ok(()) };
        let _ = header.and_then(|()| writer.write_record(row));
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// The names of the columns, each with the report's field.
fn fields(name: &str, report: &Report) -> impl Iterator<Item = (&'static str, String)> {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let text = |text: Option<&String>| text.map(|text| field(text)).unwrap_or_default();
    let exit = match &report.command.exit {
        Some(Exit::Code(code)) => code.to_string(),
        Some(Exit::Signal(signal)) => field(signal),
        None => String::new(),
    };
    let about = [
        ("report", field(name)),
        ("command", field(&command(report))),
        ("status", name_of(&report.status)),
        ("exit", exit),
        ("started_at", text(report.command.started_at.as_ref())),
        ("wall_seconds", number(report.command.wall_seconds)),
        ("host", text(report.job.host.as_ref())),
        ("world_size", report.job.world_size.map(|world| world.to_string()).unwrap_or_default()),
        ("gpus", report.gpus.len().to_string()),
        ("gpu_name", text(report.gpus.first().and_then(|gpu| gpu.name.as_ref()))),
        ("parameters", number(report.model.parameters.value)),
        ("iterations", report.iterations.count.to_string()),
        ("window", name_of(&report.window)),
        ("warnings", report.warnings.len().to_string()),
        ("gate", report.gate.as_ref().map(|gate| name_of(&gate.verdict)).unwrap_or_default()),
    ];
    let metrics = report.metrics.each().map(move |(metric, value)| (metric.name, number(value)));
    about.into_iter().chain(metrics)
}
