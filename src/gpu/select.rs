//! Which GPUs are measured: what was asked for against what is there. No NVML and no environment,
//! so that every rule can be a row of a table.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// What `--gpus` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GpuChoice {
    /// Those that the command can see by its CUDA_VISIBLE_DEVICES; all where that is not set.
    #[default]
    Auto,
    All,
    None,
    List(Vec<GpuName>),
}

/// One entry of a list of GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuName {
    /// NVML's index.
    Index(u32),
    /// A UUID, or its beginning: `GPU-1a2b`.
    Uuid(String),
}

/// A GPU that NVML shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// NVML's index.
    pub index: u32,
    pub uuid: Option<String>,
    /// Where it sits: `00000000:1B:00.0`.
    pub pci_bus_id: Option<String>,
    pub name: Option<String>,
    /// UUIDs of the MIG devices that the GPU is divided into.
    pub mig_uuids: Vec<String>,
}

/// The GPUs to be measured, and why these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// NVML's indices in the order in which they were named, each once.
    pub indices: Vec<u32>,
    /// Why these; where there are none, why none.
    pub because: String,
}

impl Present {
    /// Whether NVML lists one GPU under two indices. A UUID alone does not tell: faulty boards share one.
    pub fn is(&self, other: &Self) -> bool {
        let place = |gpu: &Self| gpu.uuid.clone().zip(gpu.pci_bus_id.clone());
        place(self).is_some() && place(self) == place(other)
    }
}

impl GpuChoice {
    /// Chooses among the GPUs that are there.
    ///
    /// `visible_devices` and `device_order` are CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER in the
    /// environment of the command; `asked` is the choice as the user has given it.
    ///
    /// # Errors
    /// A listed GPU is not there, or the beginning of a UUID fits several.
    pub fn select(
        &self,
        present: &[Present],
        visible_devices: Option<&str>,
        device_order: Option<&str>,
        asked: &str,
    ) -> Result<Selection, Error> {
        let every = || present.iter().map(|gpu| gpu.index).collect();
        Ok(match (self, visible_devices) {
            (Self::Auto, Some(list)) => visible_to_cuda(list, device_order, present),
            (Self::Auto, None) => Selection { indices: every(), because: "all GPUs of this node".to_owned() },
            (Self::All, _) => Selection { indices: every(), because: asked.to_owned() },
            (Self::None, _) => Selection { indices: Vec::new(), because: asked.to_owned() },
            (Self::List(names), _) => {
                let mut indices = Vec::new();
                for name in names {
                    push_once(&mut indices, find(name, present)?);
                }
                Selection { indices, because: asked.to_owned() }
            }
        })
    }
}

impl FromStr for GpuChoice {
    type Err = String;

    /// # Errors
    /// Says what is allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            list => {
                list.split(',').map(|entry| entry.trim().parse()).collect::<Result<_, _>>().map(Self::List)
            }
        }
    }
}

impl fmt::Display for GpuChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::All => f.write_str("all"),
            Self::None => f.write_str("none"),
            Self::List(names) => {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

impl FromStr for GpuName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(index) => Ok(Self::Index(index)),
            Err(_) if text.starts_with("GPU-") => Ok(Self::Uuid(text.to_owned())),
            Err(_) => Err(format!(
                "names no GPU by `{text}`: write auto, all, none, or NVML indices and UUIDs (or their \
                 beginnings) separated by commas, such as 0,1 or GPU-1a2b"
            )),
        }
    }
}

impl fmt::Display for GpuName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

fn find(name: &GpuName, present: &[Present]) -> Result<u32, Error> {
    let found: Vec<u32> = match name {
        GpuName::Index(index) => present.iter().map(|gpu| gpu.index).filter(|i| i == index).collect(),
        GpuName::Uuid(beginning) => with_uuid(beginning, present),
    };
    match found[..] {
        [index] => Ok(index),
        [] => Err(wrong(name, "is not a GPU of this machine", present)),
        _ => Err(wrong(name, &format!("names {} GPUs", found.len()), present)),
    }
}

fn wrong(name: &GpuName, why: &str, present: &[Present]) -> Error {
    Error::usage(format!("'{name}' {why}")).of_flag("gpus").hint(there_are(present))
}

fn there_are(present: &[Present]) -> String {
    let gpus: Vec<_> = present
        .iter()
        .map(|gpu| {
            let name = gpu.name.as_deref().unwrap_or("of unknown name");
            let uuid = gpu.uuid.as_deref().unwrap_or("UUID unknown");
            format!("{} {name} ({uuid})", gpu.index)
        })
        .collect();
    let verb = if gpus.len() == 1 { "is" } else { "are" };
    format!("there {verb} {}: {}", gpus.len(), gpus.join(", "))
}

/// Reads CUDA_VISIBLE_DEVICES as CUDA does: the first entry that names no device ends the list.
fn visible_to_cuda(list: &str, device_order: Option<&str>, present: &[Present]) -> Selection {
    let mut indices = Vec::new();
    let mut notes = Vec::new();
    let mut by_index = false;
    for entry in list.split(',').map(str::trim) {
        let Some(index) = cuda_device(entry, present) else {
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
    if by_index && indices.len() < present.len() && !counts_as_nvml(device_order, present) {
        notes.push("taken as NVML's indices; CUDA may count in another order".to_owned());
    }
    if indices.is_empty() {
        notes.push("it shows the command no GPU".to_owned());
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    Selection { indices, because: format!("CUDA_VISIBLE_DEVICES={list}{notes}") }
}

/// The NVML index of the GPU behind an entry of CUDA_VISIBLE_DEVICES.
fn cuda_device(entry: &str, present: &[Present]) -> Option<u32> {
    let found = if entry.starts_with("GPU-") {
        with_uuid(entry, present)
    } else if let Some((parent, _instance)) = entry
        .strip_prefix("MIG-")
        .filter(|name| name.starts_with("GPU-"))
        .and_then(|name| name.split_once('/'))
    {
        with_uuid(parent, present) // drivers before 470: MIG-GPU-UUID/instance/instance
    } else if entry.starts_with("MIG-") {
        let shows = |gpu: &&Present| gpu.mig_uuids.iter().any(|uuid| begins(uuid, entry));
        present.iter().filter(shows).map(|gpu| gpu.index).collect()
    } else {
        let index: u32 = entry.parse().ok()?;
        present.iter().map(|gpu| gpu.index).filter(|i| *i == index).collect()
    };
    match found[..] {
        [index] => Some(index),
        _ => None,
    }
}

/// Whether CUDA's device numbers are NVML's indices. NVML counts by PCI bus. CUDA does so where it
/// is told to, and else puts the fastest first, which changes nothing among equals. It numbers MIG
/// devices in a way of its own.
fn counts_as_nvml(device_order: Option<&str>, present: &[Present]) -> bool {
    let equals = present.windows(2).all(|pair| match pair {
        [a, b] => a.name.is_some() && a.name == b.name,
        _ => true,
    });
    (device_order == Some("PCI_BUS_ID") || equals) && present.iter().all(|gpu| gpu.mig_uuids.is_empty())
}

fn with_uuid(beginning: &str, present: &[Present]) -> Vec<u32> {
    let fits = |gpu: &&Present| gpu.uuid.as_deref().is_some_and(|uuid| begins(uuid, beginning));
    let mut found: Vec<&Present> = Vec::new();
    for gpu in present.iter().filter(fits) {
        if !found.iter().any(|known| known.is(gpu)) {
            found.push(gpu);
        }
    }
    found.iter().map(|gpu| gpu.index).collect()
}

fn begins(uuid: &str, beginning: &str) -> bool {
    uuid.get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning))
}

fn push_once(indices: &mut Vec<u32>, index: u32) {
    if !indices.contains(&index) {
        indices.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H100: &str = "NVIDIA H100 80GB HBM3";

    fn gpu(index: u32, uuid: &str, name: &str) -> Present {
        let (uuid, name) = (Some(uuid.to_owned()), Some(name.to_owned()));
        Present { index, uuid, name, ..Present::default() }
    }

    fn equals() -> Vec<Present> {
        vec![gpu(0, "GPU-1a2b-0", H100), gpu(1, "GPU-1a2b-1", H100), gpu(2, "GPU-77", H100)]
    }

    fn select(choice: &str, devices: Option<&str>) -> (Vec<u32>, String) {
        let asked = format!("--gpus {choice}");
        let choice: GpuChoice = choice.parse().unwrap();
        let selection = choice.select(&equals(), devices, None, &asked).unwrap();
        (selection.indices, selection.because)
    }

    #[test]
    fn a_choice_is_written_as_it_is_read() {
        for text in ["auto", "all", "none", "0", "0,1", "GPU-1a2b,3"] {
            assert_eq!(text.parse::<GpuChoice>().unwrap().to_string(), text);
        }
        for text in ["", "0,", "-1", "x", "AUTO", "gpu-1", "0-3", "4294967296"] {
            let error = text.parse::<GpuChoice>().unwrap_err();
            assert!(error.contains("write auto, all, none"), "{text}: {error}");
        }
    }

    #[test]
    fn explicit_choices_go_before_the_environment() {
        for (choice, indices) in [
            ("all", vec![0, 1, 2]),
            ("none", vec![]),
            ("2,0", vec![2, 0]),
            ("0,0,GPU-1a2b-0", vec![0]),
            ("GPU-7", vec![2]),
        ] {
            assert_eq!(select(choice, Some("1")), (indices, format!("--gpus {choice}")));
        }
    }

    #[test]
    fn auto_reads_cuda_visible_devices_as_cuda_does() {
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
            assert_eq!(
                select("auto", Some(devices)),
                (indices, format!("CUDA_VISIBLE_DEVICES={devices}{note}"))
            );
        }
        assert_eq!(select("auto", None), (vec![0, 1, 2], "all GPUs of this node".to_owned()));
    }

    #[test]
    fn a_mig_device_stands_for_its_gpu_if_that_can_be_found() {
        let mut present = equals();
        present[1].mig_uuids = vec!["MIG-aa".to_owned(), "MIG-ab".to_owned()];
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
            let selection = GpuChoice::Auto.select(&present, Some(devices), Some("PCI_BUS_ID"), "").unwrap();
            assert_eq!(selection.indices, indices, "{devices}");
            assert_eq!(selection.because, format!("CUDA_VISIBLE_DEVICES={devices} ({note})"));
        }
    }

    #[test]
    fn the_order_is_in_doubt_only_where_it_can_matter() {
        let mixed = [gpu(0, "GPU-0", "NVIDIA T4"), gpu(1, "GPU-1", H100)];
        let note = " (taken as NVML's indices; CUDA may count in another order)";
        for (devices, order, note) in [
            ("0", None, note),
            ("0", Some("FASTEST_FIRST"), note),
            ("0", Some("PCI_BUS_ID"), ""),
            ("1,0", None, ""), // both, in whatever order
            ("GPU-1", None, ""),
        ] {
            let selection = GpuChoice::Auto.select(&mixed, Some(devices), order, "").unwrap();
            assert_eq!(selection.because, format!("CUDA_VISIBLE_DEVICES={devices}{note}"), "{order:?}");
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_that_lists_those_that_are() {
        let there = "there are 3: 0 NVIDIA H100 80GB HBM3 (GPU-1a2b-0), 1 NVIDIA H100 80GB HBM3 \
                     (GPU-1a2b-1), 2 NVIDIA H100 80GB HBM3 (GPU-77)";
        for (choice, what) in [
            ("9", "'9' is not a GPU of this machine"),
            ("0,GPU-x", "'GPU-x' is not a GPU of this machine"),
            ("GPU-1a2b", "'GPU-1a2b' names 2 GPUs"),
        ] {
            let error = choice.parse::<GpuChoice>().unwrap().select(&equals(), None, None, "").unwrap_err();
            assert_eq!((error.message.as_str(), error.help.as_deref()), (what, Some(there)));
        }
    }
}
