//! A gate's outcome wherever a CI looks for it: on stderr, in files, on GitHub's pages.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::model::Report;
use crate::model::gate::Gate;
use crate::render;
use crate::replace::{can_replace, replace};

/// The files that the outcome is written to, besides the report.
#[derive(Debug, Default)]
pub struct Files {
    junit: Option<PathBuf>,
    gitlab_metrics: Option<PathBuf>,
}

impl Files {
    /// # Errors
    /// A file can never be written.
    pub fn prepare(junit: Option<PathBuf>, gitlab_metrics: Option<PathBuf>) -> Result<Self, Error> {
        for (option, file) in [("--junit", &junit), ("--gitlab-metrics", &gitlab_metrics)] {
            let Some(file) = file else { continue };
            can_replace(file).map_err(|why| {
                Error::usage(format!("{option}: {} cannot be written: {why}", file.display()))
                    .hint("name a file in a folder that is there")
            })?;
        }
        Ok(Self { junit, gitlab_metrics })
    }

    /// Writes them, and adds to GitHub's job summary where there is one. What fails does not keep
    /// the others from being written; each failure is an error.
    pub fn write(&self, report: &Report, exit: u8) -> Vec<Error> {
        let cannot = |file: &Path, error: io::Error| {
            Error::failed(format!("{} cannot be written: {error}", file.display()))
        };
        let texts = [
            (&self.junit, (|report| render::junit([("effllm gate", report)])) as fn(&Report) -> String),
            (&self.gitlab_metrics, |report| render::gitlab_metrics(&report.metrics)),
        ];
        let written = texts.iter().filter_map(|(file, text)| {
            let file = file.as_ref()?;
            replace(file, text(report).as_bytes()).err().map(|error| cannot(file, error))
        });
        let mut errors: Vec<Error> = written.collect();
        if let (Some(gate), Some(summary)) = (&report.gate, github_summary()) {
            let text = render::github_summary(gate, exit);
            let appended = OpenOptions::new().create(true).append(true).open(&summary);
            if let Err(error) = appended.and_then(|mut file| file.write_all(text.as_bytes())) {
                errors.push(cannot(&summary, error));
            }
        }
        errors
    }
}

/// What stderr is told: the table, and on GitHub the annotations. The runner reads those on either
/// stream, and stdout is the command's.
pub fn told(gate: &Gate, exit: u8, colour: bool) -> String {
    let table = render::gate_table(gate, Some(exit), colour);
    if on_github() { table + &render::github_annotations(gate) } else { table }
}

fn on_github() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

fn github_summary() -> Option<PathBuf> {
    let file = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| on_github() && !file.is_empty())?;
    Some(PathBuf::from(file))
}
