//! `effllm gpus`: what NVML shows here, the first thing to run when a number is null.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use crate::config::{Flags, NvmlOptions, Settings};
use crate::error::Error;
use crate::gpu::{Survey, Surveyed, survey};

/// Show what NVML shows here, and what each GPU can measure
#[derive(Debug, Args)]
pub struct Gpus {
    #[command(flatten)]
    flags: Flags<NvmlOptions>,
}

impl Gpus {
    pub fn run(self) -> Result<ExitCode, Error> {
        let settings = Settings::resolve(self.flags)?;
        let survey = survey(settings.nvml_library.as_deref()).map_err(|reason| {
            let what = format!("no GPU can be measured here: {reason}");
            Error::new(1, what).hint("'effllm run' works all the same: its GPU figures are null")
        })?;
        // Whoever reads may have had enough (`| head`): that is no failure.
        let _ = io::stdout().write_all(table(&survey).as_bytes());
        Ok(ExitCode::SUCCESS)
    }
}

fn table(survey: &Survey) -> String {
    if survey.gpus.is_empty() {
        return "NVML shows no GPU on this node\n".to_owned();
    }
    let driver = survey.driver.as_deref().unwrap_or("of unknown version");
    survey.gpus.iter().map(|gpu| describe(gpu, driver)).collect()
}

/// Two lines of what a GPU is and can measure, and one for each thing that it cannot.
fn describe(gpu: &Surveyed, driver: &str) -> String {
    let identity = &gpu.identity;
    let unknown = || "?".to_owned();
    let mig = match gpu.mig_enabled {
        Some(true) => "MIG on",
        Some(false) => "MIG off",
        None => "no MIG",
    };
    let can = gpu.quantities.iter().filter(|(_, why_not)| why_not.is_none());
    let measures = can.map(|(quantity, _)| label(quantity)).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "{}  {}  {}  {}  {}  driver {driver}  {mig}\n   measures {measures}\n",
        identity.index,
        identity.name.as_deref().unwrap_or("unnamed GPU"),
        identity.uuid.as_deref().unwrap_or("no UUID"),
        identity.memory_total_bytes.map_or_else(unknown, |bytes| format!("{:.1} GB", bytes as f64 / 1e9)),
        identity.power_limit_watts.map_or_else(unknown, |watts| format!("{watts:.0} W")),
    );
    for (quantity, why_not) in &gpu.quantities {
        if let Some(why_not) = why_not {
            text += &format!("   cannot measure {}: {why_not}\n", label(quantity));
        }
    }
    text
}

/// A quantity by the name that people call it.
fn label(quantity: &str) -> &str {
    match quantity {
        "memory_used_bytes" => "memory",
        "utilization_ratio" => "utilisation",
        "power_watts" => "power",
        "energy_joules" => "energy counter",
        "temperature_celsius" => "temperature",
        "sm_clock_mhz" => "SM clock",
        "power_instant_watts" => "instant power",
        "compute_processes" => "processes",
        "gpm" => "SM and tensor activity (GPM)",
        other => other,
    }
}
