//! Files that are whole at every moment: what is in them is replaced at once, or not at all.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

/// Whether a file can be put at a path, or why not.
///
/// # Errors
/// The folder is not there or not to be written to, or the path is a folder itself.
pub fn can_replace(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("it is a folder".to_owned());
    }
    // The error names the temporary file behind what happened; that name helps nobody.
    let why = |error: io::Error| error.to_string().split(" at path").next().unwrap_or_default().to_owned();
    temporary_beside(path).map(drop).map_err(why)
}

/// Puts bytes in the place of a file so that at every moment either the old or the new is there.
///
/// # Errors
/// The new file cannot be written; the old one is still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = temporary_beside(path)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

/// A new file in the folder of another one, with the permissions that the umask leaves.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".effllm-report.")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
}
