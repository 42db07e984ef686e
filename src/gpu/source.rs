//! A source of GPU readings: a vendor's library, or the fake one of the tests.

use std::sync::Arc;

use super::select::Selection;
use crate::event::{GpuIdentity, GpuQuantity};

/// The GPUs that one vendor's library shows. Every call may fail, and may block for ever.
pub trait GpuSource: Send + Sync {
    /// The GPU with this index; `None` for one that this user may not see.
    fn gpu(&self, index: u32) -> Option<Box<dyn Gpu + '_>>;

    /// The GPUs that the command can see by the vendor's environment variables; `None` where they do not
    /// restrict it.
    fn visible_to_command(
        &self,
        gpus: &[GpuIdentity],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Selection>;
}

/// One GPU of a source, used by one thread.
pub trait Gpu {
    /// Reads what the GPU is.
    fn identity(&self) -> GpuIdentity;

    /// Reads one quantity.
    ///
    /// # Errors
    /// The GPU, the driver or the library cannot read it, or not now.
    fn read(&self, quantity: GpuQuantity) -> Result<f64, Failure>;

    /// The compute processes on it now, by PIDs of whatever PID namespace the driver uses.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn compute_processes(&self) -> Result<Vec<GpuProcess>, Failure>;

    /// Abilities beyond the sampled quantities: a label, and the reason where the GPU lacks it.
    fn further_abilities(&self) -> Vec<(&'static str, Option<String>)>;

    /// How the GPU is divided: `MIG off`.
    fn partitioning(&self) -> &'static str;
}

/// A process on a GPU, and its memory there in bytes, if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuProcess {
    pub pid: u32,
    pub memory_bytes: Option<u64>,
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub reason: String,
    /// It will fail each time, so it is not tried again.
    pub is_permanent: bool,
}

/// Why a source has no GPUs to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoGpus {
    pub reason: String,
    /// Something that is installed does not work; otherwise this machine just has no such GPU.
    pub is_fault: bool,
}

/// A source that nothing has been asked of yet.
pub struct UnopenedSource {
    /// The name that reasons and provenance use.
    pub name: &'static str,
    pub open: Box<dyn FnOnce() -> Result<Opened, NoGpus> + Send>,
}

/// A source, and the number of its GPUs.
pub type Opened = (Arc<dyn GpuSource>, u32);

/// Opens the first source that shows GPUs; answers with its name, too.
pub fn open_first(sources: Vec<UnopenedSource>) -> Result<(&'static str, Opened), NoGpus> {
    let mut is_fault = false;
    let mut reasons = Vec::new();
    for UnopenedSource { name, open } in sources {
        match open() {
            Ok((_, 0)) => reasons.push(format!("{name} shows no GPU on this node")),
            Ok(opened) => return Ok((name, opened)),
            Err(failure) => {
                is_fault |= failure.is_fault;
                reasons.push(failure.reason);
            }
        }
    }
    Err(NoGpus { reason: reasons.join("; "), is_fault })
}
