//! NVML as a source of GPU readings. Nothing outside this folder knows nvml_wrapper or CUDA.

mod quantity;
mod visible_devices;

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use self::quantity::{compute_processes, failure, gpm, instant_power, memory};
use super::select::Selection;
use super::source::{Failure, Gpu, GpuProcess, GpuSource, NoGpus, UnopenedSource};
use crate::event::{GpuIdentity, GpuQuantity};

const NAME: &str = "NVML";
/// The name of the library where no path is given.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// The NVML library, open and initialised.
///
/// Kept from nvml_wrapper's own drop, which panics where the library has no nvmlShutdown.
struct Library(ManuallyDrop<Nvml>);

/// A GPU that NVML shows. One whose handle cannot be had is shown too, and measures nothing.
struct NvmlGpu<'library> {
    index: u32,
    driver_version: Option<String>,
    device: Result<Device<'library>, Failure>,
}

/// NVML, which is loaded from `library` or as the system's libnvidia-ml.so.1.
pub fn source(library: Option<PathBuf>) -> UnopenedSource {
    let open = move || {
        let library = Library::open(library.as_deref())?;
        let count = library.count()?;
        Ok((Arc::new(library) as Arc<dyn GpuSource>, count))
    };
    UnopenedSource { name: NAME, open: Box::new(open) }
}

/// No machine has more.
const MOST_GPUS: u32 = 4096;

fn fault(reason: String) -> NoGpus {
    NoGpus { reason, is_fault: true }
}

impl Library {
    /// Loads and initialises the library at `path`, or the system's (nvmlInit_v2).
    ///
    /// # Errors
    /// NVML is not installed, or does not work.
    fn open(path: Option<&Path>) -> Result<Self, NoGpus> {
        // Opening a pipe would wait for its other end, and a device may do anything. The loader searches for a
        // name without a slash.
        let is_path = |path: &&Path| path.as_os_str().as_encoded_bytes().contains(&b'/');
        let is_special = |path: &&Path| path.metadata().is_ok_and(|found| !found.is_file());
        if let Some(path) = path.filter(is_path).filter(is_special) {
            return Err(fault(format!("{} is no regular file", path.display())));
        }
        let mut builder = Nvml::builder();
        builder.lib_path(path.map_or(LIBRARY.as_ref(), Path::as_os_str));
        builder.init().map(|nvml| Self(ManuallyDrop::new(nvml))).map_err(|error| match error {
            NvmlError::LibloadingError(error) => {
                let message = error.to_string();
                if path.is_none() && message.contains("No such file") {
                    return NoGpus { reason: format!("{LIBRARY} is not on this machine"), is_fault: false };
                }
                fault(message.lines().next().unwrap_or_default().to_owned())
            }
            error => fault(failure("nvmlInit_v2")(error).reason),
        })
    }

    /// nvmlDeviceGetCount_v2; an impossible count is an error.
    fn count(&self) -> Result<u32, NoGpus> {
        match self.0.device_count() {
            Ok(count) if count <= MOST_GPUS => Ok(count),
            Ok(count) => Err(fault(format!("{NAME} reported {count} GPUs (nvmlDeviceGetCount_v2)"))),
            Err(error) => Err(fault(failure("nvmlDeviceGetCount_v2")(error).reason)),
        }
    }
}

impl GpuSource for Library {
    /// nvmlDeviceGetHandleByIndex_v2
    fn gpu(&self, index: u32) -> Option<Box<dyn Gpu + '_>> {
        match self.0.device_by_index(index) {
            Err(NvmlError::NoPermission) => None, // another user's: the command cannot use it either
            device => Some(Box::new(NvmlGpu {
                index,
                driver_version: self.0.sys_driver_version().ok(),
                device: device.map_err(failure("nvmlDeviceGetHandleByIndex_v2")),
            })),
        }
    }

    fn visible_to_command(
        &self,
        gpus: &[GpuIdentity],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Selection> {
        let devices = variable("CUDA_VISIBLE_DEVICES")?;
        Some(visible_devices::select(&devices, variable("CUDA_DEVICE_ORDER").as_deref(), gpus))
    }
}

impl Drop for Library {
    /// Ends the use of the library (nvmlShutdown); one without that function is left as it is.
    fn drop(&mut self) {
        if self.0.lib().nvmlShutdown.is_ok() {
            // SAFETY: this is the last use of the library.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}

impl Gpu for NvmlGpu<'_> {
    fn identity(&self) -> GpuIdentity {
        let device = self.device();
        let memory = device.clone().and_then(memory);
        let uuid = device.clone().and_then(|device| device.uuid().map_err(failure("nvmlDeviceGetUUID")));
        let name = device.clone().and_then(|device| device.name().map_err(failure("nvmlDeviceGetName")));
        let milliwatts = device.clone().and_then(|device| {
            device.enforced_power_limit().map_err(failure("nvmlDeviceGetEnforcedPowerLimit"))
        });
        let failures = [
            ("memory_total_bytes", memory.as_ref().err()),
            ("uuid", uuid.as_ref().err()),
            ("name", name.as_ref().err()),
            ("power_limit_watts", milliwatts.as_ref().err()),
        ];
        let reason = |(name, failure): (_, Option<&Failure>)| Some((name, failure?.reason.clone()));
        GpuIdentity {
            source: NAME,
            driver_version: self.driver_version.clone(),
            index: self.index,
            unavailable: failures.into_iter().filter_map(reason).collect(),
            uuid: uuid.ok(),
            pci_bus_id: device.as_ref().ok().and_then(|device| Some(device.pci_info().ok()?.bus_id)),
            name: name.ok(),
            partition_uuids: device.map(mig_uuids).unwrap_or_default(),
            memory_total_bytes: memory.as_ref().map(|memory| memory.total).ok(),
            reserved_is_used: memory.is_ok_and(|memory| memory.reserved_is_used),
            power_limit_watts: milliwatts.ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
            ..GpuIdentity::default()
        }
    }

    fn read(&self, quantity: GpuQuantity) -> Result<f64, Failure> {
        quantity::read(self.device()?, quantity)
    }

    fn compute_processes(&self) -> Result<Vec<GpuProcess>, Failure> {
        quantity::compute_processes(self.device()?)
    }

    fn further_abilities(&self) -> Vec<(&'static str, Option<String>)> {
        let reason = |able: fn(&Device) -> Result<(), Failure>| {
            self.device().and_then(able).err().map(|failure| failure.reason)
        };
        vec![
            ("instant power", reason(instant_power)),
            ("processes", reason(|device| compute_processes(device).map(|_| ()))),
            ("GPM (SM and tensor activity)", reason(gpm)),
        ]
    }

    /// nvmlDeviceGetMigMode
    fn partitioning(&self) -> &'static str {
        let mode = self.device.as_ref().ok().and_then(|device| device.mig_mode().ok());
        match mode.map(|mode| mode.current != 0) {
            Some(true) => "MIG on",
            Some(false) => "MIG off",
            None => "no MIG",
        }
    }
}

impl<'library> NvmlGpu<'library> {
    fn device(&self) -> Result<&Device<'library>, Failure> {
        self.device.as_ref().map_err(Failure::clone)
    }
}

/// UUIDs of a GPU's MIG devices. NVML's count is how many there could be, so slots may be empty.
fn mig_uuids(device: &Device) -> Vec<String> {
    let enabled = device.mig_mode().is_ok_and(|mode| mode.current != 0);
    let slots = if enabled { device.mig_device_count().unwrap_or(0) } else { 0 };
    (0..slots).filter_map(|slot| device.mig_device_by_index(slot).ok()?.uuid().ok()).collect()
}
