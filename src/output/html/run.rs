//! The page of one run, and the shorter of its sections.

use maud::{Markup, Render, html};

use super::energy::energy_by_phase;
use super::gpus::{each_gpu, over_time};
use super::iterations::iterations;
use super::metrics::{all_metrics, headline};
use super::{ending, heads, section, table};
use crate::output::format;
use crate::output::gate::{got, margin, mark, verdict};
use crate::report::gate::Level;
use crate::report::{Gpu, Report};
use crate::text::units::{or_dash, show_bytes, show_count, show_duration, show_grouped};

pub fn body(report: &Report) -> Markup {
    html! {
        (header(report))
        (gate(report))
        (headline(report))
        (over_time(report))
        (each_gpu(report))
        (iterations(report))
        (energy_by_phase(report))
        (all_metrics(report))
        (environment(report))
    }
}

fn header(report: &Report) -> Markup {
    let facts = [
        report.command.wall_seconds.map(show_duration),
        (report.iterations.count > 0).then(|| show_count(report.iterations.count, "iteration")),
        Some(report.gpu_models()).filter(|gpus| !gpus.is_empty()),
        report.job.host.clone(),
        format::started(report),
    ];
    html! {
        header {
            h1.command { (format::command(report)) }
            p.facts {
                (ending(report))
                @for fact in facts.iter().flatten() { span { (fact) } }
            }
        }
        @if !report.warnings.is_empty() {
            section.warnings aria-label="Warnings" {
                @for warning in &report.warnings { p { strong { "Warning" } " " (warning) } }
            }
        }
    }
}

/// The requirements on the run and their verdicts; nothing for a run without.
fn gate(report: &Report) -> Markup {
    let Some(gate) = &report.gate else { return html! {} };
    let rows = gate.results.iter().map(|result| {
        let mark = mark(result.verdict, result.level);
        let cells = vec![
            result.expression.render(),
            html! { span.pill.(mark.class) { (mark.word) } },
            got(result).render(),
            html! { span.origin { (margin(result)) } },
        ];
        ("", cells)
    });
    let columns = heads(&["Requirement", "Verdict", "#Got", "Margin, or the reason for no verdict"]);
    html! {
        section.gate {
            h2 { "Gate" small.(mark(gate.verdict, Level::Require).class) { (verdict(gate)) } }
            (table("", &columns, rows))
        }
    }
}

/// The command of the run, its job, model and GPUs.
fn environment(report: &Report) -> Markup {
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
        ("Largest process", or_dash(command.max_rss_bytes, show_bytes)),
        ("Host", text(&report.job.host)),
        ("World size", number(report.job.world_size)),
        ("Nodes", number(report.job.nodes)),
        ("Rank", number(report.job.rank)),
    ];
    if let Some(stopped) = command.suspended_seconds.filter(|stopped| *stopped > 0.0) {
        rows.push(("Stopped for", show_duration(stopped)));
    }
    rows.extend(report.job.scheduler.iter().map(|(name, id)| (name.as_str(), id.clone())));
    let [lines, records] = [report.log.lines, report.log.records].map(|n| show_grouped(n as f64));
    rows.extend([
        ("Parameters", format::sourced(&report.model.parameters)),
        ("Sequence length", format::sourced(&report.model.sequence_length)),
        ("Global batch size", format::sourced(&report.model.global_batch_size)),
        (
            "Log profile",
            format::with_source(report.log.profile.clone(), report.log.profile_source.as_deref()),
        ),
        ("Log lines", format!("{lines} of which {records} state progress")),
        ("effllm", report.effllm_version.clone()),
    ]);
    let gpu = |gpu: &Gpu| {
        let cells = vec![
            gpu.index.render(),
            text(&gpu.name).render(),
            html! { span.code { (text(&gpu.uuid)) } },
            or_dash(gpu.memory_total_bytes, show_bytes).render(),
            or_dash(gpu.power_limit_watts, |watts| format!("{watts:.0} W")).render(),
            gpu.selected_because.render(),
        ];
        ("", cells)
    };
    let columns = heads(&["GPU", "Name", "UUID", "#Memory", "#Power limit", "Measured because"]);
    let content = html! {
        dl.environment { @for (name, value) in rows { dt { (name) } dd { (value) } } }
        @if !report.gpus.is_empty() { (table("", &columns, report.gpus.iter().map(gpu))) }
    };
    section("Environment", "", &content)
}
