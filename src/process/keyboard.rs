//! The user's terminal while the command has a terminal of its own (`--stdio pty`): raw, so that typed
//! bytes reach the command's terminal, whose modes turn them into lines, signals or single keys.
//!
//! One key is not passed on: Ctrl-Z, where it would stop the command. The command's session has no
//! process that could continue it, so the kernel would ignore the key; effllm stops the command itself.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, raise, signal};
use nix::sys::termios::{
    LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr, tcsetattr,
};
use nix::unistd::{read, write};

use super::pty::{has_foreground, resize};
use crate::thread::FAULTS;

/// Most bytes that are read before the command has taken them.
const BUFFER: usize = 1024;

/// The user's terminal, raw for as long as it is [held](Keyboard::hold).
#[derive(Debug)]
pub struct Keyboard {
    terminal: OwnedFd,
    /// Its modes when effllm first was in its foreground: before that they are a shell's.
    original: Option<Termios>,
    held: bool,
    /// effllm's end of the command's terminal; does not block.
    command: OwnedFd,
    /// The command's terminal began with the modes of the user's.
    modes_are_users: bool,
    /// Typed bytes that the command's terminal has not taken yet.
    waiting: Vec<u8>,
    /// The user's terminal has ended.
    hung_up: bool,
}

/// The signals of a terminal's keys, and where its modes name the byte of each.
const KEYS: [(c_int, SpecialCharacterIndices); 3] = [
    (libc::SIGINT, SpecialCharacterIndices::VINTR),
    (libc::SIGQUIT, SpecialCharacterIndices::VQUIT),
    (libc::SIGTSTP, SpecialCharacterIndices::VSUSP),
];

impl Keyboard {
    pub fn new(terminal: OwnedFd, command: OwnedFd) -> Self {
        let modes_are_users = has_foreground(&terminal);
        Self {
            terminal,
            original: None,
            held: false,
            command,
            modes_are_users,
            waiting: Vec::new(),
            hung_up: false,
        }
    }

    /// Makes the terminal raw, if effllm is in its foreground.
    pub fn hold(&mut self) {
        restore_at_death();
        if self.original.is_none() && has_foreground(&self.terminal) {
            self.original = tcgetattr(&self.terminal).ok();
        }
        let Some(mut raw) = self.original.clone() else { return };
        let _ = RESTORED_AT_DEATH.set((self.terminal.as_raw_fd(), raw.clone().into()));
        cfmakeraw(&mut raw);
        self.held = self.set(&raw);
    }

    /// Whether the terminal is raw, or has ended.
    pub fn is_held(&self) -> bool {
        self.held || self.hung_up
    }

    /// Hands the keys back: the command has ended. The keys that it did not read are for the next program on
    /// the terminal, its modes stay, and Ctrl-C is for effllm. The output modes follow later, because the rest
    /// of the command's output ends its lines by itself. `slave`: the command's end of its terminal.
    pub fn hand_back(&mut self, slave: &OwnedFd) {
        let Some(original) = self.original.clone().filter(|_| self.held) else { return };
        let Ok(left) = tcgetattr(slave) else { return };
        let mut modes = if self.modes_are_users { left.clone() } else { original };
        self.original = Some(modes.clone());
        let mut typed = std::mem::take(&mut self.waiting);
        typed.extend(read_available(&self.terminal));
        let unread = drain(slave, left);
        let mut silent = modes.clone();
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ISIG);
        self.set(&silent); // the command's terminal has done both
        put_back(&self.terminal, &unread);
        modes.output_flags.remove(OutputFlags::OPOST);
        self.set(&modes);
        put_back(&self.terminal, &typed);
    }

    /// Leaves the terminal as it was found, or [as the command left it](Keyboard::hand_back).
    pub fn release(&mut self) {
        if let Some(modes) = self.original.as_ref().filter(|_| std::mem::take(&mut self.held)) {
            self.set(modes);
        }
    }

    /// False where effllm is not in the terminal's foreground.
    fn set(&self, modes: &Termios) -> bool {
        has_foreground(&self.terminal) && tcsetattr(&self.terminal, SetArg::TCSANOW, modes).is_ok()
    }

    /// Gives the command's terminal the size of the user's. True if it changes.
    pub fn resize_command(&self) -> bool {
        resize(&self.terminal, &self.command)
    }

    /// effllm's end of the command's terminal.
    pub fn command(&self) -> BorrowedFd<'_> {
        self.command.as_fd()
    }

    /// The descriptor that is ready when [`Keyboard::relay`] has something to do.
    pub fn awaited(&self) -> Option<PollFd<'_>> {
        if !self.waiting.is_empty() {
            Some(PollFd::new(self.command.as_fd(), PollFlags::POLLOUT))
        } else if self.held && !self.hung_up {
            Some(PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN))
        } else {
            None
        }
    }

    /// Passes typed bytes on, once they are [there](Keyboard::awaited). `can_stop`: whether Ctrl-Z would
    /// stop the foreground of the command's terminal if the kernel did not ignore it. Returns the signals of
    /// keys that have a consequence for effllm itself: the command receives all of them but for Ctrl-Z.
    pub fn relay(&mut self, can_stop: impl FnOnce() -> bool) -> Vec<c_int> {
        let mut signals = Vec::new();
        if self.waiting.is_empty() {
            let mut typed = [0; BUFFER];
            match read(&self.terminal, &mut typed) {
                Ok(length @ 1..) => {
                    let typed = typed.get(..length).unwrap_or_default();
                    (self.waiting, signals) = split_keys(typed, &self.special_keys(), can_stop);
                }
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Ok(0) | Err(_) => self.hung_up = true,
            }
        }
        match write(&self.command, &self.waiting) {
            Ok(written) => drop(self.waiting.drain(..written)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.waiting.clear(), // the command has closed its terminal
        }
        signals
    }

    /// The bytes that stand for signals in the command's terminal as the command has set it.
    fn special_keys(&self) -> Vec<(u8, c_int)> {
        let Ok(modes) = tcgetattr(&self.command) else { return Vec::new() };
        let key = |(signal, index)| Some((*modes.control_chars.get(index as usize)?, signal));
        let is_set =
            |(byte, _): &(u8, c_int)| *byte != DISABLED && modes.local_flags.contains(LocalFlags::ISIG);
        KEYS.into_iter().filter_map(key).filter(is_set).collect()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.release();
    }
}

/// Everything that was typed on a command's terminal and not read. `modes`: its present ones.
fn drain(slave: &OwnedFd, mut modes: Termios) -> Vec<u8> {
    modes.local_flags.remove(LocalFlags::ICANON);
    for index in [SpecialCharacterIndices::VMIN, SpecialCharacterIndices::VTIME] {
        modes.control_chars.get_mut(index as usize).into_iter().for_each(|count| *count = 0);
    }
    if tcsetattr(slave, SetArg::TCSANOW, &modes).is_err() {
        return Vec::new();
    }
    read_available(slave)
}

/// What a terminal that is not read line by line has now.
fn read_available(terminal: &OwnedFd) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut some = [0; BUFFER];
    let is_readable =
        || poll(&mut [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1);
    while is_readable()
        && let Ok(length @ 1..) = read(terminal, &mut some)
    {
        bytes.extend_from_slice(some.get(..length).unwrap_or_default());
    }
    bytes
}

/// Types bytes on a terminal, as far as the kernel permits (TIOCSTI).
fn put_back(terminal: &OwnedFd, bytes: &[u8]) {
    // SAFETY: reads a byte that is there.
    let put = |byte: &u8| unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSTI, &raw const *byte) } == 0;
    let _ = bytes.iter().all(put);
}

/// _POSIX_VDISABLE: no byte stands for this key.
const DISABLED: u8 = 0;

/// The typed bytes for the command, and the signals of the keys among them that effllm itself must handle.
fn split_keys(
    typed: &[u8],
    special: &[(u8, c_int)],
    can_stop: impl FnOnce() -> bool,
) -> (Vec<u8>, Vec<c_int>) {
    let signal = |byte: u8| special.iter().find(|(key, _)| *key == byte).map(|(_, signal)| *signal);
    let is_stop = |byte: u8| signal(byte) == Some(libc::SIGTSTP);
    let stops = typed.iter().any(|byte| is_stop(*byte)) && can_stop();
    let passed = typed.iter().copied().filter(|byte| !(stops && is_stop(*byte)));
    let handled = typed.iter().copied().filter(|byte| stops || !is_stop(*byte));
    (passed.collect(), handled.filter_map(signal).collect())
}

/// The terminal and its original modes, for the case that a fault ends effllm.
static RESTORED_AT_DEATH: OnceLock<(i32, libc::termios)> = OnceLock::new();

/// Restores the terminal if a fault ends effllm. The command is not affected: exec resets handlers.
fn restore_at_death() {
    for fault in FAULTS.into_iter().chain([Signal::SIGABRT]) {
        // SAFETY: the handler makes only async-signal-safe calls. A signal that was ignored stays ignored.
        unsafe {
            if let Ok(SigHandler::SigIgn) = signal(fault, SigHandler::Handler(die)) {
                let _ = signal(fault, SigHandler::SigIgn);
            }
        }
    }
}

extern "C" fn die(number: c_int) {
    if let Some((terminal, original)) = RESTORED_AT_DEATH.get() {
        // SAFETY: sets the modes of a terminal by a descriptor; async-signal-safe.
        unsafe { libc::tcsetattr(*terminal, libc::TCSANOW, original) };
    }
    if let Ok(fault) = Signal::try_from(number) {
        // SAFETY: the default disposition runs no code of ours. The signal comes when this returns.
        let _ = unsafe { signal(fault, SigHandler::SigDfl) };
        let _ = raise(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_bytes_are_passed_on_except_for_the_key_that_stops() {
        use libc::{SIGINT, SIGQUIT, SIGTSTP};
        let usual = &[(3, SIGINT), (28, SIGQUIT), (26, SIGTSTP)][..];
        let raw = &[][..];
        for (typed, special, can_stop, passed, signals) in [
            (&b"ls\r"[..], usual, true, &b"ls\r"[..], &[][..]),
            (b"a\x03b", usual, true, b"a\x03b", &[SIGINT]),
            (b"\x1c", usual, true, b"\x1c", &[SIGQUIT]),
            (b"\x03\x03\x03", usual, true, b"\x03\x03\x03", &[SIGINT; 3]),
            (b"a\x1ab", usual, true, b"ab", &[SIGTSTP]),
            (b"a\x1ab", usual, false, b"a\x1ab", &[]),
            (b"\x1a\x03", usual, false, b"\x1a\x03", &[SIGINT]),
            (b"\x03\x1a", raw, true, b"\x03\x1a", &[]),
            (b"", usual, true, b"", &[]),
        ] {
            let split = split_keys(typed, special, || can_stop);
            assert_eq!(split, (passed.to_vec(), signals.to_vec()), "{typed:?}");
        }
    }
}
