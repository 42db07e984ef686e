//! The report on disk: whole at every moment, and never more than half a minute old.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use nix::unistd::geteuid;
use tempfile::NamedTempFile;

use crate::error::Error;
use crate::model::Report;
use crate::render;
use crate::settings::ReportTarget;

/// How often the report of a running command is replaced: a SIGKILL of effllm loses no more.
const REPLACED_EVERY: Duration = Duration::from_secs(30);

/// Where the report is written to.
#[derive(Debug, Clone)]
pub struct ReportFile {
    target: ReportTarget,
    /// Whether the last report has been written: an earlier one must not replace it. Held while
    /// writing.
    closed: Arc<Mutex<bool>>,
}

impl ReportFile {
    /// Makes sure, before the command starts, that the report can be written.
    ///
    /// # Errors
    /// If the folder is not there or not to be written to, or if the target is a folder itself.
    pub fn prepare(target: &ReportTarget) -> Result<Self, Error> {
        if let ReportTarget::File(path) = target {
            let usage = |why: String| {
                Error::usage(format!("the report cannot be written to {}: {why}", path.display()))
                    .hint("-o FILE names another place, -o - prints it on stdout")
            };
            if path.is_dir() {
                return Err(usage("it is a folder".to_owned()));
            }
            if is_planted(path) {
                return Err(usage("it is another user's link in a folder that all users share".to_owned()));
            }
            if is_stream(path) {
                return Ok(Self { target: target.clone(), closed: Arc::default() });
            }
            // The error names the temporary file behind what happened; that name helps nobody.
            let why = |error: io::Error| {
                usage(error.to_string().split(" at path").next().unwrap_or_default().to_owned())
            };
            temporary_beside(&target_of(path)).map_err(why)?;
        }
        Ok(Self { target: target.clone(), closed: Arc::default() })
    }

    /// Writes the last report: to its file by way of a temporary one, or to stdout. If that fails
    /// it is printed on stderr, so that nothing is lost.
    pub fn finish(&self, report: &Report) {
        let json = render::json(report);
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = true;
        match &self.target {
            ReportTarget::Stdout => {
                let mut stdout = io::stdout().lock();
                let _ = stdout.write_all(json.as_bytes()).and_then(|()| stdout.flush());
            }
            ReportTarget::File(path) => {
                let put = if is_stream(path) { append } else { replace };
                if let Err(error) = put(path, json.as_bytes()) {
                    eprintln!(
                        "effllm: error: the report cannot be written to {}: {error}\n{json}",
                        path.display()
                    );
                }
            }
        }
    }

    /// The path, unless the report goes to stdout.
    pub fn path(&self) -> Option<&Path> {
        match &self.target {
            ReportTarget::File(path) => Some(path),
            ReportTarget::Stdout => None,
        }
    }

    /// Replaces the file by what `report` says, every half minute and whenever it is asked for.
    pub fn keep_current(&self, report: impl Fn() -> Report + Send + 'static) -> KeptCurrent {
        let (ask, asked) = bounded(1);
        let file = self.clone();
        let keep = move || {
            while asked.recv_timeout(REPLACED_EVERY) != Err(RecvTimeoutError::Disconnected) {
                file.replace_by(&report());
            }
        };
        if self.path().is_some_and(|path| !is_stream(path)) {
            // Without a thread there is only the last report.
            let _ = thread::Builder::new().name("effllm-report".to_owned()).spawn(keep);
        }
        KeptCurrent { ask }
    }

    fn replace_by(&self, report: &Report) {
        let json = render::json(report);
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if let (false, Some(path)) = (*closed, self.path()) {
            // A disk that is full now may not be at the end, and then the loss is told.
            let _ = replace(path, json.as_bytes());
        }
    }
}

/// The file is kept current as long as this lives.
#[derive(Debug)]
pub struct KeptCurrent {
    ask: Sender<()>,
}

impl KeptCurrent {
    /// Has the file replaced now, without waiting for it.
    pub fn save_now(&self) {
        // Full: it has been asked for already.
        let _ = self.ask.try_send(());
    }
}

/// Whether a path leads to a device, a pipe or a descriptor (`/dev/null`, `/dev/stdout`, `>(jq .)`):
/// what is there is written to, and never replaced.
fn is_stream(path: &Path) -> bool {
    path.starts_with("/dev") || path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Where a link leads to: it stays, and the file behind it is replaced.
fn target_of(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Whether a path is a link that must not be followed: one that somebody else has put into a folder
/// in which everybody may, as into /tmp (the rule of proc_sys_fs(5), protected_symlinks).
fn is_planted(path: &Path) -> bool {
    const STICKY_AND_WORLD_WRITABLE: u32 = 0o1002;
    let (Ok(link), Ok(folder)) = (path.symlink_metadata(), folder_of(path).metadata()) else { return false };
    link.is_symlink()
        && folder.mode() & STICKY_AND_WORLD_WRITABLE == STICKY_AND_WORLD_WRITABLE
        && link.uid() != geteuid().as_raw()
        && link.uid() != folder.uid()
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::options().append(true).open(path)?.write_all(bytes)
}

/// Puts bytes in the place of a file so that at every moment either the old or the new is there.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_planted(path) {
        return Err(io::Error::other("another user has put a link there"));
    }
    let path = target_of(path);
    let mut temporary = temporary_beside(&path)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
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
