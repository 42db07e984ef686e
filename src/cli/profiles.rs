//! `effllm profiles`: the built-in rules, as a starting point for custom ones.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::print;
use crate::error::Error;
use crate::log::{Rules, profiles};

/// List the built-in log profiles, or print one as a starting point
#[derive(Debug, Args)]
pub struct Profiles {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List each profile with its description
    List,
    /// Print the rules of a profile
    #[command(before_help = "\
Examples:
  effllm profiles show megatron > custom.toml")]
    Show {
        /// The profile's name, as `effllm profiles list` prints it
        #[arg(value_name = "NAME", id = "profile_name")]
        name: String,
    },
}

impl Profiles {
    pub fn run(self) -> Result<ExitCode, Error> {
        let text = match self.action.unwrap_or(Action::List) {
            Action::List => {
                let line = |profile: Rules| format!("{:<14}{}\n", profile.name, profile.description);
                profiles::load_all()?.into_iter().map(line).collect()
            }
            Action::Show { name } => profiles::text(&name)?.to_owned(),
        };
        print(&text)
    }
}
