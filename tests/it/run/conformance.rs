//! Programs are started plain and wrapped, and there is no difference but those documented: the
//! process, its parent, and the pipes for stdout and stderr.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::thread;

use nix::libc;

use super::probe;
use crate::harness::{Done, TestEnv};

/// How a command ended and what it wrote.
#[derive(Debug, PartialEq)]
struct Outcome {
    code: Option<i32>,
    signal: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn of(done: &Done) -> Self {
        Self { code: done.code(), signal: done.signal(), stdout: done.stdout(), stderr: done.stderr() }
    }
}

/// What happens between fork and exec, of the command or of effllm in its place.
type Prepare = fn() -> io::Result<()>;

/// Where both the plain and the wrapped command are started.
fn env() -> TestEnv {
    let mut env = TestEnv::new();
    // The one variable that effllm would set.
    env.set("PYTHONUNBUFFERED", "1");
    env
}

fn start(env: &TestEnv, argv: &[OsString], is_wrapped: bool, input: &str, prepare: Prepare) -> Outcome {
    let call = if is_wrapped {
        let options = ["run", "--quiet", "-o", "home/report.json", "--"].map(OsString::from);
        env.effllm(options.iter().chain(argv))
    } else {
        env.command(argv)
    };
    let mut session = call.before_exec(prepare).start();
    for line in input.lines() {
        session.type_line(line);
    }
    Outcome::of(&session.wait())
}

#[track_caller]
fn compare(env: &TestEnv, argv: &[OsString], input: &str, prepare: Prepare) -> Outcome {
    let plain = start(env, argv, false, input, prepare);
    let wrapped = start(env, argv, true, input, prepare);
    if plain != wrapped {
        let lines =
            plain.stdout.lines().zip(wrapped.stdout.lines()).find(|(plain, wrapped)| plain != wrapped);
        panic!("{argv:?} differs\nplain:   {plain:?}\nwrapped: {wrapped:?}\nfirst: {lines:#?}");
    }
    plain
}

fn sh(script: &str) -> Vec<OsString> {
    ["sh", "-c", script].map(OsString::from).to_vec()
}

fn nothing() -> io::Result<()> {
    Ok(())
}

/// Starts the probe, also where nothing is measured and effllm becomes it.
#[track_caller]
fn compare_probes(prepare: Prepare) -> Outcome {
    let mut env = env();
    env.set(probe::VARIABLE, "1");
    let this = [std::env::current_exe().expect("this binary").into()];
    let told = compare(&env, &this, "", prepare);
    assert_eq!((told.code, told.stderr.as_str()), (Some(probe::STATUS), ""));
    env.set("EFFICIENTLLM_METRICS_ENABLED", "false");
    compare(&env, &this, "", prepare);
    told
}

#[test]
fn everything_that_a_process_inherits_is_the_same() {
    let told = compare_probes(nothing).stdout;
    for part in
        ["signal 64: 0", "subreaper: 0", "status CapEff", "descriptor 2: pipe:", "limits Max open files"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn the_environment_keeps_its_order_its_duplicates_and_what_is_no_variable() {
    const ENTRIES: [&CStr; 6] = [c"B=2", c"A=1", c"EFFLLM_NVML_LIB=none", c"no variable", c"A=3", c"=x"];
    const ARGUMENTS: [&CStr; 7] =
        [c"effllm", c"run", c"-q", c"-oreport.json", c"--", c"/bin/cat", c"/proc/self/environ"];
    let env = TestEnv::new();
    // Rust's Command would put the environment in order.
    let effllm = CString::new(env!("CARGO_BIN_EXE_effllm")).expect("a path");
    let call = env.command(["true"]).before_exec(move || {
        let list = |entries: &[&CStr]| -> Vec<*const libc::c_char> {
            entries.iter().map(|entry| entry.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (arguments, entries) = (list(&ARGUMENTS), list(&ENTRIES));
        // SAFETY: both lists end with a null pointer.
        unsafe { libc::execve(effllm.as_ptr(), arguments.as_ptr(), entries.as_ptr()) };
        Err(io::Error::last_os_error())
    });
    let told = "B=2\0A=1\0EFFLLM_NVML_LIB=none\0no variable\0A=3\0=x\0PYTHONUNBUFFERED=1\0";
    assert_eq!(call.done().stdout(), told);
}

#[test]
fn what_the_caller_has_changed_is_still_so() {
    let told = compare_probes(|| {
        // SAFETY: each call changes an attribute of the process that is about to be executed.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            libc::signal(libc::SIGUSR2, libc::SIG_IGN);
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            libc::signal(libc::SIGSEGV, libc::SIG_IGN);
            libc::signal(40, libc::SIG_IGN);
            let mut blocked: libc::sigset_t = std::mem::zeroed();
            for signal in [libc::SIGTERM, libc::SIGCHLD, libc::SIGWINCH, 41] {
                libc::sigaddset(&raw mut blocked, signal);
            }
            libc::sigprocmask(libc::SIG_SETMASK, &raw const blocked, std::ptr::null_mut());
            libc::umask(0o027);
            libc::setpriority(libc::PRIO_PROCESS, 0, 13);
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::prctl(libc::PR_SET_TIMERSLACK, 123_456);
            libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR1);
            libc::syscall(libc::SYS_ioprio_set, 1, 0, 2 << 13 | 7);
            let limit = libc::rlimit { rlim_cur: 100, rlim_max: 200 };
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
            let only_first: libc::cpu_set_t = {
                let mut set = std::mem::zeroed();
                libc::CPU_SET(0, &mut set);
                set
            };
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const only_first);
            let batch: libc::sched_param = std::mem::zeroed();
            libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const batch);
        }
        Ok(())
    })
    .stdout;
    for part in [
        "signal 13: 1",
        "signal 40: 1",
        "umask: 23",
        "niceness: 13",
        "scheduler: 3",
        "no_new_privs: 1",
        "pdeathsig: 10",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_session_of_its_own_and_further_descriptors_are_kept() {
    let told = compare_probes(|| {
        // SAFETY: makes descriptors that the executed program keeps.
        unsafe {
            libc::dup2(0, 17);
            // Under a number of its own: which is the lowest free one depends on the other tests.
            let opened = libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY | libc::O_NONBLOCK);
            libc::dup2(opened, 19);
            if opened != 19 {
                libc::close(opened);
            }
        }
        Ok(())
    })
    .stdout;
    assert!(told.contains("descriptor 17: pipe:") && told.contains("/etc/passwd, flags 0"), "{told}");
}

#[test]
fn closed_standard_streams_stay_closed() {
    fn close<const FD: i32>() -> io::Result<()> {
        // SAFETY: a descriptor of the process that is about to be executed.
        unsafe { libc::close(FD) };
        Ok(())
    }
    let env = env();
    let tell = sh(
        "for fd in 0 1 2; do [ -e /proc/$$/fd/$fd ] && echo $fd >>told; done; echo out; echo err >&2; read x; echo $?; exit 3",
    );
    for prepare in
        [close::<0> as Prepare, close::<1>, close::<2>, || close::<0>().and(close::<1>()).and(close::<2>())]
    {
        let told = [false, true].map(|is_wrapped| {
            let outcome = start(&env, &tell, is_wrapped, "", prepare);
            let told = fs::read_to_string(env.path("told")).unwrap_or_default();
            let _ = fs::remove_file(env.path("told"));
            (outcome, told)
        });
        assert_eq!(told[0], told[1]);
    }
}

#[test]
fn small_programs_behave_alike() {
    let mut env = env();
    env.write("bin/found", "#!/bin/sh\necho found $0 $*\n").write("plain", "echo no shebang $0 $# $1\n");
    env.write("here", "#!/bin/sh\necho here $0\n")
        .write("broken", "#!/no/such/interpreter\n")
        .write("data", "a\nb\nc\n");
    for name in ["bin/found", "plain", "here", "broken"] {
        fs::set_permissions(env.path(name), fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let path = format!("{}:{}", env.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    env.set("PATH", path).set("ODD", OsStr::from_bytes(b"\xff\xfe=\n")).set("EMPTY", "");
    for (script, input) in [
        ("cat", "one\ntwo\n"),
        ("read a; echo \"got $a\"; read b; echo \"and $b\" >&2; exit 4", "x\ny\n"),
        ("printf 'no newline'", ""),
        ("printf '\\000\\377\\r\\n\\033[31m' ; printf err >&2", ""),
        ("for fd in 0 1 2; do test -t $fd; echo $?; done", ""),
        ("ulimit -a", ""),
        ("ulimit -n 64; ulimit -S -c 0; ulimit -a", ""),
        ("umask; umask 077; touch private; stat -c %a private; rm private", ""),
        ("ps -o pgid=,sid=,tty=,tpgid=,ni=,cls= -p $$ | tr -s ' '", ""),
        ("nice; nice -n 5 nice", ""),
        ("env | grep -v '^_=' | sort", ""),
        ("cat /proc/$$/environ | tr '\\0' '\\n' | grep -v '^_=' | sort", ""),
        ("pwd; pwd -P; readlink /proc/$$/cwd; echo $OLDPWD", ""),
        ("cat /proc/$$/cgroup /proc/$$/oom_score_adj /proc/$$/limits", ""),
        ("grep -E '^(Cap|Sec|NoNew|Groups|Uid|Gid|Cpus_allowed)' /proc/$$/status", ""),
        ("grep -E '^(Sig|Shd)' /proc/$$/status | grep -v SigQ", ""),
        ("trap 'echo told' USR1; kill -USR1 $$; echo after", ""),
        ("trap '' TERM; kill -TERM $$; echo still here; exit 9", ""),
        ("trap 'exit 12' EXIT; kill -INT $$; sleep 9", ""),
        ("kill -SEGV $$", ""),
        ("sh -c 'kill -KILL $$'; echo $?", ""),
        ("(exit 3) & wait $!; echo $?", ""),
        ("sleep 0.05 & wait; jobs; echo done", ""),
        ("yes | head -n 3", ""),
        ("seq 100000 | tail -n 1; seq 20000", ""),
        ("exec 3>&1; echo three >&3; exec 2>&1; echo both >&2", ""),
        ("exec >file; echo into; exec <file; rm file; cat >&2", ""),
        ("exec <data; read a; sh -c 'read b; echo $b'; read c; echo $a $c", ""),
        ("ls /proc/self/fd | wc -l", ""),
        ("flock data echo locked", ""),
        ("timeout 0.1 sleep 5; echo $?", ""),
        ("setsid sh -c 'echo own; exit 5'; echo $?", ""),
        ("found a 'b c' ''", ""),
        ("./here; cd bin; ../here; ./found", ""),
        ("no-such-program; echo $?", ""),
        ("cat /proc/$$/comm; tr '\\0' ' ' </proc/$$/cmdline", ""),
        ("id; hostname; uname -a", ""),
        ("date +%Z; locale 2>/dev/null; echo ${LANG-none} ${TERM-none}", ""),
        ("chrt -p $$ | cut -d: -f2; ionice -p $$; taskset -p $$ | cut -d: -f2", ""),
        ("exec sh -c 'echo executed; exec sh -c \"exit 6\"'", ""),
        ("exit", ""),
        ("", ""),
    ] {
        compare(&env, &sh(script), input, nothing);
    }
    // What is executed without a shell in between.
    for argv in [
        &["found", "x"][..],
        &["./plain", "y"],
        &["plain"],
        &["./here"],
        &["bin/found"],
        &["true"],
        &["false"],
        &["/bin/sh", "-c", "echo $0", "name"],
    ] {
        if *argv != ["plain"] {
            compare(&env, &argv.iter().map(OsString::from).collect::<Vec<_>>(), "", nothing);
        }
    }
    // A plain start of what cannot be executed fails in the caller: effllm says it as a shell would.
    for (program, code) in [("./broken", 127), ("./data", 126), ("./bin", 126), ("", 127)] {
        let outcome = start(&env, &[program.into()], true, "", nothing);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{program}: {outcome:?}");
        assert!(outcome.stderr.starts_with("effllm: error: "), "{outcome:?}");
    }
}

#[test]
fn arguments_are_bytes_of_any_kind_and_number() {
    let env = env();
    let tell = "for a; do printf '%s' \"$a\" | od -An -tx1; done";
    let odd = [
        &b"\xff\xfe"[..],
        b"",
        b" ",
        b"a\nb",
        b"--",
        b"-h",
        b"--help",
        b"\x1b[2J",
        "é".as_bytes(),
        b"*",
        b"$x",
        b"'\"",
    ];
    let mut argv: Vec<OsString> = sh(tell);
    argv.push("name".into());
    argv.extend(odd.map(|bytes| OsString::from_vec(bytes.to_vec())));
    compare(&env, &argv, "", nothing);
    let mut many = sh("echo $# ${#20000}");
    many.extend((0..20_000).map(|i| OsString::from(format!("argument-{i}-{}", "x".repeat(40)))));
    assert_eq!(compare(&env, &many, "", nothing).stdout.split(' ').next(), Some("19999"));
    let long = "y".repeat(120_000);
    let mut one = sh("echo ${#1}");
    one.extend(["name".into(), long.into()]);
    assert_eq!(compare(&env, &one, "", nothing).stdout, "120000\n");
}

#[test]
fn every_exit_status_is_kept() {
    thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                let env = env();
                for code in (part..256).step_by(4) {
                    let outcome = start(&env, &sh(&format!("exit {code}")), true, "", nothing);
                    assert_eq!((outcome.code, outcome.signal), (Some(code), None));
                }
            });
        }
    });
}

#[test]
fn every_signal_ends_both_alike() {
    // Those that stop a process, which is what terminals are for, and those of the C library.
    let others = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, 32, 33];
    let env = env();
    for signal in (1..=libc::SIGRTMAX()).filter(|signal| !others.contains(signal)) {
        let outcome = compare(&env, &sh(&format!("ulimit -c 0; kill -{signal} $$; exit 7")), "", nothing);
        let ignored = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
        let expected = if ignored.contains(&signal) { (Some(7), None) } else { (None, Some(signal)) };
        assert_eq!((outcome.code, outcome.signal), expected, "{signal}");
    }
}

#[test]
fn a_timer_that_was_set_before_still_rings() {
    let alarm = || {
        // SAFETY: sets a timer of the process that is about to be executed.
        unsafe { libc::alarm(4) };
        Ok(())
    };
    let env = env();
    let outcome =
        compare(&env, &sh("trap 'echo rings; exit 8' ALRM; while :; do sleep 0.1; done"), "", alarm);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(8), "rings\n"));
}

#[test]
fn the_commands_children_are_its_own_and_orphans_are_no_ones_burden() {
    let env = env();
    let outcome = compare(
        &env,
        &sh("(sleep 0.2; echo late) >late & (exit 1); echo $?; wait $!; cat late"),
        "",
        nothing,
    );
    assert_eq!(outcome.stdout, "1\nlate\n");
    // An orphan is reaped while the command runs: none stays a zombie below effllm.
    let script = "sh -c 'sh -c \"echo \\$\\$ >orphan; sleep 0.1\" &' ; until [ -s orphan ]; do sleep 0.01; done; \
                  while [ -e /proc/$(cat orphan) ]; do sleep 0.02; done; echo reaped";
    assert_eq!(start(&env, &sh(script), true, "", nothing).stdout, "reaped\n");
}

#[test]
fn no_descriptor_of_ours_is_open_in_the_command() {
    let env = env();
    let mut gpus = TestEnv::new();
    gpus.gpus("gpu = [{ count = 2 }]");
    for env in [&env, &gpus] {
        // What this test itself was started with may be open in both.
        let plain = env.command(["ls", "/proc/self/fd"]).done().stdout();
        assert_eq!(env.effllm(["run", "--quiet", "--", "ls", "/proc/self/fd"]).done().stdout(), plain);
    }
}
