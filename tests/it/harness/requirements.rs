//! Things that some tests need beyond Rust, bash and Python 3: they are prepared, or the tests that need them are
//! skipped, and listed after the results.
//!
//! With `EFFLLM_TESTS_REQUIRE_ALL=1` a missing thing is a failure.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, Once, PoisonError};

use nix::fcntl::{Flock, FlockArg};
use nix::libc;

const REQUIRE_ALL: &str = "EFFLLM_TESTS_REQUIRE_ALL";

/// The tests that were skipped, by the thing that is missing.
static SKIPPED: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

/// What a test needs, or `None`, and the test is listed among the skipped ones.
///
/// # Panics
/// It is missing, and everything is required.
#[track_caller]
pub fn available<T>(thing: Result<T, String>) -> Option<T> {
    let missing = match thing {
        Ok(thing) => return Some(thing),
        Err(missing) => missing,
    };
    let is_required = std::env::var_os(REQUIRE_ALL).is_some_and(|value| !value.is_empty());
    assert!(!is_required, "{REQUIRE_ALL} is set, and {missing}");
    skip(missing);
    None
}

/// The same for a thing that is never required, such as a cluster.
pub fn mention<T>(thing: Result<T, String>) -> Option<T> {
    thing.inspect_err(|missing| skip(format!("{missing} (never required)"))).ok()
}

fn skip(missing: String) {
    static PRINT_AT_EXIT: Once = Once::new();
    // The test harness captures what a test prints. The exit handler writes after its last line.
    // SAFETY: the handler unwinds nowhere, and needs nothing that is gone when it runs.
    PRINT_AT_EXIT.call_once(|| assert_eq!(unsafe { libc::atexit(print_skipped) }, 0));
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    SKIPPED.lock().unwrap_or_else(PoisonError::into_inner).entry(missing).or_default().push(test);
}

extern "C" fn print_skipped() {
    let skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = format!("SKIPPED, in whole or in part ({REQUIRE_ALL}=1 makes each a failure):\n");
    for (missing, tests) in &*skipped {
        text += &format!("  {missing}\n");
        tests.iter().for_each(|test| text += &format!("    {test}\n"));
    }
    let _ = writeln!(io::stderr(), "{text}");
}

/// A program on PATH that answers to `--version`.
pub fn program(name: &'static str) -> Result<&'static str, String> {
    let version = Command::new(name).arg("--version").stdin(Stdio::null()).output();
    let works = version.is_ok_and(|output| output.status.success());
    works.then_some(name).ok_or_else(|| format!("{name} is not installed"))
}

/// A browser.
pub fn chromium() -> Result<&'static str, String> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.into_iter().find_map(|name| program(name).ok()).ok_or_else(|| "chromium is not installed".into())
}

/// The right to act as any user.
pub fn root() -> Result<(), String> {
    nix::unistd::geteuid().is_root().then_some(()).ok_or_else(|| "the user is not root".into())
}

/// The right to act as any user, and a temporary folder that every user can enter.
pub fn other_users() -> Result<(), String> {
    root()?;
    let folder = std::env::temp_dir();
    let can_enter = |folder: &Path| fs::metadata(folder).is_ok_and(|it| it.permissions().mode() & 0o1 != 0);
    let is_open = folder.ancestors().all(can_enter);
    is_open.then_some(()).ok_or_else(|| format!("other users may not enter {}", folder.display()))
}

/// A Python that has the packages of `tests/python/requirements.txt`. It is made once for each build folder.
pub fn python() -> Result<&'static Path, String> {
    static PYTHON: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        make_python().map_err(|why| format!("Python has no TensorBoard and no prometheus_client: {why}"))
    });
    PYTHON.as_deref().map_err(Clone::clone)
}

fn make_python() -> Result<PathBuf, String> {
    let requirements = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/requirements.txt");
    let wanted = fs::read(requirements).map_err(|error| error.to_string())?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let (python, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
    // Another run of the tests may be making it.
    let lock = File::create(folder.with_extension("lock")).map_err(|error| error.to_string())?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error.to_string())?;
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
    let patience = ["--retries", "2", "--timeout", "15"];
    succeed(Command::new(&python).args(pip).args(patience).args(["-r", requirements]))?;
    fs::write(installed, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("pip failed").to_owned())
}
