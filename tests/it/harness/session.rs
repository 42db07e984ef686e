//! A command that runs, and one that has ended.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PATIENCE, Report, TestEnv, process, until};

/// A running command.
pub struct Session<'a> {
    env: &'a TestEnv,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
}

impl<'a> Session<'a> {
    pub(super) fn of(env: &'a TestEnv, mut child: Child) -> Self {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Self { env, child, stdin, stdout: Stream::of(stdout), stderr: Stream::of(stderr) }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a process id"))
    }

    pub fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the command reads its stdin");
    }

    pub fn send(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the command is there");
    }

    /// Waits until stdout contains a text.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        until(&format!("'{text}' on stdout"), || self.stdout.contains(text));
    }

    /// Waits until stderr contains a text, and the end of its line.
    #[track_caller]
    pub fn wait_for_stderr(&self, text: &str) -> String {
        let line = || {
            let stderr = self.stderr.text();
            let (_, rest) = stderr.split_once(text)?;
            rest.split_once('\n').map(|(rest, _)| text.to_owned() + rest)
        };
        until(&format!("'{text}' on stderr"), || line().is_some());
        line().expect("it does not go away")
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }

    /// Sends a signal and waits for the end.
    #[track_caller]
    pub fn end_by(self, signal: Signal) -> Done<'a> {
        self.send(signal);
        self.wait()
    }

    /// Closes stdin and waits for the end.
    #[track_caller]
    pub fn wait(mut self) -> Done<'a> {
        self.stdin = None;
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => {
                    let [stdout, stderr] = [&self.stdout, &self.stderr].map(Stream::beginning);
                    panic!("the command does not end; stdout: {stdout}\nstderr: {stderr}");
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let (stdout, stderr) = (self.stdout.end(), self.stderr.end());
        Done { env: self.env, status, stdout, stderr }
    }
}

impl Drop for Session<'_> {
    /// A test that failed leaves nothing running: neither effllm nor what it started.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            process::kill_tree(self.pid());
            let _ = self.child.wait();
        }
    }
}

/// A command that has ended.
pub struct Done<'a> {
    env: &'a TestEnv,
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Done<'_> {
    /// The exit status; none after a death by a signal.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// As it was printed, with `$PWD` for the folder of the test.
    pub fn stderr(&self) -> String {
        let folder = self.env.path("").to_string_lossy().trim_end_matches('/').to_owned();
        String::from_utf8_lossy(&self.stderr).replace(&folder, "$PWD")
    }

    /// Its output. It must have succeeded.
    #[track_caller]
    pub fn printed(&self) -> String {
        assert!(self.status.success(), "{:?}: {}", self.status, self.stderr());
        self.stdout()
    }

    /// The report in the folder. The command must have succeeded.
    #[track_caller]
    pub fn report(&self) -> Report {
        self.printed();
        self.env.report()
    }
}

/// Bytes that a command has written, read on by a thread.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = bytes.clone();
        let reader = source.map(|mut source| {
            thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(n @ 1..) = source.read(&mut buffer) {
                    sink.lock().expect("no reader panics").extend_from_slice(&buffer[..n]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn contains(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no reader panics")).into_owned()
    }

    fn beginning(&self) -> String {
        self.text().chars().take(2000).collect::<String>().escape_debug().to_string()
    }

    fn end(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            until("the end of the output", || reader.is_finished());
        }
        std::mem::take(&mut *self.bytes.lock().expect("no reader panics"))
    }
}
