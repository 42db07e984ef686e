//! A shell in a folder of its own, in which effllm is called and watched.
//!
//! Nothing of the caller's environment but PATH gets in, and nothing stays behind. Waiting is always
//! for a condition; what never comes about fails the test after [`PATIENCE`].

pub mod requirements;
pub mod terminal;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, signal, sigprocmask};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

pub const EFFLLM: &str = env!("CARGO_BIN_EXE_effllm");

/// The longest that a condition may take to come about on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// An empty folder and an empty environment.
pub struct Shell {
    folder: TempDir,
    effllm: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl Shell {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut shell = Self { folder, effllm: EFFLLM.into(), environment: Vec::new() };
        for (name, value) in std::env::vars_os() {
            // Coverage tools tell the binary by variables of theirs where to write.
            if name == "PATH" || name.to_string_lossy().starts_with("LLVM_PROFILE") {
                shell.environment.push((name, value));
            }
        }
        let home = shell.path("home");
        fs::create_dir(&home).expect("a home");
        shell.set("HOME", &home);
        shell.set("XDG_CONFIG_HOME", home.join(".config"));
        // On a machine with GPUs, too, there are none but those of a scenario.
        shell.set("EFFLLM_NVML_LIB", "no-nvml-in-this-test.so");
        shell
    }

    /// `export NAME=VALUE`.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.unset(name);
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// A machine with the GPUs of this scenario; its calls are written to `nvml-calls.jsonl`.
    pub fn gpus(&mut self, scenario: &str) -> &mut Self {
        let folder = self.path("nvml");
        fs::create_dir(&folder).expect("a folder for NVML");
        let library = fake_nvml::install(&folder, scenario);
        self.set("FAKE_NVML_LOG", self.path("nvml-calls.jsonl"));
        self.set("EFFLLM_NVML_LIB", library)
    }

    /// Lets every user change what is in the folder, and execute effllm: it may lie where others may not enter.
    pub fn open_to_others(&mut self) -> &mut Self {
        let copy = self.path("home/effllm");
        // `cp` writes it: a file that is open for writing in a process that forks cannot be executed meanwhile.
        let copied = Command::new("cp").arg(EFFLLM).arg(&copy).status().expect("cp starts");
        assert!(copied.success());
        for (path, mode) in [(self.path(""), 0o777), (self.path("home"), 0o777), (copy.clone(), 0o755)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
        }
        self.effllm = copy;
        self
    }

    pub fn nvml_calls(&self) -> Vec<fake_nvml::LoggedCall> {
        fake_nvml::read_log(self.path("nvml-calls.jsonl"))
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder around it")).expect("folders");
        fs::write(path, text).expect("a file is written");
        self
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    /// The names in the folder, but for what the shell itself has put there.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> =
            names.filter(|name| !["home", "nvml", "nvml-calls.jsonl"].contains(&name.as_str())).collect();
        names.sort();
        names
    }

    pub fn report(&self) -> Report {
        Report::parse(&self.read("effllm-report.json"))
    }

    /// A call that has not been made yet.
    pub fn command<I: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = I>) -> Call<'_> {
        let mut argv = argv.into_iter();
        let mut command = Command::new(argv.next().expect("a program"));
        command.args(argv).current_dir(self.folder.path()).env_clear().envs(self.environment.iter().cloned());
        let by_default = || {
            for number in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
                // SAFETY: SIG_DFL is no code.
                unsafe { signal(number, SigHandler::SigDfl) }?;
            }
            Ok(())
        };
        // SAFETY: signal may be called between fork and exec. Who runs the tests may have ignored some.
        unsafe { command.pre_exec(by_default) };
        Call { shell: self, command }
    }

    /// `effllm ARGUMENTS`.
    pub fn effllm<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Call<'_> {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.command([self.effllm.clone().into()].into_iter().chain(arguments))
    }

    /// `effllm run --quiet OPTIONS -- sh -c SCRIPT`, options separated by spaces. What effllm itself
    /// shows is not asked for: stderr is the command's.
    pub fn run(&self, options: &str, script: &str) -> Call<'_> {
        let options = options.split_whitespace();
        self.effllm(["run", "--quiet"].into_iter().chain(options).chain(["--", "sh", "-c", script]))
    }

    /// `SCRIPT`, in which `$effllm` is the binary.
    pub fn sh(&self, script: &str) -> Call<'_> {
        let mut call = self.command(["sh", "-c", script]);
        call.command.env("effllm", EFFLLM);
        call
    }
}

/// A command about to be started.
pub struct Call<'a> {
    shell: &'a Shell,
    pub command: Command,
}

impl<'a> Call<'a> {
    pub fn start(mut self) -> Session<'a> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.start_as_it_is()
    }

    /// With stdin, stdout and stderr as the caller has set them.
    pub fn start_as_it_is(mut self) -> Session<'a> {
        let mut child = self.command.spawn().expect("the command starts");
        Session {
            shell: self.shell,
            stdin: child.stdin.take(),
            stdout: Stream::of(child.stdout.take()),
            stderr: Stream::of(child.stderr.take()),
            child,
        }
    }

    /// Starts it and waits for its end; nothing is on its stdin.
    pub fn done(self) -> Done<'a> {
        let mut session = self.start();
        session.stdin = None;
        session.wait()
    }

    /// Ignores a signal, as `nohup` and some launchers do, or blocks it, as others do.
    pub fn with_signals(mut self, ignored: Option<Signal>, blocked: Option<Signal>) -> Self {
        let block: SigSet = blocked.into_iter().collect();
        let prepare = move || {
            if let Some(ignored) = ignored {
                // SAFETY: SIG_IGN is no code.
                unsafe { signal(ignored, SigHandler::SigIgn) }?;
            }
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&block), None)?;
            Ok(())
        };
        // SAFETY: signal and sigprocmask may be called between fork and exec.
        unsafe { self.command.pre_exec(prepare) };
        self
    }
}

/// A running command.
pub struct Session<'a> {
    shell: &'a Shell,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
}

impl<'a> Session<'a> {
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

    /// Waits until stdout contains these words.
    pub fn wait_for(&self, words: &str) {
        until(&format!("'{words}' on stdout"), || self.stdout.contains(words));
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }

    /// Closes stdin and waits for the end.
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
        Done { shell: self.shell, status, stdout, stderr }
    }
}

impl Drop for Session<'_> {
    /// A test that failed leaves nothing running: neither effllm nor what it started.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            kill_with_descendants(self.pid());
            let _ = self.child.wait();
        }
    }
}

fn kill_with_descendants(pid: Pid) {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let _ = kill(pid, Signal::SIGKILL);
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        kill_with_descendants(Pid::from_raw(child));
    }
}

/// A command that has ended.
pub struct Done<'a> {
    shell: &'a Shell,
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

    /// As it was printed, with `$PWD` for the shell's folder.
    pub fn stderr(&self) -> String {
        let folder = self.shell.folder.path().to_string_lossy().into_owned();
        String::from_utf8_lossy(&self.stderr).replace(&folder, "$PWD")
    }

    /// The report in the shell's folder. The command must have ended by itself and well.
    pub fn report(&self) -> Report {
        assert!(self.status.success(), "{:?}: {}", self.status, self.stderr());
        self.shell.report()
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

    fn contains(&self, words: &str) -> bool {
        self.text().contains(words)
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

/// Waits for a condition.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A report, as any program would read it.
pub struct Report(pub Value);

impl Report {
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in the report: {text}"));
        // What any JSON reader takes is also a report of this version.
        let typed: effllm::model::Report = serde_json::from_str(text).expect("a report");
        assert_eq!(typed.schema, "effllm.report/1");
        Self(value)
    }

    /// What a path such as `command.exit.code` leads to; a number in it is a place in a list.
    #[track_caller]
    pub fn at(&self, path: &str) -> &Value {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.0.pointer(&pointer).unwrap_or_else(|| panic!("the report has no {path}: {:#}", self.0))
    }

    /// A number that must be known.
    #[track_caller]
    pub fn number(&self, path: &str) -> f64 {
        self.at(path).as_f64().unwrap_or_else(|| {
            panic!("{path} is {}: {:#} {:#}", self.at(path), self.0["unavailable"], self.0["gpus"])
        })
    }

    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        self.number(&format!("metrics.{name}"))
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_else(|| panic!("{path} is {}", self.at(path)))
    }

    /// Why a metric is null, which it must be.
    #[track_caller]
    pub fn why_null(&self, name: &str) -> &str {
        assert_eq!(self.at(&format!("metrics.{name}")), &Value::Null, "{name}");
        self.text(&format!("unavailable.{name}"))
    }

    pub fn warnings(&self) -> Vec<&str> {
        let warnings = self.at("warnings").as_array().expect("a list");
        warnings.iter().map(|warning| warning.as_str().expect("words")).collect()
    }

    #[track_caller]
    pub fn numbers(&self, path: &str) -> Vec<Option<f64>> {
        self.at(path).as_array().expect("a list").iter().map(Value::as_f64).collect()
    }
}

/// Fails unless the value lies within a share of what is expected.
#[track_caller]
pub fn assert_near(value: f64, expected: f64, share: f64) {
    let difference = (value - expected).abs();
    assert!(
        difference <= share * expected.abs(),
        "{value} is not {expected}: the difference is {:.3e} of it",
        difference / expected.abs()
    );
}
