//! The command of a run, its job, model and GPUs.

use maud::{Markup, html};

use crate::output::format;
use crate::report::Report;
use crate::text::units::{DASH, or_dash, show_bytes, show_duration, show_grouped};

pub fn environment(report: &Report) -> Markup {
    let command = &report.command;
    let text = |text: &Option<String>| or_dash(text.clone(), String::from);
    let number = |number: Option<u64>| or_dash(number, |number| number.to_string());
    let mut rows: Vec<(&str, String)> = vec![
        ("Command", format::command(report)),
        ("Folder", text(&command.cwd)),
        ("Started", or_dash(format::started(report), String::from)),
        ("Ended", format::ending(report)),
        ("Wall time", or_dash(command.wall_seconds, show_duration)),
        ("CPU time", or_dash(command.cpu_seconds, show_duration)),
        ("Largest process", or_dash(command.max_rss_bytes.map(|bytes| bytes as f64), show_bytes)),
        ("Host", text(&report.job.host)),
        ("World size", number(report.job.world_size)),
        ("Nodes", number(report.job.nodes)),
        ("Rank", number(report.job.rank)),
    ];
    if let Some(stopped) = command.suspended_seconds.filter(|stopped| *stopped > 0.0) {
        rows.push(("Stopped for", show_duration(stopped)));
    }
    rows.extend(report.job.scheduler.iter().map(|(name, id)| (name.as_str(), id.clone())));
    rows.extend([
        ("Parameters", format::sourced(&report.model.parameters)),
        ("Sequence length", format::sourced(&report.model.sequence_length)),
        ("Global batch size", format::sourced(&report.model.global_batch_size)),
        ("Log profile", profile(report)),
        ("Log lines", {
            let [lines, records] = [report.log.lines, report.log.records].map(|n| show_grouped(n as f64));
            format!("{lines} of which {records} state progress")
        }),
        ("effllm", report.effllm_version.clone()),
    ]);
    html! {
        section {
            h2 { "Environment" }
            dl.environment { @for (name, value) in rows { dt { (name) } dd { (value) } } }
            @if !report.gpus.is_empty() {
                div.scroll {
                    table {
                        thead {
                            tr {
                                th.number scope="col" { "GPU" }
                                th scope="col" { "Name" }
                                th scope="col" { "UUID" }
                                th.number scope="col" { "Memory" }
                                th.number scope="col" { "Power limit" }
                                th scope="col" { "Measured because" }
                            }
                        }
                        tbody {
                            @for gpu in &report.gpus {
                                tr {
                                    td.number { (gpu.index) }
                                    td { (text(&gpu.name)) }
                                    td.code { (text(&gpu.uuid)) }
                                    td.number { (or_dash(gpu.memory_total_bytes.map(|bytes| bytes as f64), show_bytes)) }
                                    td.number { (or_dash(gpu.power_limit_watts, |w| format!("{w:.0} W"))) }
                                    td { (gpu.selected_because) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn profile(report: &Report) -> String {
    match (&report.log.profile, &report.log.profile_source) {
        (Some(name), Some(source)) => format!("{name} ({source})"),
        (Some(name), None) => name.clone(),
        _ => DASH.to_owned(),
    }
}
