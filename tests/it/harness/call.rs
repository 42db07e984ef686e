//! A command about to be started.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};

use super::{Done, Session, TestEnv};

pub struct Call<'a> {
    pub env: &'a TestEnv,
    /// For what a test changes beyond the methods here.
    pub command: Command,
}

impl<'a> Call<'a> {
    pub(super) fn new<I: AsRef<OsStr>>(env: &'a TestEnv, argv: impl IntoIterator<Item = I>) -> Self {
        let mut argv = argv.into_iter();
        let mut command = Command::new(argv.next().expect("a program"));
        command.args(argv).current_dir(env.path("")).env_clear().envs(env.variables.iter().cloned());
        // Who runs the tests may have ignored some.
        Self { env, command }.before_exec(|| {
            for number in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
                // SAFETY: SIG_DFL is no code.
                unsafe { signal(number, SigHandler::SigDfl) }?;
            }
            Ok(())
        })
    }

    /// Starts it with pipes for stdin, stdout and stderr.
    pub fn start(mut self) -> Session<'a> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn()
    }

    /// Starts it with stdin, stdout and stderr as the test has set them.
    pub fn spawn(mut self) -> Session<'a> {
        let child = self.command.spawn().expect("the command starts");
        Session::of(self.env, child)
    }

    /// Starts it and waits for its end; its stdin is empty.
    pub fn done(self) -> Done<'a> {
        self.start().wait()
    }

    /// Prepares the process between fork and exec, where only calls that are safe in a signal handler are allowed.
    pub fn before_exec(mut self, prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        // SAFETY: every caller keeps to what the sentence above allows.
        unsafe { self.command.pre_exec(prepare) };
        self
    }

    /// Ignores a signal, as `nohup` and some launchers do, or blocks it, as others do.
    pub fn with_signals(self, ignored: Option<Signal>, blocked: Option<Signal>) -> Self {
        let block: SigSet = blocked.into_iter().collect();
        self.before_exec(move || {
            if let Some(ignored) = ignored {
                // SAFETY: SIG_IGN is no code.
                unsafe { signal(ignored, SigHandler::SigIgn) }?;
            }
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&block), None)?;
            Ok(())
        })
    }
}
