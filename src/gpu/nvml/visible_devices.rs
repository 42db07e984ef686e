//! The GPUs that CUDA_VISIBLE_DEVICES shows to the command.

use crate::event::GpuIdentity;
use crate::gpu::select::{Selection, begins, push_once, with_uuid};

/// Reads `list`, the value of CUDA_VISIBLE_DEVICES, as CUDA does: the first entry that names no device ends it.
/// `device_order` is the value of CUDA_DEVICE_ORDER.
pub fn select(list: &str, device_order: Option<&str>, gpus: &[GpuIdentity]) -> Selection {
    let mut indices = Vec::new();
    let mut notes = Vec::new();
    let mut by_index = false;
    for entry in list.split(',').map(str::trim) {
        let Some(index) = cuda_device(entry, gpus) else {
            if entry.starts_with("MIG-") {
                notes.push(format!("{entry} is not attributable: no GPU here shows this MIG device"));
            } else if !matches!(entry, "" | "-1") {
                notes.push(format!("{entry} is no GPU here and ends the list"));
            }
            break;
        };
        if entry.starts_with("MIG-") {
            notes.push(format!("{entry} is measured with the whole of its GPU"));
        }
        by_index |= entry.parse::<u32>().is_ok();
        push_once(&mut indices, index);
    }
    if by_index && indices.len() < gpus.len() && !counts_as_nvml(device_order, gpus) {
        notes.push("taken as NVML's indices; CUDA may count in another order".to_owned());
    }
    if indices.is_empty() {
        notes.push("it shows the command no GPU".to_owned());
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    Selection { indices, reason: format!("CUDA_VISIBLE_DEVICES={list}{notes}") }
}

/// The NVML index of the GPU that an entry of CUDA_VISIBLE_DEVICES names.
fn cuda_device(entry: &str, gpus: &[GpuIdentity]) -> Option<u32> {
    let found = if entry.starts_with("GPU-") {
        with_uuid(entry, gpus)
    } else if let Some((parent, _instance)) = entry
        .strip_prefix("MIG-")
        .filter(|name| name.starts_with("GPU-"))
        .and_then(|name| name.split_once('/'))
    {
        with_uuid(parent, gpus) // drivers before 470: MIG-GPU-UUID/instance/instance
    } else if entry.starts_with("MIG-") {
        let shows = |gpu: &&GpuIdentity| gpu.partition_uuids.iter().any(|uuid| begins(uuid, entry));
        gpus.iter().filter(shows).map(|gpu| gpu.index).collect()
    } else {
        let index: u32 = entry.parse().ok()?;
        gpus.iter().map(|gpu| gpu.index).filter(|i| *i == index).collect()
    };
    match found[..] {
        [index] => Some(index),
        _ => None,
    }
}

/// Whether CUDA's device numbers are NVML's indices. NVML counts by PCI bus. CUDA does so if
/// CUDA_DEVICE_ORDER says so, and otherwise puts the fastest first, which changes nothing among equals.
/// CUDA numbers MIG devices in another way.
fn counts_as_nvml(device_order: Option<&str>, gpus: &[GpuIdentity]) -> bool {
    let equals = gpus.windows(2).all(|pair| match pair {
        [a, b] => a.name.is_some() && a.name == b.name,
        _ => true,
    });
    (device_order == Some("PCI_BUS_ID") || equals) && gpus.iter().all(|gpu| gpu.partition_uuids.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const H100: &str = "NVIDIA H100 80GB HBM3";

    fn gpu(index: u32, uuid: &str, name: &str) -> GpuIdentity {
        let (uuid, name) = (Some(uuid.to_owned()), Some(name.to_owned()));
        GpuIdentity { index, uuid, name, ..GpuIdentity::default() }
    }

    fn equals() -> Vec<GpuIdentity> {
        vec![gpu(0, "GPU-1a2b-0", H100), gpu(1, "GPU-1a2b-1", H100), gpu(2, "GPU-77", H100)]
    }

    #[test]
    fn the_list_is_read_as_cuda_reads_it() {
        for (devices, indices, note) in [
            ("0,1", vec![0, 1], ""),
            (" 2, 0", vec![2, 0], ""),
            ("1,1", vec![1], ""),
            ("GPU-77,gpu-1", vec![2], " (gpu-1 is no GPU here and ends the list)"),
            ("GPU-1A2B-1", vec![1], ""),
            ("GPU-1a2b", vec![], " (GPU-1a2b is no GPU here and ends the list; it shows the command no GPU)"),
            ("0,9,1", vec![0], " (9 is no GPU here and ends the list)"),
            ("0,-1,1", vec![0], ""),
            ("0,", vec![0], ""),
            ("", vec![], " (it shows the command no GPU)"),
            ("-1", vec![], " (it shows the command no GPU)"),
            (
                "NoDevFiles",
                vec![],
                " (NoDevFiles is no GPU here and ends the list; it shows the command no GPU)",
            ),
        ] {
            let reason = format!("CUDA_VISIBLE_DEVICES={devices}{note}");
            assert_eq!(select(devices, None, &equals()), Selection { indices, reason });
        }
    }

    #[test]
    fn a_mig_device_selects_its_gpu_if_it_can_be_found() {
        let mut gpus = equals();
        gpus[1].partition_uuids = vec!["MIG-aa".to_owned(), "MIG-ab".to_owned()];
        for (devices, indices, note) in [
            ("MIG-aa", vec![1], "MIG-aa is measured with the whole of its GPU"),
            ("MIG-GPU-77/1/0", vec![2], "MIG-GPU-77/1/0 is measured with the whole of its GPU"),
            (
                "MIG-c",
                vec![],
                "MIG-c is not attributable: no GPU here shows this MIG device; it shows the command no GPU",
            ),
            ("0", vec![0], "taken as NVML's indices; CUDA may count in another order"),
        ] {
            let selection = select(devices, Some("PCI_BUS_ID"), &gpus);
            assert_eq!(selection.indices, indices, "{devices}");
            assert_eq!(selection.reason, format!("CUDA_VISIBLE_DEVICES={devices} ({note})"));
        }
    }

    #[test]
    fn another_order_is_noted_only_where_it_can_matter() {
        let mixed = [gpu(0, "GPU-0", "NVIDIA T4"), gpu(1, "GPU-1", H100)];
        let note = " (taken as NVML's indices; CUDA may count in another order)";
        for (devices, order, note) in [
            ("0", None, note),
            ("0", Some("FASTEST_FIRST"), note),
            ("0", Some("PCI_BUS_ID"), ""),
            ("1,0", None, ""), // both, in whatever order
            ("GPU-1", None, ""),
        ] {
            let selection = select(devices, order, &mixed);
            assert_eq!(selection.reason, format!("CUDA_VISIBLE_DEVICES={devices}{note}"), "{order:?}");
        }
    }
}
