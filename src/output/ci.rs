//! A gate's outcome wherever a CI looks for it: on stderr, in files, on GitHub's pages.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use crate::error::Error;
use crate::fs::atomic::{can_replace, replace};
use crate::output;
use crate::report::Report;
use crate::report::gate::Gate;

const ELSEWHERE: &str = "name a file in a folder that is there and can be written to";

/// A file that the outcome is written to.
#[derive(Debug)]
pub struct AskedFile {
    pub path: PathBuf,
    /// Who asked for it: `--junit`, or `junit in effllm.toml`.
    pub by: String,
}

/// The files that the outcome is written to, besides the report.
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
                Error::usage(format!("{} cannot be written: {why}", path.display()))
                    .of_flag(key)
                    .hint(ELSEWHERE)
            })?;
        }
        Ok(Self { junit, gitlab_metrics })
    }

    /// Writes them. What fails does not keep the others from being written; each failure is an error.
    pub fn write(&self, report: &Report) -> Vec<Error> {
        let junit = self.junit.iter().map(|file| (file, output::junit([("effllm gate", report)])));
        let metrics = self.gitlab_metrics.iter().map(|file| (file, output::gitlab_metrics(&report.metrics)));
        let failed = junit.chain(metrics).filter_map(|(AskedFile { path, by }, text)| {
            let error = replace(path, text.as_bytes()).err()?;
            let what = format!("{by}: {} cannot be written: {error}", path.display());
            Some(Error::failed(what).hint(ELSEWHERE))
        });
        failed.collect()
    }
}

/// Adds to GitHub's job summary, where there is one, and answers with a warning if that fails: the
/// summary is for people, and nobody asked for it by a flag.
pub fn summarize(gate: &Gate, exit: u8) -> Option<String> {
    let file = github_summary()?;
    let text = output::github_summary(gate, exit);
    let appended = OpenOptions::new().create(true).append(true).open(&file);
    let error = appended.and_then(|mut file| file.write_all(text.as_bytes())).err()?;
    Some(format!(
        "effllm: warning: GITHUB_STEP_SUMMARY: the job's summary cannot be added to {}: {error}\n  \
         the verdict is the same; have the variable name a file that can be written, or unset it\n",
        file.display()
    ))
}

/// What stderr is told: the table, and on GitHub the annotations. The runner reads those on either
/// stream, and stdout is the command's.
pub fn told(gate: &Gate, exit: u8, colour: bool) -> String {
    let table = output::gate_table(gate, Some(exit), colour);
    if on_github() { table + &output::github_annotations(gate) } else { table }
}

fn on_github() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

fn github_summary() -> Option<PathBuf> {
    let file = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| on_github() && !file.is_empty())?;
    Some(PathBuf::from(file))
}
