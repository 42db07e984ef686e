//! A folder and an environment in which a test calls effllm, as in a shell.
//!
//! Nothing of the caller's environment but PATH gets in, and nothing stays when the test has ended. A test waits for a
//! condition, never for a time; a condition that does not come about fails the test after [`PATIENCE`].

pub mod process;
pub mod requirements;
pub mod terminal;

mod call;
mod report;
mod session;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use call::Call;
pub use report::{Report, assert_near};
pub use session::{Done, Session};

pub const EFFLLM: &str = env!("CARGO_BIN_EXE_effllm");

/// The root of the repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The longest that a condition may take to come about on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// An empty folder and an empty environment.
pub struct TestEnv {
    folder: TempDir,
    effllm: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

impl TestEnv {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut env = Self { folder, effllm: EFFLLM.into(), variables: Vec::new() };
        for (name, value) in std::env::vars_os() {
            // Coverage tools tell the binary by variables of theirs where to write.
            if name == "PATH" || name.to_string_lossy().starts_with("LLVM_PROFILE") {
                env.variables.push((name, value));
            }
        }
        let home = env.path("home");
        fs::create_dir(&home).expect("a home");
        env.set("HOME", &home);
        env.set("XDG_CONFIG_HOME", home.join(".config"));
        // On a machine with GPUs, too, there are none but those of a scenario.
        env.set("EFFLLM_NVML_LIB", "no-nvml-in-this-test.so");
        env
    }

    // Its variables

    /// `export NAME=VALUE`.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.unset(name);
        self.variables.push((name.into(), value.as_ref().into()));
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// Programs in the folder `bin` go before those of PATH.
    pub fn prefer_bin(&mut self) -> &mut Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.path("bin");
        fs::create_dir_all(&bin).expect("a folder");
        self.set("PATH", format!("{}:{path}", bin.display()))
    }

    /// A machine with the GPUs of this scenario; its calls are written to `nvml-calls.jsonl`.
    pub fn gpus(&mut self, scenario: &str) -> &mut Self {
        let folder = self.path("nvml");
        fs::create_dir(&folder).expect("a folder for NVML");
        let library = fake_nvml::install(&folder, scenario);
        self.set("FAKE_NVML_LOG", self.path("nvml-calls.jsonl"));
        self.set("EFFLLM_NVML_LIB", library)
    }

    pub fn nvml_calls(&self) -> Vec<fake_nvml::LoggedCall> {
        fake_nvml::read_log(self.path("nvml-calls.jsonl"))
    }

    // Its files

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and the folders around it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder around it")).expect("folders");
        fs::write(path, text).expect("a file is written");
        self
    }

    /// `printf TEXT >> NAME`.
    pub fn append(&self, name: &str, text: &str) {
        let mut file = File::options().append(true).create(true).open(self.path(name)).expect("a file");
        file.write_all(text.as_bytes()).expect("a file is written");
    }

    pub fn chmod(&self, name: &str, mode: u32) -> &Self {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("permissions");
        self
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    /// The names in the folder, but for those that the harness itself has put there.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> =
            names.filter(|name| !["home", "nvml", "nvml-calls.jsonl"].contains(&name.as_str())).collect();
        names.sort();
        names
    }

    /// `effllm-report.json`.
    #[track_caller]
    pub fn report(&self) -> Report {
        Report::parse(&self.read("effllm-report.json"))
    }

    /// Lets every user change what is in the folder, and execute effllm: it may lie where others may not enter.
    pub fn open_to_others(&mut self) -> &mut Self {
        let copy = self.path("home/effllm");
        // `cp` writes it: a file that is open for writing in a process that forks cannot be executed meanwhile.
        let copied = Command::new("cp").arg(EFFLLM).arg(&copy).status().expect("cp starts");
        assert!(copied.success());
        self.chmod("", 0o777).chmod("home", 0o777).chmod("home/effllm", 0o755);
        self.effllm = copy;
        self
    }

    // Calls in it

    pub fn command<I: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = I>) -> Call<'_> {
        Call::new(self, argv)
    }

    /// `effllm ARGUMENTS`.
    pub fn effllm<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Call<'_> {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.command([self.effllm.clone().into()].into_iter().chain(arguments))
    }

    /// `effllm run --quiet OPTIONS -- sh -c SCRIPT`, options separated by spaces: stderr is the command's.
    pub fn run(&self, options: &str, script: &str) -> Call<'_> {
        let options = options.split_whitespace();
        self.effllm(["run", "--quiet"].into_iter().chain(options).chain(["--", "sh", "-c", script]))
    }

    /// `SCRIPT`, in which `$effllm` is the binary.
    pub fn sh(&self, script: &str) -> Call<'_> {
        let mut call = self.command(["sh", "-c", script]);
        call.command.env("effllm", &self.effllm);
        call
    }
}

/// Waits for a condition.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "timed out: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
