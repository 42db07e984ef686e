//! A process that effllm did not start, named by its PID.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::procfs::Process;

/// A process. The kernel may give its PID to another process once it has ended; the time of its
/// start, in clock ticks since the machine's, tells the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalProcess {
    pid: u32,
    start_ticks: u64,
}

impl ExternalProcess {
    /// The process that has this PID now; `None` if there is none, or if it has ended.
    pub fn find(pid: u32) -> Option<Self> {
        let process = Process::read(pid).filter(|process| !process.zombie)?;
        Some(Self { pid, start_ticks: process.start_ticks })
    }

    pub fn is_running(self) -> bool {
        Self::find(self.pid) == Some(self)
    }

    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Its command line; the kernel's name for it where it has none. Bytes that are not UTF-8 are
    /// replaced.
    pub fn argv(self) -> Vec<String> {
        let text = |file| fs::read(format!("/proc/{}/{file}", self.pid)).unwrap_or_default();
        let arguments = text("cmdline");
        // Each argument ends with a NUL, the last one too; a program may have overwritten them.
        let arguments = arguments.strip_suffix(b"\0").unwrap_or(&arguments);
        if arguments.is_empty() {
            let name = text("comm");
            return vec![format!("[{}]", String::from_utf8_lossy(&name).trim_end())];
        }
        arguments.split(|byte| *byte == 0).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// Its working directory, if effllm may see it.
    pub fn cwd(self) -> Option<String> {
        let folder = fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()?;
        Some(folder.to_string_lossy().into_owned())
    }

    /// The environment that it was started with.
    ///
    /// # Errors
    /// effllm may not read it.
    pub fn environment(self) -> io::Result<BTreeMap<String, String>> {
        let bytes = fs::read(format!("/proc/{}/environ", self.pid))?;
        let variables = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let pair = |variable: Cow<str>| {
            let (name, value) = variable.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Ok(variables.filter_map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_process_is_found_until_it_ends_and_not_confused_with_another() {
        let script = "read line #";
        let mut child = Command::new("sh")
            .args(["-c", script, "", "é"])
            .stdin(Stdio::piped())
            .current_dir("/")
            .spawn()
            .unwrap();
        let process = ExternalProcess::find(child.id()).unwrap();
        // For a moment after its start a program has no command line yet.
        while process.argv().len() == 1 {
            sleep(Duration::from_millis(1));
        }
        assert_eq!(process.argv(), ["sh", "-c", script, "", "é"]);
        assert_eq!(process.cwd().as_deref(), Some("/"));
        assert!(process.is_running());
        let another = ExternalProcess { start_ticks: process.start_ticks + 1, ..process };
        assert!(!another.is_running());
        drop(child.stdin.take());
        while process.is_running() {
            sleep(Duration::from_millis(1)); // a zombie has ended
        }
        child.wait().unwrap();
        assert_eq!(ExternalProcess::find(process.pid()), None);
    }
}
