//! A gate's verdict in the files and on the pages where a CI service looks for it.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use crate::error::Error;
use crate::fs::atomic::{can_replace, replace};
use crate::output;
use crate::report::Report;
use crate::report::gate::Gate;

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
    junit: Option<AskedFile>,
    gitlab_metrics: Option<AskedFile>,
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
        Ok(Self { junit, gitlab_metrics })
    }

    /// Writes each of them, whether or not the others fail; each failure is an error.
    pub fn write(&self, report: &Report) -> Vec<Error> {
        let junit = self.junit.iter().map(|file| (file, output::junit([("effllm gate", report)])));
        let metrics = self.gitlab_metrics.iter().map(|file| (file, output::gitlab_metrics(&report.metrics)));
        let failed = junit.chain(metrics).filter_map(|(AskedFile { path, by }, text)| {
            let error = replace(path, text.as_bytes()).err()?;
            let what = format!("{by}: {} cannot be written: {error}", path.display());
            Some(Error::failed(what).help(HELP))
        });
        failed.collect()
    }
}

/// Adds to GitHub's job summary, where there is one. A failure is a warning: no flag asked for the
/// summary.
pub fn add_job_summary(gate: &Gate, exit: u8) -> Option<String> {
    let file = github_summary()?;
    let text = output::github_summary(gate, exit);
    let appended = OpenOptions::new().create(true).append(true).open(&file);
    let error = appended.and_then(|mut file| file.write_all(text.as_bytes())).err()?;
    Some(format!(
        "effllm: warning: GITHUB_STEP_SUMMARY: cannot add the summary to {}: {error}\n  \
         the verdict is the same; set the variable to a writable file, or unset it\n",
        file.display()
    ))
}

/// GitHub's annotations, where there are some. The runner reads them on either stream, and standard
/// output is the command's.
pub fn annotations(gate: &Gate) -> String {
    if on_github() { output::github_annotations(gate) } else { String::new() }
}

fn on_github() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

fn github_summary() -> Option<PathBuf> {
    let file = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| on_github() && !file.is_empty())?;
    Some(PathBuf::from(file))
}
