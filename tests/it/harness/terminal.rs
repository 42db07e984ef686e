//! A terminal of our own: a real pseudo-terminal with an emulator that shows what is on it.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{PtyMaster, Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{Termios, tcgetattr};

use super::{Call, PATIENCE, Session};

/// Lines that scrolled off the top are kept, so that the whole of what was shown can be compared.
const SCROLLBACK: usize = 1000;

pub struct Screen {
    master: File,
    side: File,
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
        // Closed on exec: a copy in any other test's process would keep it alive.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master: PtyMaster = posix_openpt(flags).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let name = ptsname_r(&master).expect("it has a name");
        let side = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name);
        let shown = Shown {
            parser: vt100::Parser::new(cells(rows), cells(columns), SCROLLBACK),
            bytes: Vec::new(),
            held: false,
            paused: false,
        };
        let screen = Self {
            master: File::from(std::os::fd::OwnedFd::from(master)),
            side: side.expect("its other side"),
            shown: Arc::new(Mutex::new(shown)),
        };
        screen.resize(rows, columns);
        let (mut master, shown) = (screen.master.try_clone().expect("a descriptor"), screen.shown.clone());
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

    /// Starts a command as the leader of a session on this terminal.
    pub fn start<'a>(&self, mut call: Call<'a>) -> Session<'a> {
        let copy = || Stdio::from(self.side.try_clone().expect("a descriptor"));
        call.command.env("TERM", "xterm").stdin(copy()).stdout(copy()).stderr(copy());
        self.start_redirected(call)
    }

    /// The same, with stdin, stdout and stderr as the caller has set them.
    pub fn start_redirected<'a>(&self, mut call: Call<'a>) -> Session<'a> {
        let side = self.side.as_raw_fd();
        let lead = move || {
            nix::unistd::setsid()?;
            // SAFETY: makes the terminal the session's; no memory is handed over.
            nix::errno::Errno::result(unsafe { libc::ioctl(side, libc::TIOCSCTTY, 0) })?;
            Ok(())
        };
        // SAFETY: both calls are allowed between fork and exec.
        unsafe { call.command.env("TERM", "xterm").pre_exec(lead) };
        call.start_as_it_is()
    }

    /// This terminal, for a stream of a command.
    pub fn stream(&self) -> Stdio {
        self.side.try_clone().expect("a descriptor").into()
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        self.shown().parser.screen_mut().set_size(cells(rows), cells(columns));
        // SAFETY: reads a winsize that is there.
        let set = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(set, 0);
    }

    /// Writes to the terminal as any program on it would.
    pub fn write(&self, bytes: &[u8]) {
        (&self.side).write_all(bytes).expect("the terminal takes bytes");
    }

    pub fn press(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Stops taking what is written to the terminal, or goes on.
    pub fn pause(&self, paused: bool) {
        self.shown().paused = paused;
    }

    /// As `tty` tells it.
    pub fn name(&self) -> String {
        nix::unistd::ttyname(&self.side).expect("it has a name").to_string_lossy().into_owned()
    }

    /// The terminal's modes.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.side).expect("it is a terminal")
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
            assert!(
                begun.elapsed() < PATIENCE,
                "waited in vain for {what}; on the screen:\n{}",
                self.contents()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().expect("no one panics")
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal of some size")
}
