//! A program that tells what it was started with. It is this test's own binary, which looks before
//! Rust's runtime changes anything, and runs no test where [`VARIABLE`] asks for this.

use std::fmt::Write as _;
use std::fs;

use nix::libc;

/// Set, this binary is the probe. It writes to stdout, or to the file that is named by an absolute path.
pub const VARIABLE: &str = "EFFLLM_TEST_PROBE";

/// The probe's exit status.
pub const STATUS: i32 = 7;

extern "C" fn probe() {
    if let Some(to) = std::env::var_os(VARIABLE) {
        let told = tell();
        if to.as_encoded_bytes().starts_with(b"/") {
            fs::write(to, told).expect("the file of the probe");
        } else {
            // SAFETY: writes bytes that are there.
            unsafe { libc::write(1, told.as_ptr().cast(), told.len()) };
        }
        // SAFETY: ends the process.
        unsafe { libc::_exit(STATUS) };
    }
}

// SAFETY: the loader calls each function of .init_array once, before anything else runs.
#[used]
#[unsafe(link_section = ".init_array")]
static PROBE: extern "C" fn() = probe;

/// Everything that a process inherits, a line each: a name that no other line has, and its value. Nothing that
/// follows the number of a process, a pipe or a terminal.
fn tell() -> String {
    let mut told = String::new();
    descriptors(&mut told); // before this opens any itself
    signals(&mut told);
    attributes(&mut told);
    relations(&mut told);
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        stream(&mut told, number.try_into().expect("a small number"), name);
    }
    deeds(&mut told);
    environment(&mut told);
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    for name in [
        "cgroup",
        "oom_score_adj",
        "coredump_filter",
        "timerslack_ns",
        "loginuid",
        "sessionid",
        "uid_map",
        "gid_map",
        "setgroups",
        "timens_offsets",
        "cmdline",
        "comm",
    ] {
        let _ = writeln!(told, "{name}: {:?}", read(name));
    }
    for limit in read("limits").lines().skip(1) {
        let (name, value) = limit.split_at(26.min(limit.len()));
        let _ = writeln!(told, "limits {}: {value}", name.trim());
    }
    let varies = [
        "Name",
        "Pid",
        "PPid",
        "Tgid",
        "NS",
        "SigQ",
        "FDSize",
        "Vm",
        "Rss",
        "Hugetlb",
        "Threads",
        "voluntary",
        "nonvoluntary",
    ];
    for line in read("status").lines().filter(|line| !varies.iter().any(|name| line.starts_with(name))) {
        let _ = writeln!(told, "status {line}");
    }
    for namespace in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let leads = fs::read_link(format!("/proc/self/ns/{namespace}"));
        let _ = writeln!(told, "namespace {namespace}: {leads:?}");
    }
    for name in ["cwd", "root", "exe"] {
        let _ = writeln!(told, "{name}: {:?}", fs::read_link(format!("/proc/self/{name}")).ok());
    }
    told
}

fn signals(told: &mut String) {
    for number in 1..=64 {
        // SAFETY: an all-zero sigaction may be overwritten, and reading one changes nothing.
        let action = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(number, std::ptr::null(), &raw mut action);
            action.sa_sigaction
        };
        let _ = writeln!(told, "signal {number}: {action}");
    }
}

fn attributes(told: &mut String) {
    let mut tell = |name: &str, value: i64| {
        let _ = writeln!(told, "{name}: {value}");
    };
    // SAFETY: each call reads an attribute of this process into an integer or a struct that is there.
    unsafe {
        let mut number: libc::c_int = -1;
        tell("dumpable", libc::prctl(libc::PR_GET_DUMPABLE).into());
        tell("keepcaps", libc::prctl(libc::PR_GET_KEEPCAPS).into());
        tell("securebits", libc::prctl(libc::PR_GET_SECUREBITS).into());
        tell("no_new_privs", libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0).into());
        tell("thp_disable", libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0).into());
        libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut number);
        tell("subreaper", number.into());
        libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut number);
        tell("pdeathsig", number.into());
        tell("niceness", libc::getpriority(libc::PRIO_PROCESS, 0).into());
        tell("scheduler", libc::sched_getscheduler(0).into());
        let mut priority: libc::sched_param = std::mem::zeroed();
        libc::sched_getparam(0, &raw mut priority);
        tell("scheduler's priority", priority.sched_priority.into());
        tell("io priority", libc::syscall(libc::SYS_ioprio_get, 1, 0));
        tell("personality", libc::personality(0xffff_ffff).into());
        for (name, timer) in
            [("real", libc::ITIMER_REAL), ("virtual", libc::ITIMER_VIRTUAL), ("profiling", libc::ITIMER_PROF)]
        {
            let mut left: libc::itimerval = std::mem::zeroed();
            libc::getitimer(timer, &raw mut left);
            tell(&format!("timer {name}"), left.it_value.tv_sec);
        }
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &raw mut stack);
        tell("signal stack", stack.ss_flags.into());
        tell("secure execution", libc::getauxval(libc::AT_SECURE).cast_signed());
        tell("threads", fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count() as i64));
        let mask = libc::umask(0);
        libc::umask(mask);
        tell("umask", mask.into());
    }
}

/// Its session, its process group and its terminal.
fn relations(told: &mut String) {
    let mut tell = |name: &str, value: bool| {
        let _ = writeln!(told, "{name}: {value}");
    };
    // SAFETY: asks of processes and opens a file; no memory is handed over but a string.
    unsafe {
        let (own, parent, group, session) =
            (libc::getpid(), libc::getppid(), libc::getpgrp(), libc::getsid(0));
        tell("leads its group", own == group);
        tell("leads its session", own == session);
        tell("its parent is in its group", libc::getpgid(parent) == group);
        tell("its parent is in its session", libc::getsid(parent) == session);
        tell("its parent may be signalled", libc::kill(parent, 0) == 0);
        let terminal = libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        tell("a controlling terminal", terminal != -1);
        tell("it is in the terminal's foreground", libc::tcgetpgrp(terminal) == group);
        tell("the terminal is its session's", libc::tcgetsid(terminal) == session);
        libc::close(terminal);
    }
}

/// What it can see of one of the standard streams.
fn stream(told: &mut String, fd: i32, name: &str) {
    let mut tell = |fact: &str, value: &dyn std::fmt::Debug| {
        let _ = writeln!(told, "{name} {fact}: {value:?}");
    };
    // SAFETY: asks of a descriptor, which need not be open, into structs that are there.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        tell("open", &libc::fstat(fd, &raw mut stat));
        tell("kind and mode", &format!("{:o}", stat.st_mode));
        tell("owner", &(stat.st_uid, stat.st_gid));
        tell("terminal", &libc::isatty(fd));
        tell("foreground", &(libc::tcgetpgrp(fd) == libc::getpgrp()));
        tell("seeks", &(libc::lseek(fd, 0, libc::SEEK_CUR) != -1));
        tell("capacity", &libc::fcntl(fd, libc::F_GETPIPE_SZ));
        let mut size: libc::winsize = std::mem::zeroed();
        libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size);
        tell("rows and columns", &(size.ws_row, size.ws_col));
        let mut modes: libc::termios = std::mem::zeroed();
        libc::tcgetattr(fd, &raw mut modes);
        tell("modes", &(modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag, modes.c_line));
        tell("keys", &modes.c_cc);
        let mut other: libc::stat = std::mem::zeroed();
        libc::fstat(1, &raw mut other);
        tell("is stdout's file", &((stat.st_dev, stat.st_ino) == (other.st_dev, other.st_ino)));
        if fd == 0 && libc::isatty(fd) == 0 {
            let mut bytes = [0_u8; 64];
            let length = libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len());
            tell("holds", &String::from_utf8_lossy(&bytes[..length.max(0).cast_unsigned()]));
            tell("ends", &libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()));
        }
    }
}

/// What happens to it and its children if they do something.
fn deeds(told: &mut String) {
    let mut tell = |name: &str, deed: fn() -> i32| {
        // SAFETY: there are no other threads; the child ends without returning, and the parent waits for it.
        let status = unsafe {
            let mut status = -1;
            match libc::fork() {
                0 => libc::_exit(deed()),
                child => libc::waitpid(child, &raw mut status, 0),
            };
            status
        };
        let _ = writeln!(told, "{name}: {status}");
    };
    // SAFETY: system calls of a process that ends afterwards.
    unsafe {
        tell("a child's exit status", || 5);
        tell("a child that is killed", || libc::kill(libc::getpid(), libc::SIGKILL));
        tell("a child that makes a group", || libc::setpgid(0, 0));
        tell("a child that makes a session", || (libc::setsid() == -1).into());
        tell("a child that is nice", || libc::nice(1));
        tell("a child that writes where no one reads", || {
            let mut ends = [0; 2];
            libc::pipe(ends.as_mut_ptr());
            libc::close(ends[0]);
            libc::write(ends[1], c"x".as_ptr().cast(), 1) as i32
        });
        tell("a child that is to be told of its timer", || {
            libc::alarm(1);
            libc::alarm(0).cast_signed()
        });
        let left = libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG);
        let _ = writeln!(told, "children that it did not make: {}", left != -1);
    }
}

fn environment(told: &mut String) {
    let text = fs::read("/proc/self/environ").unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut names = Vec::new();
    for (name, value) in text.split('\0').filter_map(|entry| entry.split_once('=')) {
        let _ = writeln!(told, "environment {name}: {value:?}");
        names.push(name);
    }
    let _ = writeln!(told, "environment's order: {names:?}");
}

/// Those of this process, by where they lead and with their flags.
fn descriptors(told: &mut String) {
    for fd in 0..256 {
        // SAFETY: asks of a descriptor, which need not be open.
        let (flags, status) = unsafe { (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL)) };
        if flags != -1 {
            let leads = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            // Every pipe and every terminal has a number of its own.
            // On 64 bits this flag says how a program was compiled.
            let status = status & !0o100_000;
            let leads = leads.to_string_lossy();
            let is_terminal = leads.starts_with("/dev/pts/");
            let leads = if is_terminal { "a terminal" } else { leads.split('[').next().unwrap_or_default() };
            let _ = writeln!(told, "descriptor {fd}: {leads}, flags {flags:o}, {status:o}");
        }
    }
}
