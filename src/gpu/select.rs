//! Which GPUs are measured: the choice of the user, applied to the GPUs that a source shows. No calls and no
//! environment, so that every rule can be a row of a table.

use std::str::FromStr;

use crate::error::Error;
use crate::event::GpuIdentity;

/// The value of `--gpus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuChoice {
    /// The GPUs that the command can see by its environment variables; all where those are not set.
    Auto,
    All,
    None,
    /// Indices of the source, and UUIDs or their beginnings: `0`, `GPU-1a2b`.
    List(Vec<String>),
}

/// The GPUs to measure, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The source's indices in the order in which they were named, each once.
    pub indices: Vec<u32>,
    /// Why these GPUs; where there are none, why none.
    pub reason: String,
}

impl GpuChoice {
    /// Chooses among the GPUs that are there. `visible` is the selection by the vendor's environment variables,
    /// and `origin` is the choice as the user wrote it: `--gpus 0,1`.
    ///
    /// # Errors
    /// A listed GPU is not there, or the beginning of a UUID fits several.
    pub fn select(
        &self,
        gpus: &[GpuIdentity],
        visible: impl FnOnce() -> Option<Selection>,
        origin: &str,
    ) -> Result<Selection, Error> {
        let all = |reason: &str| {
            let indices = gpus.iter().map(|gpu| gpu.index).collect();
            Selection { indices, reason: reason.to_owned() }
        };
        Ok(match self {
            Self::Auto => visible().unwrap_or_else(|| all("all GPUs of this node")),
            Self::All => all(origin),
            Self::None => Selection { indices: Vec::new(), reason: origin.to_owned() },
            Self::List(names) => {
                let mut indices = Vec::new();
                for name in names {
                    push_once(&mut indices, find(name, gpus)?);
                }
                Selection { indices, reason: origin.to_owned() }
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
                list.split(',').map(|entry| checked(entry.trim())).collect::<Result<_, _>>().map(Self::List)
            }
        }
    }
}

fn checked(entry: &str) -> Result<String, String> {
    if entry.parse::<u32>().is_err() && !entry.starts_with("GPU-") {
        return Err(format!(
            "names no GPU by `{entry}`: write auto, all, none, or GPU indices and UUIDs (or their \
             beginnings) separated by commas, such as 0,1 or GPU-1a2b"
        ));
    }
    Ok(entry.to_owned())
}

fn find(name: &str, gpus: &[GpuIdentity]) -> Result<u32, Error> {
    let found = match name.parse::<u32>() {
        Ok(index) => gpus.iter().map(|gpu| gpu.index).filter(|known| *known == index).collect(),
        Err(_) => with_uuid(name, gpus),
    };
    match found[..] {
        [index] => Ok(index),
        [] => Err(not_found(name, "is not a GPU of this machine", gpus)),
        _ => Err(not_found(name, &format!("names {} GPUs", found.len()), gpus)),
    }
}

fn not_found(name: &str, reason: &str, gpus: &[GpuIdentity]) -> Error {
    let there: Vec<_> = gpus
        .iter()
        .map(|gpu| {
            let name = gpu.name.as_deref().unwrap_or("of unknown name");
            let uuid = gpu.uuid.as_deref().unwrap_or("UUID unknown");
            format!("{} {name} ({uuid})", gpu.index)
        })
        .collect();
    let verb = if there.len() == 1 { "is" } else { "are" };
    let help = format!("there {verb} {}: {}", there.len(), there.join(", "));
    Error::usage(format!("'{name}' {reason}")).of_flag("gpus").help(help)
}

/// The indices of the GPUs whose UUID begins so; a GPU that the source lists twice counts once.
pub fn with_uuid(beginning: &str, gpus: &[GpuIdentity]) -> Vec<u32> {
    let fits = |gpu: &&GpuIdentity| gpu.uuid.as_deref().is_some_and(|uuid| begins(uuid, beginning));
    let mut found: Vec<&GpuIdentity> = Vec::new();
    for gpu in gpus.iter().filter(fits) {
        if !found.iter().any(|known| is_same_gpu(known, gpu)) {
            found.push(gpu);
        }
    }
    found.iter().map(|gpu| gpu.index).collect()
}

/// Whether a UUID begins so, in upper or lower case.
pub fn begins(uuid: &str, beginning: &str) -> bool {
    uuid.get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning))
}

/// Whether a source lists one GPU under two indices. A UUID alone does not tell: faulty boards share one.
pub fn is_same_gpu(a: &GpuIdentity, b: &GpuIdentity) -> bool {
    let ids = |gpu: &GpuIdentity| gpu.uuid.clone().zip(gpu.pci_bus_id.clone());
    ids(a).is_some() && ids(a) == ids(b)
}

/// The GPUs of a Slurm step, by the node's numbers. Where Slurm hides the others, the numbers may be none of those
/// that the source shows: then there is nothing to choose.
pub fn of_slurm_step(variable: &dyn Fn(&str) -> Option<String>, gpus: &[GpuIdentity]) -> Option<Selection> {
    let list = variable("SLURM_STEP_GPUS")?;
    let known = |entry: &str| {
        let index: u32 = entry.trim().parse().ok()?;
        gpus.iter().map(|gpu| gpu.index).find(|known| *known == index)
    };
    let indices = list.split(',').map(known).collect::<Option<_>>()?;
    Some(Selection { indices, reason: format!("SLURM_STEP_GPUS={list}") })
}

pub fn push_once(indices: &mut Vec<u32>, index: u32) {
    if !indices.contains(&index) {
        indices.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus() -> Vec<GpuIdentity> {
        let gpu = |(index, uuid): (u32, &str)| {
            let (uuid, name) = (Some(uuid.to_owned()), Some("NVIDIA H100 80GB HBM3".to_owned()));
            GpuIdentity { index, uuid, name, ..GpuIdentity::default() }
        };
        [(0, "GPU-1a2b-0"), (1, "GPU-1a2b-1"), (2, "GPU-77")].map(gpu).to_vec()
    }

    fn select(choice: &str) -> Result<Selection, Error> {
        let visible = || Some(Selection { indices: vec![1], reason: "VISIBLE=1".to_owned() });
        choice.parse::<GpuChoice>().unwrap().select(&gpus(), visible, &format!("--gpus {choice}"))
    }

    #[test]
    fn a_choice_is_a_word_or_a_list() {
        assert_eq!("auto".parse(), Ok(GpuChoice::Auto));
        let names = ["GPU-1a2b", "3"].map(str::to_owned).to_vec();
        assert_eq!("GPU-1a2b, 3".parse(), Ok(GpuChoice::List(names)));
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
            assert_eq!(select(choice), Ok(Selection { indices, reason: format!("--gpus {choice}") }));
        }
    }

    #[test]
    fn auto_is_the_visible_gpus_and_all_without_a_variable() {
        assert_eq!(select("auto").unwrap().reason, "VISIBLE=1");
        let all = GpuChoice::Auto.select(&gpus(), || None, "").unwrap();
        assert_eq!(all, Selection { indices: vec![0, 1, 2], reason: "all GPUs of this node".to_owned() });
    }

    #[test]
    fn a_slurm_steps_gpus_are_chosen_if_all_of_them_are_shown() {
        for (list, indices) in [("0,2", Some(vec![0, 2])), ("1", Some(vec![1])), ("6,7", None), ("", None)] {
            let variable = |name: &str| (name == "SLURM_STEP_GPUS").then(|| list.to_owned());
            assert_eq!(of_slurm_step(&variable, &gpus()).map(|selection| selection.indices), indices);
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
            let error = select(choice).unwrap_err();
            assert_eq!((error.message.as_str(), error.help.as_deref()), (what, Some(there)));
        }
    }
}
