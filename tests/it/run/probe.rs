//! A program that tells what it was started with. It is this test's own binary, which looks before
//! Rust's runtime changes anything, and runs no test where [`VARIABLE`] asks for this.

use std::fmt::Write as _;
use std::fs;

use nix::libc;

/// Set, this binary is the probe.
pub const VARIABLE: &str = "EFFLLM_TEST_PROBE";

extern "C" fn probe() {
    if std::env::var_os(VARIABLE).is_some() {
        let told = tell();
        // SAFETY: writes bytes that are there, and ends the process.
        unsafe {
            libc::write(1, told.as_ptr().cast(), told.len());
            libc::_exit(0);
        }
    }
}

// SAFETY: the loader calls each function of .init_array once, before anything else runs.
#[used]
#[unsafe(link_section = ".init_array")]
static PROBE: extern "C" fn() = probe;

/// Everything that a process inherits, a line each.
fn tell() -> String {
    let mut told = String::new();
    signals(&mut told);
    attributes(&mut told);
    descriptors(&mut told);
    for name in
        ["limits", "cgroup", "oom_score_adj", "coredump_filter", "timerslack_ns", "loginuid", "uid_map"]
    {
        let text = fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        for line in text.lines() {
            let _ = writeln!(told, "{name}: {line}");
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let varies = [
        "Name", "Pid", "PPid", "Tgid", "NStgid", "NSpid", "SigQ", "FDSize", "Vm", "Rss", "Hugetlb", "Threads",
    ];
    let varies =
        |line: &&str| varies.iter().chain(&["voluntary", "nonvoluntary"]).any(|name| line.starts_with(name));
    for line in status.lines().filter(|line| !varies(line)) {
        let _ = writeln!(told, "status: {line}");
    }
    for namespace in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let leads = fs::read_link(format!("/proc/self/ns/{namespace}"));
        let _ = writeln!(told, "namespace {namespace}: {leads:?}");
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
        tell("session", libc::getsid(0).into());
        tell("process group", libc::getpgrp().into());
        for fd in 0..3 {
            tell("a terminal", libc::isatty(fd).into());
            tell("its foreground", libc::tcgetpgrp(fd).into());
        }
        tell("niceness", libc::getpriority(libc::PRIO_PROCESS, 0).into());
        tell("scheduler", libc::sched_getscheduler(0).into());
        tell("io priority", libc::syscall(libc::SYS_ioprio_get, 1, 0));
        tell("personality", libc::personality(0xffff_ffff).into());
        for timer in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
            let mut left: libc::itimerval = std::mem::zeroed();
            libc::getitimer(timer, &raw mut left);
            tell("timer", left.it_value.tv_sec);
        }
        let mask = libc::umask(0);
        libc::umask(mask);
        tell("umask", mask.into());
    }
}

/// Those of this process, by where they lead and with their flags.
fn descriptors(told: &mut String) {
    for fd in 0..256 {
        // SAFETY: asks of a descriptor, which need not be open.
        let (flags, status) = unsafe { (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL)) };
        if flags != -1 {
            let leads = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            // Every pipe has a number of its own.
            let leads = leads.to_string_lossy().split('[').next().unwrap_or_default().to_owned();
            let _ = writeln!(told, "descriptor {fd}: {leads}, flags {flags:o}, {status:o}");
        }
    }
}
