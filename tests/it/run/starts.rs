//! The probe is started in the ways in which people start commands, alone and wrapped, in each mode of `--stdio`. It
//! sees no differences but those in the README's table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::thread;

use super::probe;
use crate::harness::requirements::{mention, program};
use crate::harness::terminal::Screen;
use crate::harness::{Call, EFFLLM, ROOT, TestEnv, until};

/// Ways to start a command.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    InteractiveShell,
    Script,
    Cron,
    Setsid,
    Nohup,
    Slurm,
}

use Start::{Cron, InteractiveShell, Nohup, Script, Setsid, Slurm};

const MODES: [&str; 3] = ["pipe", "pty", "inherit"];

/// A row of the README's table, where it holds, and the beginnings of what the probe tells of it.
struct Difference {
    row: &'static str,
    holds: fn(Start, &str) -> bool,
    facts: &'static [&'static str],
}

/// A command gets a terminal of its own only if one of its streams is a terminal: nohup has redirected them.
fn has_own_terminal(start: Start, mode: &str) -> bool {
    start == InteractiveShell && mode == "pty"
}

const DIFFERENCES: [Difference; 5] = [
    Difference {
        row: "a shell's `$_` names effllm",
        holds: |start, _| start == InteractiveShell,
        facts: &["environment _"],
    },
    Difference {
        row: "stdout and stderr are two pipes",
        holds: |start, mode| {
            // Those of the others are two pipes already.
            let is_other = matches!(start, InteractiveShell | Nohup | Cron);
            is_other && mode != "inherit" && !has_own_terminal(start, mode)
        },
        facts: &["descriptor 1", "descriptor 2", "stdout ", "stderr ", "stdin is stdout's file"],
    },
    Difference {
        row: "`PYTHONUNBUFFERED=1` is set",
        holds: |_, mode| mode != "inherit",
        facts: &["environment PYTHONUNBUFFERED", "environment's order"],
    },
    Difference {
        row: "with `--stdio pty`: another session",
        holds: has_own_terminal,
        facts: &["its parent is in its session"],
    },
    Difference {
        row: "it does not lead its process group",
        holds: |start, mode| {
            matches!(start, InteractiveShell | Setsid | Nohup | Slurm) && !has_own_terminal(start, mode)
        },
        facts: &["leads its", "its parent is in its"],
    },
];

/// Starts the probe, and returns what it told by name.
fn told(env: &TestEnv, start: Start, mode: Option<&str>) -> BTreeMap<String, String> {
    let probe = std::env::current_exe().expect("this binary");
    let wrap = mode.map(|mode| format!("{EFFLLM} run -q -o home/report.json --stdio {mode} -- "));
    let by = match start {
        InteractiveShell | Script | Cron => "",
        Setsid => "setsid ",
        Nohup => "nohup ",
        Slurm => "srun -n 1 ",
    };
    let line = format!("{by}{}{}; echo $? >status", wrap.unwrap_or_default(), probe.display());
    match start {
        InteractiveShell | Nohup => {
            let screen = Screen::new(24, 80);
            let _session = screen.start_bash(env, &[]);
            screen.press(&format!("{line}\r"));
            until("the probe", || env.exists("status") && env.read("status").ends_with('\n'));
        }
        Script | Setsid | Slurm => with_input(env.sh(&line)),
        Cron => {
            let variables = ["HOME", "PATH", "EFFLLM_NVML_LIB", probe::VARIABLE];
            let keep = variables.map(|name| format!("{name}=\"${name}\"")).join(" ");
            let cron = format!("exec env -i LOGNAME=root SHELL=/bin/sh {keep} sh -c '{line}' 2>&1");
            with_input(
                env.sh(&cron).before_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from)),
            );
        }
    }
    assert_eq!(env.read("status"), format!("{}\n", probe::STATUS), "{start:?} {mode:?}");
    let text = env.read("told");
    for name in ["status", "told"] {
        fs::remove_file(env.path(name)).expect("it is there");
    }
    let facts = text.lines().map(|line| line.split_once(':').expect("a fact"));
    let facts: Vec<_> = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let count = facts.len();
    let facts = BTreeMap::from_iter(facts);
    assert_eq!(facts.len(), count, "each fact has a name of its own: {text}");
    facts
}

fn with_input(call: Call) {
    let mut session = call.start();
    session.type_line("typed");
    assert_eq!(session.wait().code(), Some(0));
}

fn compare(start: Start) {
    let mut env = TestEnv::new();
    env.set(probe::VARIABLE, env.path("told"));
    let alone = told(&env, start, None);
    let signals = alone.keys().filter(|name| name.starts_with("signal ")).count();
    assert!(alone.len() - signals >= 120, "{} facts without the signals", alone.len() - signals);
    for mode in MODES {
        let wrapped = told(&env, start, Some(mode));
        let names: BTreeSet<_> = alone.keys().chain(wrapped.keys()).collect();
        let differs = |name: &&&String| alone.get(**name) != wrapped.get(**name);
        let mut different: Vec<_> = names.iter().filter(differs).copied().collect();
        for Difference { row, facts, .. } in DIFFERENCES.iter().filter(|row| (row.holds)(start, mode)) {
            let before = different.len();
            different.retain(|name| !facts.iter().any(|fact| name.starts_with(fact)));
            assert!(different.len() < before, "{start:?} with {mode}: no difference of '{row}'");
        }
        let values = |name: &&String| format!("{name}: {:?}, not {:?}", wrapped.get(*name), alone.get(*name));
        let values: Vec<_> = different.iter().map(values).collect();
        assert!(values.is_empty(), "{start:?} with {mode}: {values:#?}");
    }
}

#[test]
fn a_command_sees_only_the_differences_of_the_readme() {
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).expect("the README");
    for Difference { row, .. } in &DIFFERENCES {
        assert!(readme.contains(row), "{row}");
    }
    thread::scope(|scope| {
        for start in [InteractiveShell, Script, Cron, Setsid, Nohup] {
            scope.spawn(move || compare(start));
        }
    });
}

#[test]
fn a_command_sees_only_the_differences_of_the_readme_under_slurm() {
    if mention(program("srun")).is_some() {
        compare(Slurm);
    }
}
