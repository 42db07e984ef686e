//! `effllm profiles`: the built-in rules, as a starting point for one's own.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Error;
use crate::log::{Rules, profiles};

/// List the built-in log profiles, or print one as a starting point
#[derive(Debug, Args)]
pub struct Profiles {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Name each profile and what it reads
    List,
    /// Print the rules of a profile
    #[command(before_help = "\
Examples:
  effllm profiles show megatron > own.toml")]
    Show {
        /// The profile's name, as `effllm profiles list` prints it
        #[arg(value_name = "NAME", id = "profile_name")]
        name: String,
    },
}

impl Profiles {
    pub fn run(self) -> Result<ExitCode, Error> {
        let text = match self.what.unwrap_or(What::List) {
            What::List => {
                let line = |profile: Rules| format!("{:<14}{}\n", profile.name, profile.description);
                profiles::load_all()?.into_iter().map(line).collect()
            }
            What::Show { name } => profiles::text(&name)?.to_owned(),
        };
        // Whoever reads may have had enough (`| head`): that is no failure.
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(ExitCode::SUCCESS)
    }
}
