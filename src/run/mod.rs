//! The main job: a command, exactly as it would run alone, and a report of it. [`monitor()`] makes
//! the same report of what already runs.

mod pump;
mod stdio_plan;
mod supervise;

use std::ffi::OsString;
use std::sync::Arc;

use jiff::Timestamp;
use nix::sys::prctl::set_child_subreaper;

use crate::config::{ReportTarget, Settings};
use crate::error::{Error, FAILED};
use crate::process::Keyboard;
use crate::process::Tree;
use crate::process::{self, Arrival, Ending, Policy, ProcessSlot, Signals, StdioMode, Wiring};
use crate::report::Command;
use crate::terminal::{Stream, Terminal};

use crate::session::{
    NO_THREADS, Session, environment, environment::Environment, gate::RunGate, isolate_panic,
    log_follower::Follower,
};
use pump::{PumpThreads, Pumps};
use supervise::{LifecycleEvent, Stops, Supervised};

/// Runs the command, and answers with how it ended once the report is written.
///
/// # Errors
/// Only before the command has started; what fails later costs measurements and is a warning.
pub fn run(settings: Settings, argv: &[OsString]) -> Result<Ending, Error> {
    // Before the first thread: those that come later leave the signals alone.
    let signals = Signals::take()?;
    run_with(&signals, settings, argv).inspect_err(|_| signals.give_back())
}

fn run_with(signals: &Signals, settings: Settings, argv: &[OsString]) -> Result<Ending, Error> {
    let place = ProcessSlot::reserve();
    let mut wiring = stdio_plan::choose(settings.stdio, &settings.report)?;
    let hands = if matches!(wiring, Wiring::Inherit { .. }) { None } else { PumpThreads::spawn().ok() };
    if hands.is_none() {
        wiring = stdio_plan::choose(StdioMode::Inherit, &settings.report)?;
    }
    let is_read = hands.is_some();
    let default_handler = signals.install_default_handler();
    let mut gate = RunGate::prepare(&settings.gate, settings.uses())?;
    let unbuffer = settings.unbuffer && is_read && environment::python_unbuffered_is_unset();
    let command = environment::command(argv, unbuffer, settings.mask);
    // What does not pass through effllm leaves it no place on the screen.
    let report_is_a_file = matches!(settings.report, ReportTarget::File(_));
    let mut session = Session::prepare(&settings, command, &Environment::Own, is_read)?;
    session.say(&gate.warnings());
    if settings.stdio == StdioMode::Inherit {
        session
            .recorder
            .lock()
            .no_log("the log is not read: with --stdio inherit the output does not pass through effllm");
    } else if !is_read {
        session.do_without_log(NO_THREADS);
    }

    let (feed, follower) = is_read.then(|| session.follow(settings.log.reader())).flatten().unzip();
    let tree = Tree::of_the_command();
    session.begin(Some(tree.clone()));
    let fail_fast = gate.watch(session.clock, tree.clone(), session.snapshot(), session.tell());
    session.sample_gpus()?;

    // Orphans of the command's tree come to effllm, so that the whole of it is seen and counted.
    let _ = set_child_subreaper(true);
    let like = stdio_plan::terminal(&wiring);
    let started = session.clock.now();
    session.recorder.lock().started(started, Timestamp::now().to_string());
    default_handler.suspend();
    let child = match process::spawn(argv, wiring, place, signals.original_mask(), unbuffer) {
        // Without room for both, the command comes first, unless someone waits for what is measured.
        Err(error) if error.exit == FAILED && !gate.has_requirements() && report_is_a_file => {
            let _ = set_child_subreaper(false);
            session.tell()(format!(
                "the command takes effllm's place and nothing is measured, without room for both: {}",
                error.what
            ));
            return Err(process::exec(argv, Some(signals.original_mask())));
        }
        child => child?,
    };
    // Whether one came before the fork or behind it cannot be told, and before it only effllm has got
    // it. One that the command has got too finds it as it was executed: a second one does no more.
    let early = signals.all().map(Arrival::before_the_command).collect();
    let (mut keyboard, slave) = match (child.pty, like) {
        (Some(pty), Some(like)) => (Some(Keyboard::new(like, pty.master)), Some(pty.slave)),
        _ => (None, None),
    };
    if let Some(keyboard) = &mut keyboard {
        keyboard.hold();
    }
    let sink = |stream| sink(stream, &settings.report, &session.terminal);
    let tell = || -> pump::Tell { Box::new(session.tell()) };
    let pumps = hands.map(|hands| hands.start(child.outputs, sink, tell, session.clock, feed));
    session.started.set(started); // behind the output, which comes first

    let supervised = Supervised {
        signals,
        early,
        pid: child.pid,
        tree,
        policy: Policy::new(settings.not_forwarded, keyboard.is_some()),
        kill_after: settings.kill_after,
        keyboard: keyboard.as_mut(),
        stops: Stops::default(),
        keys_are_its_own: false,
    };
    let ending = supervised.until_it_ends(|moment| {
        isolate_panic(|| match moment {
            LifecycleEvent::Ending => session.save_now(),
            LifecycleEvent::Suspending => {
                let _ = session.terminal.pause();
                session.recorder.lock().suspended(session.clock.now());
            }
            LifecycleEvent::Resumed => {
                session.terminal.resume();
                session.recorder.lock().resumed(session.clock.now());
            }
        });
    });

    let ended = session.clock.now();
    drop(fail_fast);
    drop(slave); // the last one: what was written to the command's terminal ends
    isolate_panic(|| session.stop_sampling());
    if let Some(keyboard) = &mut keyboard {
        keyboard.release_keys();
    }
    let is_drained = pumps.as_ref().is_none_or(|pumps| pumps.drain(|| supervise::interrupted(signals)));
    drop(keyboard);
    default_handler.resume();
    isolate_panic(|| {
        if !is_drained {
            session
                .recorder
                .lock()
                .warn("something that the command left behind holds its output open; it was not waited for");
        }
        for loss in pumps.iter().flat_map(Pumps::losses) {
            session.recorder.lock().warn(loss);
        }
        let describe = |command: &mut Command| {
            command.exit = ending.exit();
            (command.cpu_seconds, command.max_rss_bytes) = environment::usage_of_children();
        };
        let is_read_to_end = follower.is_none_or(Follower::finish);
        session.finish(ended, ending.status(), is_read_to_end, describe, |report| {
            gate.judge(report);
            gate.outcome(report, gate.ending(ending), settings.quiet)
        });
    });
    Ok(gate.ending(ending))
}

/// Where a stream of the command goes: a report on stdout leaves it no room there.
fn sink(stream: process::Stream, report: &ReportTarget, terminal: &Arc<Terminal>) -> pump::Sink {
    let stream = match (stream, report) {
        (process::Stream::Stdout, ReportTarget::File(_)) => Stream::Stdout,
        _ => Stream::Stderr,
    };
    let terminal = terminal.clone();
    Box::new(move |bytes| terminal.write_child(stream, bytes))
}
