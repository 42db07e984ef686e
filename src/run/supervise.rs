//! The loop between the command's start and its end: signals in, signals on.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid, getpgrp, getppid, tcgetpgrp};

use crate::process::Tree;
use crate::process::{
    Action, Arrival, Change, Ending, Origin, Policy, Signals, changes, fit, is_pending, stop_like, stops_too,
};
use crate::process::{Key, Keyboard};

/// Nobody tells a command that runs in the background of `fg`: SIGCONT comes only to one that stood.
const FOREGROUND_LOOKED_FOR_EVERY: Duration = Duration::from_millis(200);

/// What others are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// The command has been told to end: what is known must be saved now.
    Ending,
    /// The command has been stopped, and effllm may be about to stop too.
    Suspending,
    /// The command goes on.
    Resumed,
}

/// What is watched over between the command's start and its end.
pub struct Supervised<'a> {
    pub signals: &'a Signals,
    /// Those that came before there was a command.
    pub early: Vec<Arrival>,
    pub pid: Pid,
    /// The command and all that it starts.
    pub tree: Tree,
    pub policy: Policy,
    /// How long after a forwarded SIGTERM the whole tree is killed.
    pub kill_after: Option<Duration>,
    /// The user's terminal, where the command has one of its own.
    pub keyboard: Option<&'a mut Keyboard>,
    pub stops: Stops,
    /// The keys that were typed last are for the command, and not for a job of a shell that it is.
    pub keys_are_its_own: bool,
}

/// What is known of the command's stops.
#[derive(Debug, Default)]
pub struct Stops {
    /// effllm was told to stop too, and how.
    asked: Option<Origin>,
    is_suspended: bool,
    /// effllm has stopped with the command and gone on: the SIGCONT that did that is still to be read.
    has_resumed: bool,
}

impl Supervised<'_> {
    /// Waits for the command to end; meanwhile sends it the signals that only effllm was sent, and
    /// stops when it is stopped.
    pub fn until_it_ends(mut self, tell: impl Fn(LifecycleEvent)) -> Ending {
        let mut kill_at: Option<Instant> = None;
        let mut arrived = std::mem::take(&mut self.early);
        loop {
            for arrival in arrived {
                let forwarded = self.act(arrival);
                if forwarded && arrival.signal == libc::SIGTERM {
                    kill_at = kill_at.or(self.kill_after.map(|patience| Instant::now() + patience));
                }
                if matches!(arrival.signal, libc::SIGTERM | libc::SIGHUP) {
                    tell(LifecycleEvent::Ending);
                }
            }
            // The first look at the command comes before the first wait: it may have ended already.
            if let Some(ending) = self.look(&tell) {
                return ending;
            }
            self.wait(kill_at);
            if kill_at.is_some_and(|at| Instant::now() >= at) {
                kill_tree(self.pid, &self.tree);
                kill_at = None;
            }
            arrived = self.signals.all().collect();
        }
    }

    /// Does what a signal asks for; true if it was sent on.
    fn act(&mut self, arrival: Arrival) -> bool {
        let Arrival { signal, origin, .. } = arrival;
        // What let a whole job go on has reached the command too, unless it still stands.
        if signal == libc::SIGCONT && std::mem::take(&mut self.stops.has_resumed) && !is_stopped(self.pid) {
            return false;
        }
        match signal {
            libc::SIGTSTP if origin != Origin::Own => self.stops.asked = Some(origin),
            libc::SIGCONT => self.stops.asked = None,
            _ => {}
        }
        match self.policy.decide(signal, origin, Instant::now()) {
            Action::Forward => {
                arrival.send_on(self.pid);
                if signal == libc::SIGHUP && origin != Origin::Process && self.keyboard.is_some() {
                    // As the kernel does where a terminal is gone: nobody else would do it.
                    let _ = kill(Pid::from_raw(-self.pid.as_raw()), Signal::SIGCONT);
                }
                if let (libc::SIGCONT, Some(keyboard)) = (signal, &mut self.keyboard) {
                    keyboard.hold(); // `fg` of what was in the background
                }
                return true;
            }
            Action::KillTree => kill_tree(self.pid, &self.tree),
            Action::Share => self.signal_own_group(signal),
            Action::Stop if origin != Origin::Key && handles_sigtstp(self.pid) => {
                arrival.send_on(self.pid);
                return true;
            }
            // Of the command's own terminal; a group, since it may have started others in it.
            Action::Stop => drop(kill(Pid::from_raw(-self.pid.as_raw()), Signal::SIGSTOP)),
            Action::Resize => drop(self.resize()),
            Action::ResizeOrForward => {
                if !self.resize() {
                    arrival.send_on(self.pid);
                    return true;
                }
            }
            Action::Look | Action::Leave => {}
        }
        false
    }

    /// Sends a key's signal to effllm's own process group, effllm included, as the user's terminal
    /// would have done: to a script that has started effllm, and to the rest of a pipeline.
    fn signal_own_group(&self, signal: i32) {
        if self.keys_are_its_own {
            // SAFETY: takes numbers.
            unsafe { libc::kill(0, signal) };
        }
    }

    /// Whether the command's own terminal has a new size now.
    fn resize(&self) -> bool {
        self.keyboard.as_ref().is_some_and(|keyboard| fit(keyboard.terminal(), keyboard.command()))
    }

    /// How the command ended, if it has. Orphans of its tree are reaped on the way.
    fn look(&mut self, tell: &impl Fn(LifecycleEvent)) -> Option<Ending> {
        for change in changes() {
            match change {
                Change::Ended(who, ending) if who == self.pid => {
                    self.on_resume(tell); // as far as its end
                    // What has ended the command too is not to end effllm afterwards.
                    self.signals.all().for_each(drop);
                    return Some(ending);
                }
                Change::Stopped(who, signal) if who == self.pid => self.stopped(signal, tell),
                Change::Continued(who) if who == self.pid => self.on_resume(tell),
                Change::NoChildren => return Some(Ending::Unknown),
                Change::Ended(..) | Change::Stopped(..) | Change::Continued(_) => {}
            }
        }
        None
    }

    /// The command was stopped by a signal: stops effllm too if somebody will let both go on.
    fn stopped(&mut self, signal: i32, tell: &impl Fn(LifecycleEvent)) {
        if !std::mem::replace(&mut self.stops.is_suspended, true) {
            tell(LifecycleEvent::Suspending);
        }
        let asked = self.stops.asked.take();
        let was_asked = asked.is_some() || is_pending(libc::SIGTSTP);
        if stops_too(signal, was_asked, self.keyboard.is_some(), shell_waits()) {
            self.stop_too(signal, asked);
            // Else it is told of when it does go on.
            if !is_stopped(self.pid) {
                self.on_resume(tell);
            }
        }
    }

    fn on_resume(&mut self, tell: &impl Fn(LifecycleEvent)) {
        if std::mem::take(&mut self.stops.is_suspended) {
            tell(LifecycleEvent::Resumed);
        }
    }

    /// Stops effllm as the command was stopped, until both are to go on.
    fn stop_too(&mut self, signal: i32, asked: Option<Origin>) {
        match &mut self.keyboard {
            None => stop_like(signal),
            Some(keyboard) => {
                keyboard.release();
                if asked == Some(Origin::Key) {
                    // The rest of a pipeline too. effllm's own is taken with the next.
                    // SAFETY: takes numbers.
                    unsafe { libc::kill(0, libc::SIGTSTP) };
                }
                // As for Ctrl-Z: where no shell could let effllm go on, this does nothing.
                stop_like(Signal::SIGTSTP as i32);
                keyboard.hold();
                fit(keyboard.terminal(), keyboard.command());
                let _ = kill(Pid::from_raw(-self.pid.as_raw()), Signal::SIGCONT);
            }
        }
        self.stops.has_resumed = is_pending(libc::SIGCONT);
    }

    /// Waits for a signal, for something that was typed, or for the time to kill. An interruption is
    /// no error: whatever happened, the command is looked at.
    fn wait(&mut self, until: Option<Instant>) {
        let is_in_background = self.keyboard.as_ref().is_some_and(|keyboard| !keyboard.is_held());
        let look_at = is_in_background.then(|| Instant::now() + FOREGROUND_LOOKED_FOR_EVERY);
        let until = until.into_iter().chain(look_at).min();
        let timeout = until.map_or(PollTimeout::NONE, |until| {
            // Rounded up, so as not to wake before the time.
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let signals = PollFd::new(self.signals.fd(), PollFlags::POLLIN);
        let mut awaited = vec![signals];
        awaited.extend(self.keyboard.as_ref().and_then(|keyboard| keyboard.awaited()));
        let _ = poll(&mut awaited, timeout);
        let is_typed = awaited.get(1).is_some_and(|keyboard| keyboard.any() == Some(true));
        drop(awaited);
        if is_in_background && let Some(keyboard) = &mut self.keyboard {
            keyboard.hold();
        }
        if is_typed && let Some(keyboard) = &mut self.keyboard {
            let pid = self.pid;
            // Asked before the key can have ended it.
            self.keys_are_its_own = tcgetpgrp(keyboard.command()) == Ok(pid);
            let keys = keyboard.relay(|terminal| is_stopped_by_default(terminal, pid));
            for key in keys {
                let signal = match key {
                    Key::Interrupt => libc::SIGINT,
                    Key::Quit => libc::SIGQUIT,
                    Key::Suspend => libc::SIGTSTP,
                };
                self.act(Arrival::by_key(signal));
            }
        }
    }
}

/// Whether a process is stopped (proc_pid_stat(5)); not if that cannot be told.
fn is_stopped(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

/// Whether Ctrl-Z on the command's terminal would mean to stop the command: it is in the foreground
/// itself (a shell in it has jobs of its own), and does not mind.
fn is_stopped_by_default(terminal: BorrowedFd, pid: Pid) -> bool {
    tcgetpgrp(terminal) == Ok(pid) && !handles_sigtstp(pid)
}

/// Whether a process ignores SIGTSTP or has its own way with it.
fn handles_sigtstp(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    ["SigIgn:", "SigCgt:"].into_iter().any(|name| {
        let set = status.lines().find_map(|line| line.strip_prefix(name));
        let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        set.is_some_and(|set| set & 1 << (Signal::SIGTSTP as i32 - 1) != 0)
    })
}

/// Whether effllm is a job of its own in the foreground, which a shell with job control watches for
/// stops. A script's commands are in the script's group.
fn shell_waits() -> bool {
    let is_a_job = getpgid(Some(getppid())).is_ok_and(|group| group != getpgrp());
    let terminal = File::open("/dev/tty");
    is_a_job && terminal.is_ok_and(|terminal| tcgetpgrp(terminal) == Ok(getpgrp()))
}

/// Once the command has ended: whether effllm was sent a signal that would have ended it.
pub fn interrupted(signals: &Signals) -> bool {
    let ends = |signal| matches!(signal, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT);
    signals.all().any(|arrival| ends(arrival.signal))
}

/// Kills the command and everything that it started, in whatever session it is. What is born meanwhile
/// is found by a second look.
fn kill_tree(command: Pid, tree: &Tree) {
    // Without /proc there is nothing else to know it by.
    let _ = kill(command, Signal::SIGKILL);
    if getpgid(Some(command)) == Ok(command) {
        let _ = kill(Pid::from_raw(-command.as_raw()), Signal::SIGKILL);
    }
    for _ in 0..3 {
        for process in tree.processes() {
            let _ = kill(Pid::from_raw(process.pid.cast_signed()), Signal::SIGKILL);
        }
    }
}
