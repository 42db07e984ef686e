//! Reads files whole, up to a size, so that a wrong file does not exhaust the memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The bytes of a file that the user named.
///
/// # Errors
/// The file cannot be read, has more than `largest` bytes, or is a named pipe: opening it would wait for
/// a writer. Pipes that are already open (`/dev/stdin`, `<(…)`) are read.
pub fn read_file(file: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let is_open = file.starts_with("/dev") || file.starts_with("/proc");
    if !is_open && file.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(io::Error::other("not a regular file"));
    }
    read(File::open(file)?, largest)
}

/// The bytes of a source.
///
/// # Errors
/// The source cannot be read, or has more than `largest` bytes.
pub fn read(source: impl Read, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(io::Error::other(format!("it has more than {} MiB", largest >> 20)));
    }
    Ok(bytes)
}
