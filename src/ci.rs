//! A gate's outcome wherever a CI looks for it: on stderr, in files, on GitHub's pages.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::model::Report;
use crate::model::gate::Gate;
use crate::render;

/// The files that the outcome is written to, besides the report.
#[derive(Debug, Default)]
pub struct Files {
    junit: Option<PathBuf>,
    gitlab_metrics: Option<PathBuf>,
}

impl Files {
    /// # Errors
    /// A file can never be written: its folder is not there, or it is a folder itself.
    pub fn prepare(junit: Option<PathBuf>, gitlab_metrics: Option<PathBuf>) -> Result<Self, Error> {
        for (option, file) in [("--junit", &junit), ("--gitlab-metrics", &gitlab_metrics)] {
            let Some(file) = file else { continue };
            let usage = |why| Error::usage(format!("{option}: {} {why}", file.display()));
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            if file.is_dir() {
                return Err(usage("is a folder").hint("name a file in it"));
            }
            if folder.is_some_and(|folder| !folder.is_dir()) {
                return Err(usage("lies in a folder that is not there").hint("make the folder first"));
            }
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
            (&self.junit, render::junit as fn(&Report) -> String),
            (&self.gitlab_metrics, |report| render::gitlab_metrics(&report.metrics)),
        ];
        let written = texts.iter().filter_map(|(file, text)| {
            let file = file.as_ref()?;
            fs::write(file, text(report)).err().map(|error| cannot(file, error))
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
    let table = render::gate_table(gate, exit, colour);
    if on_github() { table + &render::github_annotations(gate) } else { table }
}

fn on_github() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

fn github_summary() -> Option<PathBuf> {
    let file = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| on_github() && !file.is_empty())?;
    Some(PathBuf::from(file))
}
