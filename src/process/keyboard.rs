//! The user's terminal while the command has a terminal of its own (`--stdio pty`): it is raw, and
//! what is typed goes to the command's terminal, which makes of it what the command wants: lines,
//! signals, or keys as they are.
//!
//! One key is not passed on: Ctrl-Z, where it would stop the command. The command's session holds
//! nobody who could let it go on, so the kernel would ignore it; effllm stops the command itself.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction, signal};
use nix::sys::termios::{
    LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr, tcsetattr,
};
use nix::unistd::{read, write};

use crate::process::is_ours;

/// As much as is read before the command has taken it.
const BUFFER: usize = 1024;

/// The user's terminal, raw for as long as it is [held](Keyboard::hold).
#[derive(Debug)]
pub struct Keyboard {
    terminal: OwnedFd,
    /// As it was when it first was ours: before that its modes are a shell's.
    original: Option<Termios>,
    held: bool,
    /// Our end of the command's terminal; does not block.
    command: OwnedFd,
    /// What was typed and the command's terminal has not taken yet.
    waiting: Vec<u8>,
    /// Nothing more will come.
    hung_up: bool,
}

/// A key that effllm itself must know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Ctrl-C, which the command gets too.
    Interrupt,
    /// Ctrl-\, which it gets too.
    Quit,
    /// Ctrl-Z, which it does not.
    Suspend,
}

/// The bytes that stand for these keys now; `None` where they are keys like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Meaning {
    interrupt: Option<u8>,
    quit: Option<u8>,
    suspend: Option<u8>,
}

impl Keyboard {
    pub fn new(terminal: OwnedFd, command: OwnedFd) -> Self {
        Self { terminal, original: None, held: false, command, waiting: Vec::new(), hung_up: false }
    }

    /// Makes the terminal raw, if it is ours to arrange.
    pub fn hold(&mut self) {
        restore_at_death();
        if self.original.is_none() && is_ours(&self.terminal) {
            self.original = tcgetattr(&self.terminal).ok();
        }
        let Some(mut raw) = self.original.clone() else { return };
        let _ = RESTORED_AT_DEATH.set((self.terminal.as_raw_fd(), raw.clone().into()));
        cfmakeraw(&mut raw);
        self.held = self.set(&raw);
    }

    /// Whether the terminal is raw for the command, or will never be again.
    pub fn is_held(&self) -> bool {
        self.held || self.hung_up
    }

    /// Gives the keys their usual meaning back: the command has ended, and Ctrl-C is for effllm. What
    /// the command has left to be shown still ends its lines by itself.
    pub fn release_keys(&mut self) {
        if let Some(mut modes) = self.original.clone().filter(|_| self.held) {
            modes.output_flags.remove(OutputFlags::OPOST);
            self.set(&modes);
        }
    }

    /// Leaves the terminal as it was found.
    pub fn release(&mut self) {
        if let Some(modes) = self.original.as_ref().filter(|_| std::mem::take(&mut self.held)) {
            self.set(modes);
        }
    }

    /// False where the terminal is not ours.
    fn set(&self, modes: &Termios) -> bool {
        is_ours(&self.terminal) && tcsetattr(&self.terminal, SetArg::TCSANOW, modes).is_ok()
    }

    /// The user's terminal.
    pub fn terminal(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }

    /// Our end of the command's terminal.
    pub fn command(&self) -> BorrowedFd<'_> {
        self.command.as_fd()
    }

    /// What to wait for before [`Keyboard::relay`] has something to do.
    pub fn awaited(&self) -> Option<PollFd<'_>> {
        if !self.waiting.is_empty() {
            Some(PollFd::new(self.command.as_fd(), PollFlags::POLLOUT))
        } else if self.held && !self.hung_up {
            Some(PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN))
        } else {
            None
        }
    }

    /// Passes on what was typed, once it is [there](Keyboard::awaited). `can_stop`: whether the
    /// foreground of the command's terminal is a process group that Ctrl-Z would stop if it could.
    pub fn relay(&mut self, can_stop: impl FnOnce(BorrowedFd) -> bool) -> Vec<Key> {
        let mut keys = Vec::new();
        if self.waiting.is_empty() {
            let mut typed = [0; BUFFER];
            match read(&self.terminal, &mut typed) {
                Ok(length @ 1..) => {
                    let typed = typed.get(..length).unwrap_or_default();
                    (self.waiting, keys) = sift(typed, self.meaning(), || can_stop(self.command.as_fd()));
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
        keys
    }

    /// What the keys mean to the command's terminal as the command has set it.
    fn meaning(&self) -> Meaning {
        let Ok(modes) = tcgetattr(&self.command) else { return Meaning::default() };
        let key = |index: SpecialCharacterIndices| {
            let byte = modes.control_chars.get(index as usize).copied().filter(|byte| *byte != DISABLED);
            byte.filter(|_| modes.local_flags.contains(LocalFlags::ISIG))
        };
        Meaning {
            interrupt: key(SpecialCharacterIndices::VINTR),
            quit: key(SpecialCharacterIndices::VQUIT),
            suspend: key(SpecialCharacterIndices::VSUSP),
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.release();
    }
}

/// _POSIX_VDISABLE: no byte stands for this key.
const DISABLED: u8 = 0;

/// What of the typed bytes goes to the command, and what effllm must know.
fn sift(typed: &[u8], meaning: Meaning, can_stop: impl FnOnce() -> bool) -> (Vec<u8>, Vec<Key>) {
    let is = |key: Option<u8>, byte: &u8| key == Some(*byte);
    let stops = typed.iter().any(|byte| is(meaning.suspend, byte)) && can_stop();
    let keys = typed.iter().filter_map(|byte| match byte {
        byte if is(meaning.interrupt, byte) => Some(Key::Interrupt),
        byte if is(meaning.quit, byte) => Some(Key::Quit),
        byte if stops && is(meaning.suspend, byte) => Some(Key::Suspend),
        _ => None,
    });
    let passed = typed.iter().filter(|byte| !(stops && is(meaning.suspend, byte)));
    (passed.copied().collect(), keys.collect())
}

/// What the terminal is set to if a signal that is not taken ends effllm.
static RESTORED_AT_DEATH: OnceLock<(i32, libc::termios)> = OnceLock::new();

/// Signals that a fault of effllm's own raises; those that others send are taken.
const DEADLY: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGFPE,
    Signal::SIGABRT,
    Signal::SIGTRAP,
    Signal::SIGSYS,
];

/// Has the terminal restored if effllm dies by a signal. The command is not concerned: what is
/// handled here is at its default there.
fn restore_at_death() {
    let die = SigAction::new(SigHandler::Handler(die), SaFlags::empty(), SigSet::empty());
    for deadly in DEADLY {
        // SAFETY: the handler makes only async-signal-safe calls.
        if let Ok(before) = unsafe { sigaction(deadly, &die) }
            && matches!(before.handler(), SigHandler::SigIgn)
        {
            // SAFETY: it was ignored before.
            let _ = unsafe { sigaction(deadly, &before) };
        }
    }
}

extern "C" fn die(number: libc::c_int) {
    if let Some((terminal, original)) = RESTORED_AT_DEATH.get() {
        // SAFETY: sets the modes of a terminal by a descriptor; async-signal-safe.
        unsafe { libc::tcsetattr(*terminal, libc::TCSANOW, original) };
    }
    if let Ok(deadly) = Signal::try_from(number) {
        // SAFETY: the default disposition runs no code of ours. The signal comes when this returns.
        let _ = unsafe { signal(deadly, SigHandler::SigDfl) };
        let _ = raise(deadly);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_passed_on_but_for_the_key_that_stops() {
        use Key::{Interrupt, Quit, Suspend};
        let usual = Meaning { interrupt: Some(3), quit: Some(28), suspend: Some(26) };
        let raw = Meaning::default();
        for (typed, meaning, can_stop, passed, keys) in [
            (&b"ls\r"[..], usual, true, &b"ls\r"[..], &[][..]),
            (b"a\x03b", usual, true, b"a\x03b", &[Interrupt]),
            (b"\x1c", usual, true, b"\x1c", &[Quit]),
            (b"\x03\x03\x03", usual, true, b"\x03\x03\x03", &[Interrupt; 3]),
            (b"a\x1ab", usual, true, b"ab", &[Suspend]),
            (b"a\x1ab", usual, false, b"a\x1ab", &[]),
            (b"\x1a\x03", usual, false, b"\x1a\x03", &[Interrupt]),
            (b"\x03\x1a", raw, true, b"\x03\x1a", &[]),
            (b"", usual, true, b"", &[]),
        ] {
            let sifted = sift(typed, meaning, || can_stop);
            assert_eq!(sifted, (passed.to_vec(), keys.to_vec()), "{typed:?}");
        }
    }
}
