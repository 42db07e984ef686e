//! Atomic writes: at every moment a file has its old or its new content.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, FcntlArg, OFlag, fcntl};
use nix::unistd::{geteuid, linkat};
use tempfile::{Builder, TempPath};

/// The number of links that Linux follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Checks that [`replace`] can write a path.
///
/// # Errors
/// The reason: the folder does not exist or cannot be written, or the path is a folder itself.
pub fn can_replace(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("it is a folder".to_owned());
    }
    refuse_planted(path).map_err(|error| error.to_string())?;
    if is_stream(path) {
        return path.metadata().map(drop).map_err(|error| error.to_string());
    }
    let is_possible = |path: PathBuf| {
        let folder = folder_of(&path);
        nameless_in(folder).or_else(|_| named_in(folder).map(|(file, _)| file))
    };
    target_of(path).and_then(is_possible).map(drop).map_err(|error| error.to_string())
}

/// Replaces a file's content atomically; a [stream](is_stream) is written to. The new file follows the umask,
/// and never has a permission that the user's own old file did not have.
///
/// # Errors
/// The new file cannot be written; the old one is unchanged.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    refuse_planted(path)?;
    if is_stream(path) {
        return open_stream(File::options().append(true), path)?.write_all(bytes);
    }
    let path = target_of(path)?;
    let folder = folder_of(&path);
    let own = |old: &Metadata| old.is_file() && old.uid() == geteuid().as_raw();
    let old = path.metadata().ok().filter(own).map(|old| old.mode());
    let write = |file: &File| restrict(file, old).and_then(|()| fill(file, bytes));
    let nameless = || {
        let file = nameless_in(folder)?;
        write(&file)?;
        name(&file, &path)
    };
    let named = |_: io::Error| {
        let (file, temporary) = named_in(folder)?;
        write(&file)?;
        Ok(temporary.persist(&path)?)
    };
    nameless().or_else(named)
}

/// Opens a file to be written, which may be a named pipe: without a reader that is an error, and not waited for.
///
/// # Errors
/// It cannot be opened.
pub fn open_stream(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let opened = options.write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(nix::libc::ENXIO) => io::Error::other("the pipe has no reader"),
        _ => error,
    })?;
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

/// Removes the permissions that an old file did not have.
fn restrict(file: &File, old: Option<u32>) -> io::Result<()> {
    let Some(old) = old else { return Ok(()) };
    let mode = file.metadata()?.mode() & 0o777;
    if mode & old == mode { Ok(()) } else { file.set_permissions(Permissions::from_mode(mode & old)) }
}

fn fill(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether a path leads to a device, a pipe or a descriptor (`/dev/null`, `/dev/stdout`, `>(jq .)`), which is
/// written to and never replaced.
pub fn is_stream(path: &Path) -> bool {
    // /dev/stdout may lead to a file that other programs write to. /dev/shm holds regular files.
    let descriptor = path.starts_with("/dev") && !path.starts_with("/dev/shm");
    descriptor || path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// The target of a link, which need not exist: the target is replaced, and the link remains.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = path.read_link() else { return Ok(path) };
        path = folder_of(&path).join(target);
    }
    Err(io::Error::from_raw_os_error(nix::libc::ELOOP))
}

/// The absolute path without links of the file that [`replace`] writes; `None` if it cannot write one.
pub fn place_of(path: &Path) -> Option<PathBuf> {
    let target = target_of(path).ok()?;
    Some(folder_of(&target).canonicalize().ok()?.join(target.file_name()?))
}

/// Refuses to follow another user's symlink in a shared directory such as /tmp, anywhere in a path. This is
/// the rule of `protected_symlinks` in proc_sys_fs(5), which not every kernel enforces.
///
/// # Errors
/// The path leads through such a link.
pub fn refuse_planted(path: &Path) -> io::Result<()> {
    if leads_through_planted(path, &mut 0) {
        return Err(io::Error::other("refusing to follow another user's symlink in a shared directory"));
    }
    Ok(())
}

fn leads_through_planted(path: &Path, links: &mut usize) -> bool {
    path.ancestors().any(|part| {
        let Ok(target) = part.read_link() else { return false };
        *links += 1; // the kernel reports too many
        is_planted(part) || *links <= MAX_LINKS && leads_through_planted(&folder_of(part).join(target), links)
    })
}

/// Whether a link belongs to another user, in a shared folder that does not.
fn is_planted(link: &Path) -> bool {
    const STICKY_AND_WORLD_WRITABLE: u32 = 0o1002;
    let (Ok(link), Ok(folder)) = (link.symlink_metadata(), folder_of(link).metadata()) else { return false };
    folder.mode() & STICKY_AND_WORLD_WRITABLE == STICKY_AND_WORLD_WRITABLE
        && link.uid() != geteuid().as_raw()
        && link.uid() != folder.uid()
}

/// A new file without a name, which leaves nothing behind if effllm is killed. Not every file system has such
/// files (NFS has none).
fn nameless_in(folder: &Path) -> io::Result<File> {
    File::options().write(true).mode(0o666).custom_flags(OFlag::O_TMPFILE.bits()).open(folder)
}

/// Renames a file without a name over another file. It has a temporary name for a moment, always the same
/// one, so that the next effllm removes the leftover of a killed one.
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

/// A new file with a temporary name.
fn named_in(folder: &Path) -> io::Result<(File, TempPath)> {
    // An error of `tempfile_in` would name the temporary file.
    let create = |path: &Path| File::options().write(true).create_new(true).mode(0o666).open(path);
    Ok(Builder::new().prefix(".effllm-report.").make_in(folder, create)?.into_parts())
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
    fn an_incomplete_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        // Not every file system has such files.
        let Ok(file) = nameless_in(folder.path()) else { return };
        fill(&file, b"whole").unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
        name(&file, &folder.path().join("report")).unwrap();
        assert_eq!(names(folder.path()), ["report"]);
        // The leftover of a killed effllm.
        fs::write(folder.path().join(".effllm-report.report.new"), "stale").unwrap();
        replace(&folder.path().join("report"), b"newer").unwrap();
        assert_eq!(names(folder.path()), ["report"]);
        assert_eq!(fs::read(folder.path().join("report")).unwrap(), b"newer");
    }

    #[test]
    fn a_failed_replacement_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("report")).unwrap();
        replace(&folder.path().join("report"), b"text").unwrap_err();
        assert_eq!(names(folder.path()), ["report"]);
    }

    #[test]
    fn a_named_file_replaces_atomically_too() {
        let folder = tempfile::tempdir().unwrap();
        let (file, name) = named_in(folder.path()).unwrap();
        fill(&file, b"whole").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        name.persist(folder.path().join("report")).unwrap();
        assert_eq!(names(folder.path()), ["report"]);
        assert_eq!(fs::read(folder.path().join("report")).unwrap(), b"whole");
    }
}
