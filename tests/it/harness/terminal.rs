//! Terminals: a real pseudo-terminal, and one with an emulator that shows what is on it.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{Termios, tcgetattr};

use super::{Call, PATIENCE, Session, TestEnv, until};

/// A pseudo-terminal: its master, and the side that programs see.
pub struct Terminal {
    master: File,
    side: File,
}

impl Terminal {
    pub fn new() -> Self {
        // Closed on exec: a copy in any other test's process would keep it alive.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let name = ptsname_r(&master).expect("it has a name");
        let side = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name);
        Self { master: OwnedFd::from(master).into(), side: side.expect("its other side") }
    }

    /// For a stream of a command.
    pub fn stream(&self) -> Stdio {
        self.side.try_clone().expect("a descriptor").into()
    }

    /// Starts a command with all three streams on this terminal, as the leader of a session on it.
    pub fn start<'a>(&self, mut call: Call<'a>) -> Session<'a> {
        call.command.stdin(self.stream()).stdout(self.stream()).stderr(self.stream());
        self.start_redirected(call)
    }

    /// The same, with stdin, stdout and stderr as the test has set them.
    pub fn start_redirected<'a>(&self, mut call: Call<'a>) -> Session<'a> {
        let side = self.side.as_raw_fd();
        call.command.env("TERM", "xterm");
        let leader = call.before_exec(move || {
            nix::unistd::setsid()?;
            // SAFETY: makes the terminal the session's; no memory is handed over.
            nix::errno::Errno::result(unsafe { libc::ioctl(side, libc::TIOCSCTTY, 0) })?;
            Ok(())
        });
        leader.spawn()
    }

    pub fn press(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Reads as many bytes as a text has, and compares them.
    pub fn expect(&self, text: &str) {
        let mut bytes = vec![0; text.len()];
        (&self.master).read_exact(&mut bytes).expect("output");
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }

    /// Closes the master, and waits until every copy of it is closed: a process that another test forks has one until
    /// it executes its program.
    pub fn hang_up(self) {
        drop(self.master);
        until("the terminal to hang up", || {
            let mut side = [PollFd::new(self.side.as_fd(), PollFlags::empty())];
            poll(&mut side, PollTimeout::ZERO).expect("it can be asked");
            side[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
        });
    }
}

/// Lines that scrolled off the top are kept, so that all that was shown can be compared.
const SCROLLBACK: usize = 1000;

/// A terminal with an emulator.
pub struct Screen {
    terminal: Terminal,
    shown: Arc<Mutex<Shown>>,
}

struct Shown {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    /// The last byte is the beginning of a sequence, which the emulator has not seen yet.
    held: bool,
    paused: bool,
}

impl Shown {
    fn take(&mut self, bytes: &[u8]) {
        // The emulator has no IND; a vertical tab does the same. It may arrive in two halves.
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let halved = self.bytes.ends_with(b"\x1b");
        let from = if self.held { from - 1 } else { from };
        let text = &self.bytes[from..self.bytes.len() - usize::from(halved)];
        self.held = halved;
        let text: Vec<u8> = text.to_vec();
        let mut rest = &text[..];
        while let Some(at) = rest.windows(2).position(|pair| pair == b"\x1bD") {
            self.parser.process(&rest[..at]);
            self.parser.process(b"\x0b");
            rest = &rest[at + 2..];
        }
        self.parser.process(rest);
    }
}

impl Screen {
    pub fn new(rows: u16, columns: u16) -> Self {
        let shown = Shown {
            parser: vt100::Parser::new(cells(rows), cells(columns), SCROLLBACK),
            bytes: Vec::new(),
            held: false,
            paused: false,
        };
        let screen = Self { terminal: Terminal::new(), shown: Arc::new(Mutex::new(shown)) };
        screen.resize(rows, columns);
        let (mut master, shown) =
            (screen.terminal.master.try_clone().expect("a descriptor"), screen.shown.clone());
        thread::spawn(move || {
            let mut bytes = [0; 65536];
            loop {
                while shown.lock().expect("no one panics").paused {
                    thread::sleep(Duration::from_millis(5));
                }
                let Ok(length @ 1..) = master.read(&mut bytes) else { return };
                shown.lock().expect("no one panics").take(&bytes[..length]);
            }
        });
        screen
    }

    pub fn start<'a>(&self, call: Call<'a>) -> Session<'a> {
        self.terminal.start(call)
    }

    pub fn start_redirected<'a>(&self, call: Call<'a>) -> Session<'a> {
        self.terminal.start_redirected(call)
    }

    /// Starts a shell with job control, whose prompt is `$ `, and waits for the prompt.
    pub fn start_bash<'a>(&self, env: &'a TestEnv, variables: &[(&str, String)]) -> Session<'a> {
        let mut call = env.command(["bash", "--norc", "--noprofile", "-i"]);
        call.command.env("PS1", "$ ").env("HISTFILE", "").envs(variables.iter().cloned());
        let session = self.start(call);
        self.wait_for("$ ");
        session
    }

    pub fn stream(&self) -> Stdio {
        self.terminal.stream()
    }

    pub fn press(&self, keys: &str) {
        self.terminal.press(keys);
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        self.shown().parser.screen_mut().set_size(cells(rows), cells(columns));
        // SAFETY: reads a winsize that is there.
        let set = unsafe { libc::ioctl(self.terminal.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(set, 0);
    }

    /// Writes to the terminal as any program on it would.
    pub fn write(&self, bytes: &[u8]) {
        (&self.terminal.side).write_all(bytes).expect("the terminal takes bytes");
    }

    /// Stops taking what is written to the terminal, or goes on.
    pub fn pause(&self, paused: bool) {
        self.shown().paused = paused;
    }

    /// As `tty` tells it.
    pub fn name(&self) -> String {
        nix::unistd::ttyname(&self.terminal.side).expect("it has a name").to_string_lossy().into_owned()
    }

    /// The terminal's modes.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.terminal.side).expect("it is a terminal")
    }

    /// What is on it.
    pub fn contents(&self) -> String {
        self.shown().parser.screen().contents()
    }

    /// What is on it with what scrolled off its top, without blank lines at the end.
    pub fn all(&self) -> String {
        let mut shown = self.shown();
        let screen = shown.parser.screen_mut();
        let columns = screen.size().1.into();
        screen.set_scrollback(usize::MAX);
        let mut lines = Vec::new();
        let off = screen.scrollback();
        for back in (1..=off).rev() {
            screen.set_scrollback(back);
            lines.extend(screen.rows(0, columns).next());
        }
        screen.set_scrollback(0);
        lines.extend(screen.rows(0, columns));
        lines.join("\n").trim_end().to_owned()
    }

    /// Every byte that was written to it.
    pub fn bytes(&self) -> Vec<u8> {
        self.shown().bytes.clone()
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("'{text}'"), |screen| screen.contains(text));
    }

    /// Waits until a condition holds for what is on the screen.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !condition(&self.contents()) {
            assert!(begun.elapsed() < PATIENCE, "timed out: {what}; on the screen:\n{}", self.contents());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until nothing but a prompt follows the line with a text.
    #[track_caller]
    pub fn wait_for_prompt_after(&self, text: &str) {
        self.wait_until(&format!("a prompt after '{text}'"), |shown| {
            shown.rsplit_once(text).is_some_and(|(_, rest)| rest.trim_end().ends_with("\n$"))
        });
    }

    /// Waits until everything that was written to it so far is on it.
    pub fn settle(&self) {
        self.write(b"\x1b]0;end\x07"); // a title, after everything else
        until("the end of the output", || self.bytes().ends_with(b"\x1b]0;end\x07"));
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().expect("no one panics")
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal of some size")
}
