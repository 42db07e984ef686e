//! A terminal of the command's own: a pseudo-terminal that looks like the user's.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// Both ends of a pseudo-terminal; neither is inherited by the command.
#[derive(Debug)]
pub struct Pty {
    /// Our end; does not block.
    pub master: OwnedFd,
    /// The command's end.
    pub slave: OwnedFd,
}

impl Pty {
    /// A terminal with the modes and the size of this one. While this one is in another's hands its
    /// modes are a line editor's, and the new one keeps those of any new terminal.
    ///
    /// # Errors
    /// The system has no pseudo-terminal to give.
    pub fn like(terminal: impl AsFd) -> io::Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let master = posix_openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave: File = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(ptsname_r(&master)?)?;
        if is_ours(&terminal) {
            tcsetattr(&slave, SetArg::TCSANOW, &tcgetattr(&terminal)?)?;
        }
        fit(&terminal, &slave);
        Ok(Self { master: master.into(), slave: slave.into() })
    }
}

/// Whether a terminal is ours to arrange: effllm is in its foreground, or it controls nobody here. In
/// the background (`&`) it is the shell's, and the kernel would stop who changes its modes.
pub fn is_ours(terminal: impl AsFd) -> bool {
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}

/// Gives a terminal the size of another; its foreground processes hear of it if it changes. True if it
/// does.
pub fn fit(like: impl AsFd, terminal: impl AsFd) -> bool {
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
