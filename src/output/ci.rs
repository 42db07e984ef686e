//! A gate's verdict in the files and on the pages where a CI service looks for it.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use super::gate::{summary_line, verdict_line};
use super::junit;
use super::markdown::gate_rows;
use crate::error::Error;
use crate::fs::atomic::{can_replace, open_stream};
use crate::metrics::Metrics;
use crate::process::{FileWriter, Way};
use crate::report::Report;
use crate::report::gate::{Gate, GateResult, Verdict};
use crate::text::sanitize::{OWN_ANNOTATION, markdown, plain, workflow_message};

const HELP: &str = "name a file in an existing, writable folder";

/// A file that the verdict is written to.
#[derive(Debug)]
pub struct AskedFile {
    pub path: PathBuf,
    /// The origin of the setting: `--junit`, or `junit in effllm.toml`.
    pub by: String,
}

/// The files that the verdict is written to, besides the report.
#[derive(Debug, Default)]
pub struct Files {
    junit: Option<(AskedFile, FileWriter)>,
    gitlab_metrics: Option<(AskedFile, FileWriter)>,
}

impl Files {
    /// # Errors
    /// A file can never be written.
    pub fn prepare(junit: Option<AskedFile>, gitlab_metrics: Option<AskedFile>) -> Result<Self, Error> {
        for (key, file) in [("junit", &junit), ("gitlab-metrics", &gitlab_metrics)] {
            let Some(AskedFile { path, .. }) = file else { continue };
            can_replace(path).map_err(|why| {
                Error::usage(format!("{} cannot be written: {why}", path.display())).of_flag(key).help(HELP)
            })?;
        }
        let start = |file: AskedFile| {
            let writer = FileWriter::start(Way::Replace(file.path.clone()));
            (file, writer)
        };
        let [junit, gitlab_metrics] = [junit, gitlab_metrics].map(|file| file.map(start));
        Ok(Self { junit, gitlab_metrics })
    }

    /// Writes each of them once, whether or not the others fail; each failure is an error.
    pub fn write(&mut self, report: &Report, deadline: Option<Instant>) -> Vec<Error> {
        let junit = self.junit.take().map(|file| (file, junit([("effllm gate", report)])));
        let metrics = self.gitlab_metrics.take().map(|file| (file, gitlab_metrics(&report.metrics)));
        let failed =
            junit.into_iter().chain(metrics).filter_map(|((AskedFile { path, by }, mut writer), text)| {
                let error = writer.replace(text.as_bytes(), deadline).err()?;
                let what = format!("{by}: {} cannot be written: {error}", path.display());
                Some(Error::failed(what).help(HELP))
            });
        failed.collect()
    }
}

/// OpenMetrics text, as GitLab's `artifacts:reports:metrics` takes it: a line for each metric that is
/// known.
fn gitlab_metrics(metrics: &Metrics) -> String {
    let known = metrics.each().filter_map(|(metric, value)| Some((metric.name, value?)));
    let lines: String = known.map(|(name, value)| format!("effllm_{name} {value}\n")).collect();
    lines + "# EOF\n"
}

/// Adds to GitHub's job summary, where there is one. A failure is a warning: no flag asked for the
/// summary.
pub fn add_job_summary(gate: &Gate, exit: u8) -> Option<String> {
    let file = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| on_github() && !file.is_empty())?;
    let file = PathBuf::from(file);
    let appended = open_stream(OpenOptions::new().create(true).append(true), &file);
    let error = appended.and_then(|mut file| file.write_all(job_summary(gate, exit).as_bytes())).err()?;
    Some(format!(
        "effllm: warning: GITHUB_STEP_SUMMARY: cannot add the summary to {}: {error}\n  \
         the verdict is the same; set the variable to a writable file, or unset it\n",
        plain(&file.display().to_string())
    ))
}

fn job_summary(gate: &Gate, exit: u8) -> String {
    format!("### {}\n\n{}\n", markdown(&summary_line(gate, Some(exit))), gate_rows(gate))
}

/// GitHub's annotations, where there are some. The runner reads them on either stream, and standard
/// output is the command's.
pub fn annotations(gate: &Gate) -> String {
    if on_github() { workflow_commands(gate) } else { String::new() }
}

fn on_github() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// A line for each expression that does not hold: an error where it fails the gate, a warning where it
/// does not, a notice where data may be missing.
fn workflow_commands(gate: &Gate) -> String {
    let line = |command, message: &str| format!("::{command}{OWN_ANNOTATION}{}\n", workflow_message(message));
    let annotation = |result: &GateResult| {
        let command = match result.verdict {
            Verdict::Pass => return None,
            _ if gate.fails_by(result) => "error",
            Verdict::NoData => "notice",
            Verdict::Fail => "warning",
        };
        Some(line(command, &format!("{}: {}", result.expression, verdict_line(result))))
    };
    let run = gate.failure().map(|why| line("error", why));
    gate.results.iter().filter_map(annotation).chain(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::gate::tests::gate;

    #[test]
    fn annotations_and_summary_of_each_outcome() {
        insta::assert_snapshot!(workflow_commands(&gate()) + "\n" + &job_summary(&gate(), 99));
    }

    #[test]
    fn a_metric_a_line() {
        let metrics = Metrics { al_seconds: Some(1.231), pcu_ratio: Some(0.987), ..Metrics::default() };
        assert_eq!(gitlab_metrics(&metrics), "effllm_pcu_ratio 0.987\neffllm_al_seconds 1.231\n# EOF\n");
        assert_eq!(gitlab_metrics(&Metrics::default()), "# EOF\n");
    }
}
