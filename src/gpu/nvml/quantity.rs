//! The function of NVML that reads each quantity and ability, and how it can fail.

use std::mem::MaybeUninit;

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_POWER_INSTANT;

use super::NAME;
use crate::event::GpuQuantity;
use crate::gpu::source::{Failure, GpuProcess};

/// Reads a quantity by its function of NVML.
pub fn read(device: &Device, quantity: GpuQuantity) -> Result<f64, Failure> {
    match quantity {
        GpuQuantity::MemoryUsed => match memory(device)? {
            Memory { used, total, .. } if used > total => {
                Err(implausible(format!("{used} of {total} bytes")))
            }
            Memory { used, .. } => Ok(used as f64),
        },
        GpuQuantity::Utilization => {
            let percent = device.utilization_rates().map_err(failure("nvmlDeviceGetUtilizationRates"))?.gpu;
            Ok(up_to(100.0, percent.into(), "%")? / 100.0)
        }
        GpuQuantity::Power => {
            let milliwatts = device.power_usage().map_err(failure("nvmlDeviceGetPowerUsage"))?;
            up_to(10_000.0, f64::from(milliwatts) / 1e3, "W")
        }
        GpuQuantity::Energy => {
            let millijoules = device.total_energy_consumption();
            Ok(millijoules.map_err(failure("nvmlDeviceGetTotalEnergyConsumption"))? as f64 / 1e3)
        }
        GpuQuantity::Temperature => {
            let celsius = device.temperature(TemperatureSensor::Gpu);
            up_to(200.0, celsius.map_err(failure("nvmlDeviceGetTemperature"))?.into(), "°C")
        }
        GpuQuantity::SmClock => {
            let megahertz = device.clock_info(Clock::SM).map_err(failure("nvmlDeviceGetClockInfo"))?;
            up_to(10_000.0, megahertz.into(), "MHz")
        }
    }
}

/// Bytes of a GPU's memory.
pub struct Memory {
    pub used: u64,
    pub total: u64,
    /// `used` includes the memory that the driver reserves.
    pub reserved_is_used: bool,
}

/// Since driver 510, nvmlDeviceGetMemoryInfo_v2 separates reserved memory from used memory. The first version,
/// which counts both as used, is for libraries without the second.
pub fn memory(device: &Device) -> Result<Memory, Failure> {
    match device.memory_info().map_err(failure("nvmlDeviceGetMemoryInfo_v2")) {
        Ok(memory) => Ok(Memory { used: memory.used, total: memory.total, reserved_is_used: false }),
        Err(Failure { is_permanent: true, .. }) => {
            memory_v1(device).map_err(failure("nvmlDeviceGetMemoryInfo"))
        }
        Err(failure) => Err(failure),
    }
}

/// nvml_wrapper has no method for the first version.
fn memory_v1(device: &Device) -> Result<Memory, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetMemoryInfo.as_ref())?;
    let mut memory = MaybeUninit::zeroed();
    // SAFETY: the handle comes from the library that is called, and the call fills an nvmlMemory_t,
    // three integers, for which all zeroes are a value too.
    let memory = unsafe {
        nvml_try(call(device.handle(), memory.as_mut_ptr()))?;
        memory.assume_init()
    };
    Ok(Memory { used: memory.used, total: memory.total, reserved_is_used: true })
}

pub fn instant_power(device: &Device) -> Result<(), Failure> {
    let mut values = device.field_values_for(&[FieldId(NVML_FI_DEV_POWER_INSTANT)]).into_iter().flatten();
    let value = values.next().unwrap_or(Err(NvmlError::NoData)).and_then(|sample| sample.value);
    value.map(|_| ()).map_err(failure("nvmlDeviceGetFieldValues, field 186"))
}

/// nvmlDeviceGetComputeRunningProcesses_v3
pub fn compute_processes(device: &Device) -> Result<Vec<GpuProcess>, Failure> {
    let process = |process: ProcessInfo| {
        let memory_bytes = match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        GpuProcess { pid: process.pid, memory_bytes }
    };
    let processes = device.running_compute_processes();
    let processes = processes.map_err(failure("nvmlDeviceGetComputeRunningProcesses_v3"))?;
    Ok(processes.into_iter().map(process).collect())
}

pub fn gpm(device: &Device) -> Result<(), Failure> {
    match device.gpm_support() {
        Ok(true) => Ok(()),
        Ok(false) => Err(NvmlError::NotSupported),
        Err(error) => Err(error),
    }
    .map_err(failure("nvmlGpmQueryDeviceSupport"))
}

/// The value, unless it is more than a GPU can have.
fn up_to(limit: f64, value: f64, unit: &str) -> Result<f64, Failure> {
    if value > limit { Err(implausible(format!("{value} {unit}"))) } else { Ok(value) }
}

fn implausible(value: String) -> Failure {
    Failure { reason: format!("{NAME} reported {value}"), is_permanent: false }
}

/// How a call failed, as a sentence for the report.
pub fn failure(call: &str) -> impl Fn(NvmlError) -> Failure {
    /// NVML_ERROR_ARGUMENT_VERSION_MISMATCH: the library knows another version of the struct.
    const VERSION_MISMATCH: u32 = 25;
    move |error| {
        let (is_permanent, message) = match error {
            NvmlError::NotSupported => (true, "not supported".to_owned()),
            NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => {
                (true, "not in this version of the library".to_owned())
            }
            NvmlError::UnexpectedVariant(VERSION_MISMATCH) => (true, "of another version".to_owned()),
            NvmlError::UnexpectedVariant(code) => (false, format!("error {code}")),
            NvmlError::LibRmVersionMismatch => {
                (false, "the loaded driver and this library are of different versions".to_owned())
            }
            NvmlError::GpuLost => (false, "the GPU is lost".to_owned()),
            error => (false, error.to_string()),
        };
        Failure { reason: format!("{NAME}: {message} ({call})"), is_permanent }
    }
}
