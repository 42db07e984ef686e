//! Generates shell completions, manual pages and the report's JSON Schema. The committed copies are in
//! `completions/`, `man/` and `schema/`.

mod man;
mod markup;
mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use schemars::generate::SchemaSettings;
use serde_json::json;

use super::{Cli, print};
use crate::error::Error;
use crate::report::Report;
use crate::report::SCHEMA;

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  effllm completions bash > ~/.local/share/bash-completion/completions/effllm
  effllm completions zsh > ~/.zfunc/_effllm
  effllm completions fish > ~/.config/fish/completions/effllm.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = PossibleValuesParser::new(["bash", "zsh", "fish"])
        .try_map(|name| name.parse::<Shell>()))]
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<ExitCode, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut values::with_values(Cli::command()), "effllm", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}

/// Print effllm(1), or write every manual page into a folder
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  effllm man | man -l -                      read effllm(1) here
  effllm man pages                           write every page into a folder
  effllm man pages && man pages/effllm-rules.5")]
pub struct Man {
    /// Write effllm.1, a page for each command and effllm-rules.5 into DIR; it is made if need be
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub fn run(self) -> Result<ExitCode, Error> {
        let pages = man::pages(Cli::command());
        let Some(dir) = self.dir else {
            return print(pages.first().map_or("", |page| page.text.as_str()));
        };
        fs::create_dir_all(&dir).map_err(|error| cannot_write(&dir, &error))?;
        for page in pages {
            let file = dir.join(page.file);
            fs::write(&file, page.text).map_err(|error| cannot_write(&file, &error))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot write {}: {error}", path.display()))
        .help("name a folder that you can write to")
}

/// Prints the JSON Schema of the report.
pub fn schema() -> Result<ExitCode, Error> {
    // The schema of written reports, which have every key, if only as null.
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), json!(SCHEMA));
    if let Some(form) = schema.pointer_mut("/properties/schema") {
        *form = json!({ "description": "The form of this document.", "const": SCHEMA });
    }
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Error::failed(format!("the schema cannot be written as JSON: {error}")))?;
    print(&(text + "\n"))
}
