//! A terminal of the command's own: a pseudo-terminal that looks like the user's.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};

/// Both ends of a pseudo-terminal; neither is inherited by the command.
#[derive(Debug)]
pub struct Pty {
    /// Our end; does not block.
    pub master: OwnedFd,
    /// The command's end.
    pub slave: OwnedFd,
}

impl Pty {
    /// A terminal with the modes and the size of this one.
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
        tcsetattr(&slave, SetArg::TCSANOW, &tcgetattr(&terminal)?)?;
        fit(&terminal, &slave);
        Ok(Self { master: master.into(), slave: slave.into() })
    }
}

/// Gives a terminal the size of another; its foreground processes hear of it if it changes.
pub fn fit(like: impl AsFd, terminal: impl AsFd) {
    let mut size = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: both calls take a pointer to a winsize, the first to write it and the second to read it.
    unsafe {
        if libc::ioctl(like.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) == 0 {
            libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size);
        }
    }
}
