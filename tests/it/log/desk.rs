//! A folder with logs, and effllm reading them there.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

pub struct Desk {
    folder: TempDir,
}

/// What a call printed, and its exit status.
pub struct Printed {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn append(&self, name: &str, text: &str) {
        let mut file = File::options().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let config = ("XDG_CONFIG_HOME", self.path("config"));
        [("effllm", env!("CARGO_BIN_EXE_effllm").into()), ("HOME", self.path("")), config]
    }

    /// `effllm parse` with these arguments.
    pub fn parse(&self, arguments: &str) -> Call {
        self.effllm(&format!("parse {arguments}"))
    }

    pub fn effllm(&self, arguments: &str) -> Call {
        self.sh(&format!("exec \"$effllm\" {arguments}"))
    }

    pub fn sh(&self, script: &str) -> Call {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.folder.path()).envs(self.environment());
        command.env_remove("EFFICIENTLLM_LOG_INTERVAL").stdin(Stdio::null());
        Call { command }
    }
}

/// A call that has not been made yet.
pub struct Call {
    command: Command,
}

impl Call {
    pub fn printed(mut self) -> Printed {
        let output = self.command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Printed { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What it printed; it must have succeeded.
    #[track_caller]
    pub fn done(self) -> Printed {
        let printed = self.printed();
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
        printed
    }

    pub fn start(mut self) -> Following {
        let mut child = self.command.stdout(Stdio::piped()).spawn().unwrap();
        Following { stdout: BufReader::new(child.stdout.take().unwrap()), child, printed: String::new() }
    }
}

/// A call that goes on until it is told to end.
pub struct Following {
    child: Child,
    stdout: BufReader<ChildStdout>,
    printed: String,
}

impl Following {
    /// Waits until a line is printed that contains this.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "{text}: it never came");
            self.printed += &line;
            if line.contains(text) {
                return;
            }
        }
    }

    pub fn end_by(mut self, signal: Signal) -> Printed {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
        let mut stdout = std::mem::take(&mut self.printed);
        self.stdout.read_to_string(&mut stdout).unwrap();
        Printed { code: self.child.wait().unwrap().code(), stdout, stderr: String::new() }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
