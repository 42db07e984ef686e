//! Who uses the GPUs: the command, or others. So GPUs that nobody named and the job does not use are left out.

use crate::event::{GpuProcesses, ProcessCount};
use crate::metrics::GpuSums;
use crate::report::{Gpu, GpuTenant};

use super::gpu::GpuTrack;
use super::phases::Phases;

/// A GPU that the job takes up so many seconds after another one has joined late.
const LATE_SECONDS: f64 = 5.0;

/// Who was seen on one GPU.
#[derive(Debug, Clone, Default)]
pub struct Tenants {
    command: Tenant,
    others: Tenant,
    /// The last look, and the time between the looks, in seconds.
    last_at: Option<f64>,
    seconds: f64,
    /// The variable by which a process of the command chose the GPU.
    pub chosen_by: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tenant {
    first_seen: Option<f64>,
    was_there: bool,
    seconds: f64,
    most: ProcessCount,
}

impl Tenants {
    /// Takes in a look at the GPU's processes. True when the command's are seen for the first time.
    pub fn look(&mut self, at: f64, processes: GpuProcesses) -> bool {
        let since = self.last_at.replace(at).map_or(0.0, |last| (at - last).max(0.0));
        let is_new = self.command.first_seen.is_none();
        self.seconds += since;
        self.command.look(at, since, processes.of_command);
        self.others.look(at, since, processes.of_others);
        is_new && self.command.first_seen.is_some()
    }

    fn is_used(&self) -> bool {
        self.command.first_seen.is_some()
    }

    /// The command's processes and others.
    pub fn report(&self) -> [GpuTenant; 2] {
        [self.command, self.others].map(|tenant| GpuTenant {
            processes_max: tenant.most.count,
            memory_bytes_max: tenant.most.memory_bytes,
            time_ratio: (self.seconds > 0.0).then(|| tenant.seconds / self.seconds),
        })
    }

    /// What the reader should know of others on the GPU.
    pub fn warning(&self) -> Option<String> {
        let [_, GpuTenant { processes_max: most, memory_bytes_max, time_ratio }] = self.report();
        let share = 100.0 * time_ratio.unwrap_or(0.0);
        let memory = memory_bytes_max.map(|bytes| format!(", with {:.1} GB", bytes as f64 / 1e9));
        (most > 0).then(|| {
            let memory = memory.unwrap_or_default();
            format!("other processes used it for {share:.0} % of the time (at most {most}{memory})")
        })
    }
}

impl Tenant {
    fn look(&mut self, at: f64, since: f64, now: ProcessCount) {
        let is_there = now.count > 0;
        self.seconds += since * (f64::from(u8::from(self.was_there)) + f64::from(u8::from(is_there))) / 2.0;
        self.was_there = is_there;
        if is_there {
            self.first_seen.get_or_insert(at);
            self.most.count = self.most.count.max(now.count);
            self.most.memory_bytes =
                self.most.memory_bytes.zip(now.memory_bytes).map(|(most, bytes)| most.max(bytes));
        }
    }
}

/// Whether the driver's PIDs are this machine's: then whoever is not of the command is another.
pub fn are_attributable(gpus: &[GpuTrack]) -> bool {
    gpus.iter().any(|gpu| gpu.tenants.is_used())
}

/// Whether a GPU is taken up only now, while the job has long been at work on others.
pub fn joins_late(gpus: &[GpuTrack], at: f64) -> bool {
    gpus.iter().any(|gpu| gpu.tenants.command.first_seen.is_some_and(|seen| at - seen > LATE_SECONDS))
}

/// A GPU that does not count.
pub struct LeftOut<'a> {
    gpu: &'a GpuTrack,
    why: &'static str,
    /// What was measured of it in the whole run.
    sums: GpuSums,
}

impl LeftOut<'_> {
    pub fn report(&self, seconds: f64, is_attributable: bool) -> Gpu {
        Gpu {
            selected_because: format!("left out: {}", self.why),
            ..self.gpu.report(&self.sums, seconds, is_attributable)
        }
    }

    /// What the reader should know of GPUs that do not count.
    pub fn warning(all: &[Self]) -> Option<String> {
        let why = all.first()?.why;
        let indices: Vec<_> = all.iter().map(|left_out| left_out.gpu.identity.index.to_string()).collect();
        let plural = if indices.len() == 1 { "" } else { "s" };
        Some(format!("GPU{plural} {} left out: {why}; --gpus all measures every GPU", indices.join(", ")))
    }
}

/// The GPUs that the job uses, and the others, which the phases lose.
pub fn divide<'a>(gpus: &'a [GpuTrack], phases: &mut Phases) -> (Vec<&'a GpuTrack>, Vec<LeftOut<'a>>) {
    let why_left_out = why_left_out(gpus);
    let mut measured = None;
    let (mut job, mut left_out) = (Vec::new(), Vec::new());
    for gpu in gpus {
        match why_left_out(gpu) {
            None => job.push(gpu),
            Some(why) => {
                let measured = measured.get_or_insert_with(|| phases.sums(|_| true).gpus);
                let sums = measured.remove(&gpu.facts.key).unwrap_or_default();
                phases.leave_out(&gpu.facts.key);
                left_out.push(LeftOut { gpu, why, sums });
            }
        }
    }
    (job, left_out)
}

/// Why a GPU is left out of the job's: by processes where they are known, else by variables. `None` for the job's.
fn why_left_out(gpus: &[GpuTrack]) -> impl Fn(&GpuTrack) -> Option<&'static str> {
    let by_process = are_attributable(gpus);
    let by_variable = !by_process && gpus.iter().any(|gpu| gpu.tenants.chosen_by.is_some());
    move |gpu| {
        let tenants = &gpu.tenants;
        if !gpu.identity.may_be_unused {
            None
        } else if by_process && !tenants.is_used() && tenants.last_at.is_some() {
            Some("no process of the command was seen on it")
        } else if by_variable && tenants.chosen_by.is_none() {
            Some("the command's processes chose others")
        } else {
            None
        }
    }
}

/// Why a GPU is measured.
pub fn selected_because(gpu: &GpuTrack) -> String {
    match &gpu.tenants.chosen_by {
        _ if !gpu.identity.may_be_unused => gpu.identity.selected_because.clone(),
        Some(variable) => variable.clone(),
        None if gpu.tenants.is_used() => {
            format!("{}; processes of the command were on it", gpu.identity.selected_because)
        }
        None => gpu.identity.selected_because.clone(),
    }
}
