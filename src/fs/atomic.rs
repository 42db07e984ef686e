//! Files that are whole at every moment: what is in them is replaced at once, or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::{geteuid, linkat};
use tempfile::{Builder, TempPath};

/// As many links as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Whether something can be put at a path, or why not.
///
/// # Errors
/// The folder is not there or not to be written to, or the path is a folder itself.
pub fn can_replace(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("it is a folder".to_owned());
    }
    refuse_planted(path).map_err(|error| error.to_string())?;
    if is_stream(path) {
        return path.metadata().map(drop).map_err(|error| error.to_string());
    }
    // The error names the temporary file behind what happened; that name helps nobody.
    let why = |error: io::Error| error.to_string().split(" at path").next().unwrap_or_default().to_owned();
    let is_possible = |path: PathBuf| {
        let folder = folder_of(&path);
        nameless_in(folder).or_else(|_| named_in(folder).map(|(file, _)| file))
    };
    target_of(path).and_then(is_possible).map(drop).map_err(why)
}

/// Puts bytes in the place of a file so that at every moment either the old or the new is there.
/// Those for a [stream](is_stream) are written to it. The new file has the permissions that the umask
/// leaves, but none that the user's own old one had not: who has closed it to others keeps it closed.
///
/// # Errors
/// The new file cannot be written; the old one is still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    refuse_planted(path)?;
    if is_stream(path) {
        return File::options().append(true).open(path)?.write_all(bytes);
    }
    let path = target_of(path)?;
    let folder = folder_of(&path);
    let own = |old: &Metadata| old.is_file() && old.uid() == geteuid().as_raw();
    let old = path.metadata().ok().filter(own).map(|old| old.mode());
    let nameless = || {
        let file = nameless_in(folder)?;
        restrict(&file, old)?;
        fill(&file, bytes)?;
        name(&file, &path)
    };
    let named = || {
        let (file, temporary) = named_in(folder)?;
        restrict(&file, old)?;
        fill(&file, bytes)?;
        Ok(temporary.persist(&path)?)
    };
    nameless().or_else(|_: io::Error| named())
}

/// Takes those permissions from a file that an old one had not.
fn restrict(file: &File, old: Option<u32>) -> io::Result<()> {
    let Some(old) = old else { return Ok(()) };
    let mode = file.metadata()?.mode() & 0o777;
    if mode & old == mode { Ok(()) } else { file.set_permissions(Permissions::from_mode(mode & old)) }
}

fn fill(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
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
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = path.read_link() else { return Ok(path) };
        path = folder_of(&path).join(target);
    }
    Err(io::Error::from_raw_os_error(nix::libc::ELOOP))
}

/// Where [`replace`] puts a file, called by one name whatever the path is: absolute and without links.
/// `None` where nothing can be put.
pub fn place_of(path: &Path) -> Option<PathBuf> {
    let target = target_of(path).ok()?;
    Some(folder_of(&target).canonicalize().ok()?.join(target.file_name()?))
}

/// Refuses a path that leads, with any of its parts or by what a link in it leads to, through a link
/// that must not be followed: one that somebody else has put into a folder in which everybody may, as
/// into /tmp. It is the rule of proc_sys_fs(5), protected_symlinks, which not every kernel has on.
///
/// # Errors
/// It does.
pub fn refuse_planted(path: &Path) -> io::Result<()> {
    if leads_through_planted(path, &mut 0) {
        return Err(io::Error::other("another user's link, in a folder that all users share, is on the way"));
    }
    Ok(())
}

fn leads_through_planted(path: &Path, links: &mut usize) -> bool {
    path.ancestors().any(|part| {
        let Ok(target) = part.read_link() else { return false };
        *links += 1; // too many are the kernel's error
        is_planted(part)
            || *links <= MOST_LINKS && leads_through_planted(&folder_of(part).join(target), links)
    })
}

/// Whether a link is another user's, in a shared folder that is not that user's.
fn is_planted(link: &Path) -> bool {
    const STICKY_AND_WORLD_WRITABLE: u32 = 0o1002;
    let (Ok(link), Ok(folder)) = (link.symlink_metadata(), folder_of(link).metadata()) else { return false };
    folder.mode() & STICKY_AND_WORLD_WRITABLE == STICKY_AND_WORLD_WRITABLE
        && link.uid() != geteuid().as_raw()
        && link.uid() != folder.uid()
}

/// A new file without a name, with the permissions that the umask leaves: nothing of it stays if
/// effllm is killed. Not every file system has such files (NFS has none).
fn nameless_in(folder: &Path) -> io::Result<File> {
    File::options().write(true).mode(0o666).custom_flags(OFlag::O_TMPFILE.bits()).open(folder)
}

/// Has it take the place of another file. It needs a name of its own for a moment, always the same
/// one: an effllm that is killed in that moment leaves it to the next.
fn name(file: &File, path: &Path) -> io::Result<()> {
    let mut name = OsString::from(".effllm-report.");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let name = folder_of(path).join(name);
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = || {
        linkat(AT_FDCWD, open.as_str(), AT_FDCWD, &name, AtFlags::AT_SYMLINK_FOLLOW).map_err(io::Error::from)
    };
    match link() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(&name)?;
            link()?;
        }
        linked => linked?,
    }
    fs::rename(&name, path).inspect_err(|_| {
        let _ = fs::remove_file(&name);
    })
}

/// A new file with a name from the beginning.
fn named_in(folder: &Path) -> io::Result<(File, TempPath)> {
    let mut temporary = Builder::new();
    temporary.prefix(".effllm-report.").permissions(Permissions::from_mode(0o666));
    Ok(temporary.tempfile_in(folder)?.into_parts())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_not_whole_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        // A file system without such files cannot show it.
        let Ok(file) = nameless_in(folder.path()) else { return };
        fill(&file, b"whole").unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
        name(&file, &folder.path().join("report")).unwrap();
        assert_eq!(names(folder.path()), ["report"]);
        // One that was killed in the moment of the name.
        fs::write(folder.path().join(".effllm-report.report.new"), "stale").unwrap();
        replace(&folder.path().join("report"), b"newer").unwrap();
        assert_eq!(names(folder.path()), ["report"]);
        assert_eq!(fs::read(folder.path().join("report")).unwrap(), b"newer");
    }

    #[test]
    fn what_cannot_be_replaced_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("report")).unwrap();
        replace(&folder.path().join("report"), b"text").unwrap_err();
        assert_eq!(names(folder.path()), ["report"]);
    }

    #[test]
    fn without_such_files_a_file_with_a_name_does_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (file, name) = named_in(folder.path()).unwrap();
        fill(&file, b"whole").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        name.persist(folder.path().join("report")).unwrap();
        assert_eq!(names(folder.path()), ["report"]);
        assert_eq!(fs::read(folder.path().join("report")).unwrap(), b"whole");
    }
}
