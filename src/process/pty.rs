//! A terminal of the command's own: a pseudo-terminal that looks like the user's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::tcgetattr;
use nix::unistd::{getpgrp, tcgetpgrp};

/// effllm's end, which does not block, and the command's end of a terminal with the modes and the size of this
/// one; the command inherits neither. While another process group is in the foreground of this one, its modes
/// may be a line editor's, and the new one keeps the default modes.
///
/// # Errors
/// The system has no pseudo-terminal left.
pub fn like(terminal: impl AsFd) -> io::Result<(OwnedFd, OwnedFd)> {
    let modes = if has_foreground(&terminal) { Some(tcgetattr(&terminal)?) } else { None };
    let OpenptyResult { master, slave } = openpty(&size(&terminal), &modes)?;
    for end in [&master, &slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((master, slave))
}

/// Whether effllm may set a terminal's modes: effllm is in its foreground, or the terminal does not
/// control this session. The kernel stops a background process that sets them.
pub fn has_foreground(terminal: impl AsFd) -> bool {
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}

/// Gives a terminal the size of another; the kernel signals its foreground processes if the size
/// changes. True if it does.
pub fn resize(like: impl AsFd, terminal: impl AsFd) -> bool {
    let (Some(wanted), Some(before)) = (size(&like), size(&terminal)) else { return false };
    // SAFETY: reads a winsize that is there.
    unsafe {
        libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const wanted) == 0
            && wanted != before
    }
}

fn size(terminal: impl AsFd) -> Option<Winsize> {
    let mut size = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: writes a winsize that is there.
    let known = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (known == 0).then_some(size)
}
