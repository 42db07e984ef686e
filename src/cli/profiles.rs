//! `effllm profiles`: the built-in rules, as a starting point for one's own.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Error;
use crate::log::profiles;

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
    /// Print a profile's rules: `effllm profiles show megatron > my.toml`
    Show { name: String },
}

impl Profiles {
    pub fn run(self) -> Result<ExitCode, Error> {
        match self.what.unwrap_or(What::List) {
            What::List => {
                for profile in profiles::load_all()? {
                    println!("{:<14}{}", profile.name, profile.description);
                }
            }
            What::Show { name } => print!("{}", profiles::text(&name)?),
        }
        Ok(ExitCode::SUCCESS)
    }
}
