//! Files that are read whole: what is no file, or far larger than such a file ever is, is an error
//! before memory ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most that a file of settings or rules has.
const MOST_OF_SETTINGS: u64 = 1 << 20;
/// The most that a report has: a thousand times what one has commonly.
const MOST_OF_A_REPORT: u64 = 256 << 20;

/// The bytes of a file of settings or rules.
///
/// # Errors
/// The file's; it has more than 1 MiB; or it is a pipe with a name, where opening would wait for who
/// writes into it. Pipes that are open already (`/dev/stdin`, `<(…)`) are read.
pub fn settings(file: &Path) -> io::Result<Vec<u8>> {
    let is_open = file.starts_with("/dev") || file.starts_with("/proc");
    if !is_open && file.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(io::Error::other("it is no file"));
    }
    bounded(File::open(file)?, MOST_OF_SETTINGS)
}

/// The bytes of a report.
///
/// # Errors
/// The source's, or it has more than 256 MiB.
pub fn report(source: impl Read) -> io::Result<Vec<u8>> {
    bounded(source, MOST_OF_A_REPORT)
}

fn bounded(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {} MiB", most >> 20)));
    }
    Ok(bytes)
}
