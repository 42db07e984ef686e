//! What NVML shows on this node, and what each GPU can measure.

use std::path::Path;

use super::nvml::{Gpu, Library};
use crate::event::{Clock, GpuIdentity};

/// The node, as NVML shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The driver's version.
    pub driver: Option<String>,
    pub gpus: Vec<Surveyed>,
}

/// A GPU and its abilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Surveyed {
    pub identity: GpuIdentity,
    /// Whether the GPU is divided into MIG devices; `None` for one that cannot be.
    pub mig_enabled: Option<bool>,
    /// Each quantity, and why it cannot be measured; `None` where it can.
    pub quantities: Vec<(&'static str, Option<String>)>,
}

/// Reads everything once. Blocks for as long as NVML does.
///
/// # Errors
/// NVML could not be opened; the reason, in one line.
pub fn survey(library: Option<&Path>) -> Result<Survey, String> {
    let library = Library::open(library)?;
    let gpus = (0..library.count()?).filter_map(|index| library.gpu(index)).map(surveyed).collect();
    Ok(Survey { driver: library.driver(), gpus })
}

fn surveyed(mut gpu: Gpu) -> Surveyed {
    let failures = gpu.sample(Clock::new()).unavailable;
    let sampled = Gpu::quantities().map(|quantity| {
        let failure = failures.iter().find(|(failed, _)| *failed == quantity);
        (quantity, failure.map(|(_, reason)| reason.clone()))
    });
    Surveyed {
        identity: gpu.identity("all GPUs of this node"),
        mig_enabled: gpu.mig_enabled(),
        quantities: sampled.chain(gpu.further_abilities()).collect(),
    }
}
