//! The main job: a command, exactly as it would run alone, and a report of it. [`monitor()`] makes
//! the same report of what already runs.

mod announce;
mod context;
mod follow;
mod grow;
mod interrupt;
mod monitor;
mod pump;
mod report_file;
mod session;
mod supervise;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use nix::sys::prctl::set_child_subreaper;

use crate::child::{self, Ending, Policy, Signals};
use crate::error::Error;
use crate::host::Tree;
use crate::settings::{ReportTarget, Settings};
use crate::view::{Stream, Terminal};

pub use interrupt::interruptions;
pub use monitor::{Subject, monitor};

use context::Environment;
use session::{Session, Shared};
use supervise::Moment;

/// Runs the command, and answers with how it ended once the report is written.
///
/// # Errors
/// Only before the command has started; what fails later costs measurements and is a warning.
pub fn run(settings: Settings, argv: &[OsString]) -> Result<Ending, Error> {
    // Before the first thread: those that come later leave the signals alone.
    let signals = Signals::take()?;
    let unbuffer = settings.unbuffer && context::python_unbuffered_is_unset();
    let mut session = Session::prepare(&settings, context::command(argv, unbuffer), &Environment::Own)?;

    // Orphans of the command's tree come to effllm, so that the whole of it is seen and counted.
    let _ = set_child_subreaper(true);
    let started = session.clock.now();
    let child = child::spawn(argv, signals.original_mask(), unbuffer)?;
    let pid = child.pid;
    session.begin(started, Some(Tree::Below(std::process::id())));
    let (feed, follower) = session.follow(settings.log.reader());
    let pumps = pump::start(child, sinks(&settings.report, &session.terminal), session.clock, feed);

    let ending = supervise::supervise(&signals, pid, Policy::default(), None, |moment| match moment {
        Moment::Ending => session.save_now(),
        Moment::Suspending => {
            let _ = session.terminal.pause();
            session.recorder.lock().suspended();
        }
        Moment::Resumed => {
            session.terminal.resume();
            session.recorder.lock().suspended();
        }
    });

    let ended = session.clock.now();
    let read_to_end = |recorder: &Shared| {
        if !pumps.drain() {
            recorder
                .lock()
                .warn("something that the command left behind holds its output open; it was not waited for");
        }
        follower.finish()
    };
    let finish = || {
        session.finish(ended, ending.status(), read_to_end, |command| {
            command.exit = ending.exit();
            (command.cpu_seconds, command.max_rss_bytes) = context::usage_of_children();
        });
    };
    // Whatever happens there, the command's ending is kept.
    let _ = panic::catch_unwind(AssertUnwindSafe(finish));
    Ok(ending)
}

/// Where the command's stdout and stderr go: a report on stdout leaves it no room there.
fn sinks(report: &ReportTarget, terminal: &Arc<Terminal>) -> [pump::Sink; 2] {
    let to = |stream| -> pump::Sink {
        let terminal = terminal.clone();
        Box::new(move |bytes| terminal.write_child(stream, bytes))
    };
    match report {
        ReportTarget::Stdout => [to(Stream::Stderr), to(Stream::Stderr)],
        ReportTarget::File(_) => [to(Stream::Stdout), to(Stream::Stderr)],
    }
}
