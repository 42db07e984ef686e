//! Conflicts between the files of one run: no output may replace another output or an input.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::fs::atomic::{is_stream, place_of};

/// A file that effllm reads or writes.
#[derive(Debug, Clone)]
pub struct FileUse {
    /// The flag or key that named it: `--junit`, or `junit in effllm.toml`.
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

    /// The file's canonical path; `None` for standard input, devices and pipes.
    fn place(&self) -> Option<PathBuf> {
        let is_file = self.path != Path::new("-") && !is_stream(&self.path);
        is_file.then(|| place_of(&self.path)).flatten()
    }
}

/// # Errors
/// An output would replace the file that effllm's standard output or error is redirected to.
fn check_streams(uses: &[FileUse]) -> Result<(), Error> {
    let redirected = |stream: &dyn AsFd| {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        file.metadata().ok().filter(Metadata::is_file)
    };
    for (name, file) in [("output", redirected(&io::stdout())), ("error", redirected(&io::stderr()))] {
        let Some(file) = file else { continue };
        let is_it = |used: &&FileUse| {
            let found = used.path.metadata();
            used.is_written && found.is_ok_and(|found| (found.dev(), found.ino()) == (file.dev(), file.ino()))
        };
        if let Some(FileUse { by, path, .. }) = uses.iter().find(is_it) {
            let what = format!("{by} would replace {}, which standard {name} is written to", path.display());
            return Err(Error::usage(what).help(format!("name another file for {by}")));
        }
    }
    Ok(())
}

/// # Errors
/// Two outputs have the same file, or an output would replace an input.
pub fn check_output_conflicts(uses: &[FileUse]) -> Result<(), Error> {
    check_streams(uses)?;
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
        return Err(Error::usage(what).help(format!("name another file for {}", writer.by)));
    }
    Ok(())
}
