//! GPUs of a fake NVML, whose every quantity has an exact integral to compare with.

mod attribution;
mod averages;
mod hangs;
mod listing;
mod sampling;
mod selection;
mod unavailable;

use fake_nvml::LoggedCall;

use crate::harness::Report;

/// Calls that each reading of a GPU makes once.
const BUSY: &str = "nvmlDeviceGetUtilizationRates";
const POWER: &str = "nvmlDeviceGetPowerUsage";
const ENERGY: &str = "nvmlDeviceGetTotalEnergyConsumption";

/// When a function of a GPU was called, in the seconds of the scenario.
fn times(calls: &[LoggedCall], call: &str, gpu: u32) -> Vec<f64> {
    calls.iter().filter(|made| made.call == call && made.gpu == Some(gpu)).map(|made| made.t).collect()
}

/// The indices of the GPUs that count.
fn measured(report: &Report) -> Vec<u64> {
    let gpus = report.at("gpus").as_array().expect("a list");
    gpus.iter().map(|gpu| gpu["index"].as_u64().expect("an index")).collect()
}

fn count(calls: &[LoggedCall], name: &str) -> usize {
    calls.iter().filter(|made| made.call == name).count()
}

fn ends(times: &[f64]) -> (f64, f64) {
    (*times.first().expect("a first call"), *times.last().expect("a last call"))
}

/// How near readings of what jumps come to it: within 1 % where one was taken each 100 ms, and less
/// near by as much as the machine was too busy for that.
fn sampling_error(times: &[f64]) -> f64 {
    let largest_gap = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    0.01 * (largest_gap / 0.12).max(1.0)
}

/// Fails unless each of the first GPUs has the energy of its constant power. Where GPUs are listed, the command
/// waits until they are found; the first reading still comes a moment after its start, and what was drawn before it
/// may be left out or extrapolated.
#[track_caller]
fn assert_energies(report: &Report, watts: &[f64]) {
    for (gpu, watts) in watts.iter().enumerate() {
        let joules = report.number(&format!("gpus.{gpu}.energy_joules"));
        let most = watts * report.number("command.wall_seconds");
        let least = most * report.number(&format!("gpus.{gpu}.coverage_ratio"));
        assert!(0.999 * least <= joules && joules <= 1.001 * most, "{joules} J, not {least} to {most} J");
    }
}
