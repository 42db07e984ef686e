//! A folder with a log that grows, processes to be measured, and effllm measuring them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use crossbeam_channel::{Receiver, unbounded};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const RULES: &str = r#"
facts = ['seq_length (?P<sequence_length>\d+)']
[[record]]
line = 'step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+)'
fields = ['samples (?P<consumed_samples>\d+)']
"#;

pub struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// With an empty log and rules for it.
    pub fn new() -> Self {
        let workshop = Self { folder: tempfile::tempdir().unwrap() };
        workshop.append("");
        fs::write(workshop.path("rules.toml"), RULES).unwrap();
        workshop
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds to the log, which is made if it is not there.
    pub fn append(&self, text: &str) {
        let mut log = File::options().append(true).create(true).open(self.path("log")).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    }

    /// Installs a fake NVML.
    pub fn gpus(&self, scenario: &str) {
        fake_nvml::install(self.folder.path(), scenario);
    }

    /// `effllm monitor` with these arguments, begun.
    pub fn monitor(&self, arguments: &str) -> Monitor {
        self.monitor_by(&format!("exec \"$EFFLLM\" monitor {arguments}"))
    }

    /// The same, started by a shell script.
    pub fn monitor_by(&self, script: &str) -> Monitor {
        let monitor = self.start(script);
        monitor.wait_for("effllm: measuring");
        monitor
    }

    /// `effllm monitor` that is not to begin: its exit status, and what it said.
    pub fn refused(&self, arguments: &str) -> (Option<i32>, String) {
        let mut monitor = self.start(&format!("exec \"$EFFLLM\" monitor {arguments}"));
        let status = monitor.child.wait().unwrap();
        assert!(!self.path("effllm-report.json").exists());
        (status.code(), monitor.said.iter().collect::<Vec<_>>().join("\n"))
    }

    /// The same with standard error on a terminal.
    pub fn monitor_on_a_terminal(&self, arguments: &str) -> (Monitor, Screen) {
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).unwrap();
        let mut command = self.command(&format!("exec \"$EFFLLM\" monitor {arguments}"));
        let child = command.env("TERM", "xterm").stderr(terminal.slave).spawn().unwrap();
        let (_, said) = unbounded();
        let monitor = Monitor { child, said, report: self.path("effllm-report.json") };
        (monitor, Screen { master: terminal.master.into(), unread: Vec::new() })
    }

    /// `effllm monitor` by a shell script, whose beginning has not been waited for.
    pub fn start(&self, script: &str) -> Monitor {
        let mut child = self.command(script).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, said) = unbounded();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Monitor { child, said, report: self.path("effllm-report.json") }
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.folder.path());
        command.env("EFFLLM", env!("CARGO_BIN_EXE_effllm")).env("HOME", self.folder.path());
        command.env("EFFLLM_NVML_LIB", self.path("libnvidia-ml.so.1"));
        for name in ["XDG_CONFIG_HOME", "CUDA_VISIBLE_DEVICES", "RANK", "SLURM_PROCID"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// What is drawn on a terminal.
pub struct Screen {
    master: File,
    unread: Vec<u8>,
}

impl Screen {
    /// Waits until this is drawn, and passes over it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        loop {
            let found = self.unread.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(at) = found {
                self.unread.drain(..at + text.len());
                return;
            }
            let mut buffer = [0; 4096];
            let read = self.master.read(&mut buffer).unwrap();
            self.unread.extend_from_slice(&buffer[..read]);
        }
    }
}

/// A running `effllm monitor`.
pub struct Monitor {
    child: Child,
    said: Receiver<String>,
    report: PathBuf,
}

impl Monitor {
    /// Waits until a line on stderr begins with this, and answers with it.
    #[track_caller]
    pub fn wait_for(&self, beginning: &str) -> String {
        let line = self.said.iter().find(|line| line.starts_with(beginning));
        line.unwrap_or_else(|| panic!("{beginning}: it never came"))
    }

    /// Whether it is stopped, as by Ctrl-Z.
    pub fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// The report, once effllm has ended well.
    #[track_caller]
    pub fn report(self) -> Value {
        let (code, report) = self.ended();
        assert_eq!(code, Some(0));
        report
    }

    /// The exit status and the report, once effllm has ended.
    pub fn ended(mut self) -> (Option<i32>, Value) {
        let status = self.child.wait().unwrap();
        (status.code(), serde_json::from_str(&fs::read_to_string(&self.report).unwrap()).unwrap())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that lives until it is told to end.
pub struct Patient {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Patient {
    /// A shell script that waits for a line of input in the end; `ready` says when it does.
    pub fn new(script: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("{script} echo ready; read line")])
            .envs(environment.iter().copied())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        Self { stdin: child.stdin.take(), child }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn end(mut self) {
        drop(self.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
