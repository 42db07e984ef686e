//! Files that are named for more than one purpose: what is written must not replace what else is
//! written, nor what is read.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::fs::atomic::{is_stream, place_of};

/// A file that effllm is to read or to write.
#[derive(Debug, Clone)]
pub struct FileUse {
    /// Who named it: `--junit`, or `junit in effllm.toml`.
    by: String,
    path: PathBuf,
    is_written: bool,
}

impl FileUse {
    pub fn written(by: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { by: by.into(), path: path.into(), is_written: true }
    }

    pub fn read(by: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { by: by.into(), path: path.into(), is_written: false }
    }

    /// The file itself, however it is called. Standard input, devices and pipes are none.
    fn place(&self) -> Option<PathBuf> {
        let is_file = self.path != Path::new("-") && !is_stream(&self.path);
        is_file.then(|| place_of(&self.path)).flatten()
    }
}

/// # Errors
/// One file is to be written for two purposes, or in the place of one that is read.
pub fn check_output_conflicts(uses: &[FileUse]) -> Result<(), Error> {
    let placed: Vec<(&FileUse, PathBuf)> =
        uses.iter().filter_map(|used| Some((used, used.place()?))).collect();
    for (i, (one, place)) in placed.iter().enumerate() {
        let shared = |(other, its_place): &&(&FileUse, PathBuf)| {
            place == its_place && (one.is_written || other.is_written)
        };
        let Some((other, _)) = placed.iter().skip(i + 1).find(shared) else { continue };
        let (writer, other) = if one.is_written { (one, other) } else { (other, one) };
        let file = writer.path.display();
        let what = if other.is_written {
            format!("{} and {} would both write to {file}", writer.by, other.by)
        } else {
            format!("{} would replace {file}, which {} reads", writer.by, other.by)
        };
        return Err(Error::usage(what).hint(format!("name another file for {}", writer.by)));
    }
    Ok(())
}
