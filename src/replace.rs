//! Files that are whole at every moment: what is in them is replaced at once, or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tempfile::NamedTempFile;

const PLANTED: &str = "it is another user's link in a folder that all users share";

/// Whether something can be put at a path, or why not.
///
/// # Errors
/// The folder is not there or not to be written to, or the path is a folder itself.
pub fn can_replace(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if is_planted(path) {
        return Err(PLANTED.to_owned());
    }
    if is_stream(path) {
        return path.metadata().map(drop).map_err(|error| error.to_string());
    }
    // The error names the temporary file behind what happened; that name helps nobody.
    let why = |error: io::Error| error.to_string().split(" at path").next().unwrap_or_default().to_owned();
    target_of(path).and_then(|path| temporary_beside(&path)).map(drop).map_err(why)
}

/// Puts bytes in the place of a file so that at every moment either the old or the new is there.
/// Those for a [stream](is_stream) are written to it.
///
/// # Errors
/// The new file cannot be written; the old one is still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_planted(path) {
        return Err(io::Error::other(PLANTED));
    }
    if is_stream(path) {
        return File::options().append(true).open(path)?.write_all(bytes);
    }
    let path = target_of(path)?;
    let mut temporary = temporary_beside(&path)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

/// Whether a path leads to a device, a pipe or a descriptor (`/dev/null`, `/dev/stdout`, `>(jq .)`):
/// what is there is written to, and never replaced.
pub fn is_stream(path: &Path) -> bool {
    // What /dev/stdout leads to may be a file, into which others write too. /dev/shm holds files.
    let descriptor = path.starts_with("/dev") && !path.starts_with("/dev/shm");
    descriptor || path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Where a link leads to, also if nothing is there yet: it stays, and the file behind it is replaced.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows (path_resolution(7)).
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if is_planted(&path) {
            return Err(io::Error::other(PLANTED));
        }
        let Ok(target) = path.read_link() else { return Ok(path) };
        path = folder_of(&path).join(target);
    }
    Err(io::Error::from_raw_os_error(nix::libc::ELOOP))
}

/// Whether a path is a link that must not be followed: one that somebody else has put into a folder
/// in which everybody may, as into /tmp (the rule of proc_sys_fs(5), protected_symlinks).
pub fn is_planted(path: &Path) -> bool {
    const STICKY_AND_WORLD_WRITABLE: u32 = 0o1002;
    let (Ok(link), Ok(folder)) = (path.symlink_metadata(), folder_of(path).metadata()) else { return false };
    link.is_symlink()
        && folder.mode() & STICKY_AND_WORLD_WRITABLE == STICKY_AND_WORLD_WRITABLE
        && link.uid() != geteuid().as_raw()
        && link.uid() != folder.uid()
}

/// A new file in the folder of another one, with the permissions that the umask leaves.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".effllm-report.")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
