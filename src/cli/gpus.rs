//! `effllm gpus`: the GPUs of this machine, the first thing to run when a number is null.

use std::process::ExitCode;

use clap::{ArgMatches, Args};

use super::print;
use crate::config::{NvmlOptions, Settings};
use crate::error::Error;
use crate::gpu::{Listing, NoGpus, inventory};
use crate::text::sanitize::{message, plain};

/// List the GPUs of this machine and what can be measured of each
#[derive(Debug, Args)]
pub struct Gpus {
    #[command(flatten)]
    _options: NvmlOptions,
}

pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Error> {
    let text = match inventory(Settings::resolve(arguments)?.options.gpus.nvml.nvml_lib) {
        Ok(gpus) => gpus.iter().map(describe).collect::<String>(),
        Err(NoGpus { reason, is_fault: false }) => format!("no GPU: {}\n", plain(&reason)),
        Err(NoGpus { reason, .. }) => {
            return Err(Error::new(1, format!("no GPU can be measured here: {reason}"))
                .help("'effllm run' works all the same: its GPU figures are null"));
        }
    };
    print(&message(&text, false))
}

/// A line of what a GPU is, a line of the sampled quantities, and the reasons for those that are missing.
fn describe(gpu: &Listing) -> String {
    let identity = &gpu.identity;
    let unknown = || "?".to_owned();
    let named = |name: &Option<String>, unknown: &str| plain(name.as_deref().unwrap_or(unknown));
    let mut text = format!(
        "{}  {}  {}  {}  {}  driver {}  {}\n    ",
        identity.index,
        named(&identity.name, "unnamed GPU"),
        named(&identity.uuid, "no UUID"),
        identity.memory_total_bytes.map_or_else(unknown, |bytes| format!("{:.1} GB", bytes as f64 / 1e9)),
        identity.power_limit_watts.map_or_else(unknown, |watts| format!("{watts:.0} W")),
        named(&identity.driver_version, "of unknown version"),
        gpu.partitioning,
    );
    for (label, reason) in &gpu.quantities {
        text += &format!(" {label} {}  ", if reason.is_none() { '✓' } else { '✗' });
    }
    text.truncate(text.trim_end().len());
    text += "\n";
    let available = gpu.further.iter().filter(|(_, reason)| reason.is_none());
    let available: Vec<&str> = available.map(|(label, _)| *label).collect();
    if !available.is_empty() {
        text += &format!("     available, not sampled: {}\n", available.join(", "));
    }
    for (label, reason) in gpu.quantities.iter().chain(&gpu.further) {
        if let Some(reason) = reason {
            text += &format!("     no {label}: {}\n", plain(reason));
        }
    }
    text
}
