//! NVML as effllm needs it. The only place that knows nvml_wrapper.

mod quantity;

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::time::Instant;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use self::quantity::{Failure, QUANTITIES, compute_processes, failure, gpm, instant_power, memory};
use super::select::Present;
use crate::event::{Clock, GpuIdentity, GpuSample};

/// The NVML library, open and initialised.
///
/// Kept from nvml_wrapper's own drop, which panics where the library has no nvmlShutdown.
pub struct Library(ManuallyDrop<Nvml>);

/// A GPU that NVML shows. One whose handle cannot be had is shown too, and measures nothing.
pub struct Gpu<'library> {
    index: u32,
    device: Result<Device<'library>, Failure>,
    /// How the last reading of each of [`QUANTITIES`] went.
    last: [Option<Failure>; QUANTITIES.len()],
}

/// More than any machine has.
const MOST_GPUS: u32 = 4096;

impl Library {
    /// Loads and initialises the library at `path`, or the system's (nvmlInit_v2).
    ///
    /// # Errors
    /// Why there is no NVML, in one line.
    pub fn open(path: Option<&Path>) -> Result<Self, String> {
        // Opening a pipe would wait for its other end, and a device may do anything. A name without a
        // slash is looked for by the loader.
        let is_path = |path: &&Path| path.as_os_str().as_encoded_bytes().contains(&b'/');
        let is_no_file = |path: &&Path| path.metadata().is_ok_and(|found| !found.is_file());
        if let Some(path) = path.filter(is_path).filter(is_no_file) {
            return Err(format!("{} is no regular file", path.display()));
        }
        let mut builder = Nvml::builder();
        if let Some(path) = path {
            builder.lib_path(path.as_os_str());
        }
        builder.init().map(|nvml| Self(ManuallyDrop::new(nvml))).map_err(|error| match error {
            NvmlError::LibloadingError(error) => {
                let message = error.to_string();
                if path.is_none() && message.contains("No such file") {
                    return "libnvidia-ml.so.1 is not on this machine".to_owned();
                }
                message.lines().next().unwrap_or_default().to_owned()
            }
            error => failure("nvmlInit_v2")(error).reason,
        })
    }

    /// The driver's version (nvmlSystemGetDriverVersion).
    pub fn driver(&self) -> Option<String> {
        self.0.sys_driver_version().ok()
    }

    /// How many GPUs there are (nvmlDeviceGetCount_v2).
    ///
    /// # Errors
    /// NVML cannot say, or what it says cannot be.
    pub fn count(&self) -> Result<u32, String> {
        let count = self.0.device_count().map_err(|error| failure("nvmlDeviceGetCount_v2")(error).reason)?;
        if count > MOST_GPUS {
            return Err(format!("nvmlDeviceGetCount_v2: {count} GPUs cannot be"));
        }
        Ok(count)
    }

    /// The GPU with this index; `None` for one that this user may not see.
    pub fn gpu(&self, index: u32) -> Option<Gpu<'_>> {
        match self.0.device_by_index(index) {
            Err(NvmlError::NoPermission) => None, // another user's: the command cannot use it either
            device => Some(Gpu {
                index,
                device: device.map_err(failure("nvmlDeviceGetHandleByIndex_v2")),
                last: Default::default(),
            }),
        }
    }
}

impl Drop for Library {
    /// Ends the use of the library (nvmlShutdown); one without that function is left as it is.
    fn drop(&mut self) {
        if self.0.lib().nvmlShutdown.is_ok() {
            // SAFETY: nothing uses it after this.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}

impl Gpu<'_> {
    /// What choosing among GPUs needs to know.
    pub fn present(&self) -> Present {
        let device = self.device.as_ref().ok();
        Present {
            index: self.index,
            uuid: device.and_then(|device| device.uuid().ok()),
            pci_bus_id: device.and_then(|device| Some(device.pci_info().ok()?.bus_id)),
            name: device.and_then(|device| device.name().ok()),
            mig_uuids: device.map(mig_uuids).unwrap_or_default(),
        }
    }

    /// Reads what the GPU is.
    pub fn identity(&self, selected_because: &str) -> GpuIdentity {
        let mut unavailable = BTreeMap::new();
        let memory = self.fact("memory_total_bytes", &mut unavailable, memory);
        GpuIdentity {
            index: self.index,
            uuid: self
                .fact("uuid", &mut unavailable, |device| device.uuid().map_err(failure("nvmlDeviceGetUUID"))),
            name: self
                .fact("name", &mut unavailable, |device| device.name().map_err(failure("nvmlDeviceGetName"))),
            memory_total_bytes: memory.as_ref().map(|memory| memory.total),
            reserved_is_used: memory.is_some_and(|memory| memory.reserved_is_used),
            power_limit_watts: self.fact("power_limit_watts", &mut unavailable, |device| {
                let milliwatts = device.enforced_power_limit();
                Ok(f64::from(milliwatts.map_err(failure("nvmlDeviceGetEnforcedPowerLimit"))?) / 1e3)
            }),
            selected_because: selected_because.to_owned(),
            listed_again: Vec::new(),
            unavailable,
        }
    }

    /// Reads every quantity once. A reason is given when it is new, not with every sample.
    pub fn sample(&mut self, clock: Clock) -> GpuSample {
        let begun = Instant::now();
        let mut unavailable = Vec::new();
        let mut values = [None; QUANTITIES.len()];
        for (((quantity, read), last), value) in QUANTITIES.iter().zip(&mut self.last).zip(&mut values) {
            if last.as_ref().is_some_and(|failure| failure.lasting) {
                continue;
            }
            match self.device.as_ref().map_err(Failure::clone).and_then(read) {
                Ok(read) => (*value, *last) = (Some(read), None),
                Err(failure) if last.as_ref() == Some(&failure) => {}
                Err(failure) => {
                    unavailable.push((*quantity, failure.reason.clone()));
                    *last = Some(failure);
                }
            }
        }
        let [
            memory_used_bytes,
            utilization_ratio,
            power_watts,
            energy_joules,
            temperature_celsius,
            sm_clock_mhz,
        ] = values;
        GpuSample {
            at: clock.at(begun + begun.elapsed() / 2),
            index: self.index,
            memory_used_bytes,
            utilization_ratio,
            power_watts,
            energy_joules,
            temperature_celsius,
            sm_clock_mhz,
            unavailable,
        }
    }

    /// The names of the quantities in a sample.
    pub fn quantities() -> impl Iterator<Item = &'static str> {
        QUANTITIES.iter().map(|(quantity, _)| *quantity)
    }

    /// Whether MIG mode is on (nvmlDeviceGetMigMode); `None` for a GPU without it.
    pub fn mig_enabled(&self) -> Option<bool> {
        Some(self.device.as_ref().ok()?.mig_mode().ok()?.current != 0)
    }

    /// What the GPU can measure besides a sample's quantities, and why not where it cannot.
    pub fn further_abilities(&self) -> [(&'static str, Option<String>); 3] {
        let reason = |able: fn(&Device) -> Result<(), Failure>| {
            self.device.as_ref().map_err(Failure::clone).and_then(able).err().map(|failure| failure.reason)
        };
        [
            ("power_instant_watts", reason(instant_power)),
            ("compute_processes", reason(compute_processes)),
            ("gpm", reason(gpm)),
        ]
    }

    fn fact<T>(
        &self,
        name: &'static str,
        unavailable: &mut BTreeMap<&'static str, String>,
        read: impl Fn(&Device) -> Result<T, Failure>,
    ) -> Option<T> {
        self.device
            .as_ref()
            .map_err(Failure::clone)
            .and_then(read)
            .map_err(|failure| unavailable.insert(name, failure.reason))
            .ok()
    }
}

/// UUIDs of a GPU's MIG devices. NVML's count is how many there could be, so slots may be empty.
fn mig_uuids(device: &Device) -> Vec<String> {
    let enabled = device.mig_mode().is_ok_and(|mode| mode.current != 0);
    let slots = if enabled { device.mig_device_count().unwrap_or(0) } else { 0 };
    (0..slots).filter_map(|slot| device.mig_device_by_index(slot).ok()?.uuid().ok()).collect()
}
