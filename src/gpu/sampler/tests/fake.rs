//! A source whose GPUs do what a test tells them.

use std::sync::Arc;

use crate::event::{GpuIdentity, GpuQuantity};
use crate::gpu::select::Selection;
use crate::gpu::source::{Failure, Gpu, GpuProcess, GpuSource, NoGpus, UnopenedSource};

/// A call to the source. Indices are those of its GPUs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Call {
    Open,
    Identify(u32),
    Read(u32, GpuQuantity),
}

/// What a call answers: a reading's value, or the reason why it fails. It may block.
pub type Script = Arc<dyn Fn(Call) -> Result<f64, Failure> + Send + Sync>;

struct Fake {
    gpus: Vec<GpuIdentity>,
    script: Script,
}

struct FakeGpu<'a>(&'a Fake, GpuIdentity);

/// A source that is called "Fake" and shows these GPUs.
pub fn fake(
    gpus: Vec<GpuIdentity>,
    script: impl Fn(Call) -> Result<f64, Failure> + Send + Sync + 'static,
) -> UnopenedSource {
    let fake = Fake { gpus, script: Arc::new(script) };
    let count = fake.gpus.len() as u32;
    let open = move || match (fake.script)(Call::Open) {
        Ok(_) => Ok((Arc::new(fake) as Arc<dyn GpuSource>, count)),
        Err(failure) => Err(NoGpus { reason: failure.reason, is_fault: failure.is_permanent }),
    };
    UnopenedSource { name: "Fake", open: Box::new(open) }
}

/// GPUs without a name, with the UUIDs GPU-0, GPU-1, ….
pub fn identities(count: u32) -> Vec<GpuIdentity> {
    let identity = |index| GpuIdentity {
        source: "Fake",
        index,
        uuid: Some(format!("GPU-{index}")),
        ..GpuIdentity::default()
    };
    (0..count).map(identity).collect()
}

impl GpuSource for Fake {
    fn gpu(&self, index: u32) -> Option<Box<dyn Gpu + '_>> {
        (self.script)(Call::Identify(index)).ok()?;
        let identity = self.gpus.get(index as usize)?;
        Some(Box::new(FakeGpu(self, identity.clone())))
    }

    /// FAKE_VISIBLE holds one index.
    fn visible_to_command(
        &self,
        _: &[GpuIdentity],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Selection> {
        let index = variable("FAKE_VISIBLE")?;
        let indices = index.parse().into_iter().collect();
        Some(Selection { indices, reason: format!("FAKE_VISIBLE={index}") })
    }
}

impl Gpu for FakeGpu<'_> {
    fn identity(&self) -> GpuIdentity {
        self.1.clone()
    }

    fn read(&self, quantity: GpuQuantity) -> Result<f64, Failure> {
        (self.0.script)(Call::Read(self.1.index, quantity))
    }

    fn compute_processes(&self) -> Result<Vec<GpuProcess>, Failure> {
        Ok(Vec::new())
    }

    fn further_abilities(&self) -> Vec<(&'static str, Option<String>)> {
        vec![("tensor activity", None)]
    }

    fn partitioning(&self) -> &'static str {
        "whole"
    }
}
