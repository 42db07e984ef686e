//! The report on disk: complete at every moment, and never more than half a minute old.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::config::ReportTarget;
use crate::error::Error;
use crate::fs::atomic;
use crate::output;
use crate::process::{FileWriter, HANGS, Way};
use crate::report::Report;
use crate::text::sanitize::plain;
use crate::thread::spawn_thread;

/// How often the report of a running command is replaced: a SIGKILL of effllm loses no more than this.
const SAVE_INTERVAL: Duration = Duration::from_secs(30);

/// The place of the report.
#[derive(Debug, Clone)]
pub struct ReportFile {
    target: ReportTarget,
    /// Locked while writing; `None` once the last report has been written, which no earlier one may replace.
    writer: Arc<Mutex<Option<FileWriter>>>,
}

impl ReportFile {
    /// Checks, before the command starts, that the report can be written.
    ///
    /// # Errors
    /// The folder does not exist or is not writable, or the target is a folder itself.
    pub fn prepare(target: &ReportTarget) -> Result<Self, Error> {
        if let Some(path) = target.path() {
            let usage = |why: String| {
                Error::usage(format!("the report cannot be written to {}: {why}", path.display()))
                    .of_flag("report")
                    .help("-o FILE names another place, -o - prints it on stdout")
            };
            atomic::can_replace(path).map_err(usage)?;
        }
        let writer = match target {
            ReportTarget::File(path) => Some(FileWriter::start(Way::report(path))),
            ReportTarget::Stdout => None,
        };
        Ok(Self { target: target.clone(), writer: Arc::new(Mutex::new(writer)) })
    }

    /// Writes the last report: to its file by way of a temporary one, or to stdout. Returns the file, and a text
    /// for stderr: if writing fails or is not done by the deadline, it holds the report, so that nothing is lost.
    pub fn finish(&self, report: &Report, deadline: Instant) -> (Option<&PathBuf>, String) {
        let json = output::json(report);
        let (written, place) = match &self.target {
            ReportTarget::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(json.as_bytes()).and_then(|()| stdout.flush());
                (written.map(|()| String::new()), "stdout".to_owned())
            }
            ReportTarget::File(path) => {
                let written = self.take_writer(deadline).and_then(|mut writer| {
                    writer.replace(json.as_bytes(), Some(deadline)).map(|()| writer.kept().to_owned())
                });
                (written, path.display().to_string())
            }
        };
        match written {
            Ok(kept) if kept.is_empty() => (self.target.path(), kept),
            Ok(kept) => (self.target.path(), format!("effllm: warning: {}\n", plain(&kept))),
            // A reader that has gone away does not want the rest.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => (self.target.path(), String::new()),
            Err(error) => {
                let place = plain(&place);
                (None, format!("effllm: error: the report cannot be written to {place}: {error}\n{json}"))
            }
        }
    }

    /// The writer, for the last report. The thread that keeps the file current may hold it for ever.
    fn take_writer(&self, deadline: Instant) -> io::Result<FileWriter> {
        let mut writer = loop {
            match self.writer.try_lock() {
                Ok(writer) => break writer,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(Duration::from_millis(5)),
                Err(TryLockError::WouldBlock) => return Err(io::Error::other(HANGS)),
            }
        };
        writer.take().ok_or_else(|| io::Error::other("its last report is written"))
    }

    /// Replaces the file by the present report, every half minute and on request.
    pub fn keep_current(&self, report: impl Fn() -> Report + Send + 'static) -> KeptCurrent {
        let (requests, requested) = bounded(1);
        let file = self.clone();
        let keep = move || {
            while requested.recv_timeout(SAVE_INTERVAL) != Err(RecvTimeoutError::Disconnected) {
                file.replace_by(&report());
            }
        };
        if self.target.path().is_some_and(|path| !atomic::is_stream(path)) {
            // Without a thread only the last report is written.
            let _ = spawn_thread("effllm-report", keep);
        }
        KeptCurrent(requests)
    }

    fn replace_by(&self, report: &Report) {
        let json = output::json(report);
        if let Some(writer) = &mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner) {
            // A disk that is full now may have room at the end; if not, the user learns of the loss then.
            let _ = writer.replace(json.as_bytes(), None);
        }
    }
}

/// Keeps the file current until it is dropped.
#[derive(Debug)]
pub struct KeptCurrent(Sender<()>);

impl KeptCurrent {
    /// Requests that the file is replaced now, without waiting for it.
    pub fn save_now(&self) {
        let _ = self.0.try_send(()); // full: a request is already there
    }
}
