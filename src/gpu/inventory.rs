//! The GPUs of this machine and what each can measure, for `effllm gpus`.

use std::path::PathBuf;

use super::reader::Reader;
use super::source::{NoGpus, open_first};
use super::sources;
use crate::event::{Clock, GpuIdentity, GpuQuantity};

/// A GPU and its abilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    pub identity: GpuIdentity,
    /// How the GPU is divided: `MIG off`.
    pub partitioning: &'static str,
    /// The sampled quantities, and the reason where one cannot be read.
    pub quantities: Vec<(&'static str, Option<String>)>,
    /// Abilities that no sample uses, and the reason where the GPU lacks one.
    pub further: Vec<(&'static str, Option<String>)>,
}

/// Reads everything once. Blocks for as long as the source does.
///
/// # Errors
/// There are no GPUs.
pub fn inventory(library: Option<PathBuf>) -> Result<Vec<Listing>, NoGpus> {
    let (_, (gpus, count)) = open_first(sources(library))?;
    let listing = |index| {
        let gpu = gpus.gpu(index)?;
        let (identity, partitioning) = (gpu.identity(), gpu.partitioning());
        let further = gpu.further_abilities();
        let failures = Reader::new(index, gpu, None).sample(Clock::new()).unavailable;
        let quantities = GpuQuantity::ALL.iter().map(|quantity| {
            let failure = failures.iter().find(|(name, _)| *name == quantity.name());
            (quantity.label(), failure.map(|(_, reason)| reason.clone()))
        });
        Some(Listing { identity, partitioning, quantities: quantities.collect(), further })
    };
    Ok((0..count).filter_map(listing).collect())
}
