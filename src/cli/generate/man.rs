//! The manual: a page for each command, from its definition and its prose, and effllm-rules(5).

use clap::Command;
use roff::Roff;

use super::markup;
use crate::event::field::{Field, Group};
use crate::event::{FACT_FIELDS, Progress, RECORD_FIELDS};
use crate::gate::families;
use crate::log::binding::{groups, kind_name};
use crate::metrics::registry::{METRICS, Metric};
use crate::sink::series::progress_columns;

/// A manual page and the name of its file.
pub struct Page {
    pub file: String,
    pub text: String,
}

/// The prose of a page by the page's name; `{{options}}` stands for the options of its command.
const PROSE: &[(&str, &str)] = &[
    ("effllm", include_str!("pages/effllm.txt")),
    ("effllm-run", include_str!("pages/run.txt")),
    ("effllm-gpus", include_str!("pages/gpus.txt")),
    ("effllm-parse", include_str!("pages/parse.txt")),
    ("effllm-gate", include_str!("pages/gate.txt")),
    ("effllm-compare", include_str!("pages/compare.txt")),
    ("effllm-report", include_str!("pages/report.txt")),
    ("effllm-monitor", include_str!("pages/monitor.txt")),
];
const RULES: &str = include_str!("pages/rules.txt");

/// The example of effllm-rules(5): rules, a log, and the output of `parse --events`.
const EXAMPLE: &[(&str, &str)] = &[
    ("{{example.toml}}", include_str!("example/own.toml")),
    ("{{example.log}}", include_str!("example/own.log")),
    ("{{example.jsonl}}", include_str!("example/own.jsonl")),
];

/// Every page, effllm(1) first.
pub fn pages(program: Command) -> Vec<Page> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut commands = Vec::new();
    collect(&program, &mut commands);
    let names: Vec<String> = commands.iter().map(|command| name(command)).collect();
    commands.iter().map(|command| command_page(command, &names)).chain([rules_page()]).collect()
}

fn collect<'a>(command: &'a Command, into: &mut Vec<&'a Command>) {
    into.push(command);
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).for_each(|sub| collect(sub, into));
}

fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn command_page(command: &Command, names: &[String]) -> Page {
    let name = name(command);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let prose = PROSE.iter().find(|(page, _)| *page == name).map(|(_, prose)| *prose);
    let plain = format!("# DESCRIPTION\n{about}.\n{{{{options}}}}\n");
    let (before, after) = prose.unwrap_or(&plain).split_once("{{options}}\n").unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace("<CMD>...", "<CMD> [ARG]...");
    let program = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let arguments = usage.strip_prefix(program).unwrap_or_default();
    let before = format!("# NAME\n{name} - {about}\n# SYNOPSIS\n`{program}`{arguments}\n{before}");
    let mut after = filled(after);
    let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
    if let Some(examples) = examples.strip_prefix("Examples:\n") {
        let lines: String = examples.lines().map(|line| format!("{}\n", line.trim_start())).collect();
        after += &format!("# EXAMPLES\n```\n{lines}```\n");
    }
    after += &see_also(&name, names);
    let body = markup::render(&before) + &options(command) + &markup::render(&after);
    page(&name, "1", "User Commands", &body)
}

/// The prose with the tables of grammar, metrics, units and columns.
fn filled(prose: &str) -> String {
    let metrics: String = METRICS.iter().map(metric_entry).collect();
    let units: String =
        families().map(|(quantity, units)| format!("@ {quantity}\n`{}`\n", units.join("`, `"))).collect();
    let columns = progress_columns(&Progress::default());
    let columns = columns.iter().map(|(column, _)| format!("*{column}*")).collect::<Vec<_>>().join(", ");
    prose
        .replace("{{grammar}}", include_str!("../../gate/expression/grammar.txt").trim_end())
        .replace("{{metrics}}\n", &metrics)
        .replace("{{progress columns}}", &columns)
        .replace("{{units}}\n", &units)
}

/// A metric in the markup of a page: names, unit and definition.
fn metric_entry(metric: &Metric) -> String {
    let names: Vec<String> = metric.names().map(|name| format!("`{name}`")).collect();
    let unit = if metric.unit.is_empty() { "ratio" } else { metric.unit };
    format!("@ {} ({unit})\n{}\n", names.join(", "), metric.definition)
}

/// The options under the headings of `--help`, and the commands if there are any.
fn options(command: &Command) -> String {
    let man = clap_mangen::Man::new(command.clone());
    let mut section = Vec::new();
    // What is written into memory cannot fail to be written.
    let _ = man.render_options_section(&mut section);
    if command.has_subcommands() {
        let _ = man.render_subcommands_section(&mut section);
    }
    let mut text = String::from_utf8_lossy(&section).replace(".SH SUBCOMMANDS", ".SH COMMANDS");
    for heading in command.get_arguments().filter_map(|argument| argument.get_help_heading()) {
        for quote in ["", "\""] {
            let [from, to] =
                [heading.to_uppercase().as_str(), heading].map(|h| format!("{quote}{h}{quote}\n"));
            text = text.replace(&format!(".SH {from}"), &format!(".SS {to}"));
        }
    }
    let as_typed =
        |(i, part): (usize, &str)| if i % 2 == 1 { format!("\\fB{part}\\fR") } else { part.to_owned() };
    text.split('`').enumerate().map(as_typed).collect()
}

fn see_also(name: &str, names: &[String]) -> String {
    let rules = (name != RULES_PAGE).then(|| format!("`{RULES_PAGE}`(5)"));
    let others = names.iter().filter(|other| *other != name).map(|other| format!("`{other}`(1)"));
    format!("# SEE ALSO\n{}\n", others.chain(rules).collect::<Vec<_>>().join(", "))
}

const RULES_PAGE: &str = "effllm-rules";

fn rules_page() -> Page {
    let mut text = RULES.to_owned();
    for (place, example) in EXAMPLE {
        text = text.replace(place, example.trim_end());
    }
    text = text.replace("{{fields of a record}}\n", &field_table(RECORD_FIELDS));
    text = text.replace("{{facts}}\n", &field_table(FACT_FIELDS));
    text += &see_also(RULES_PAGE, &["effllm-run", "effllm-parse", "effllm-profiles"].map(String::from));
    page(RULES_PAGE, "5", "File Formats", &markup::render(&text))
}

/// The fields in the markup of a page, each with the kind of text that it reads.
fn field_table<Set>(fields: &'static [Field<Set>]) -> String {
    let entry = |(_, group): (_, &Group)| {
        let kind = kind_name(group.kind).map(|kind| format!(" ({kind})")).unwrap_or_default();
        format!("@ `{}`{kind}\n{}\n", group.name, group.meaning.trim())
    };
    groups(fields).map(entry).collect()
}

/// The whole page: a preamble, a title, and characters that roff would replace escaped.
fn page(name: &str, section: &str, manual: &str, body: &str) -> Page {
    let preamble = Roff::new().render();
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH {name} {section} \"\" \"effllm {version}\" \"{manual}\"\n");
    let body = body.replace(&preamble, "").replace('^', "\\(ha").replace('~', "\\(ti").replace('`', "\\(ga");
    let lines: String = body.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    Page { file: format!("{name}.{section}"), text: preamble + &title + &lines }
}
