//! The loop between the command's start and its end: forwards signals and keys, stops and continues with
//! the command, and reaps it.

use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, tcgetpgrp};

use super::children::{Change, changes};
use super::job_control::JobControl;
use super::keyboard::Keyboard;
use super::procfs::{handles_sigtstp, is_stopped};
use super::signal_policy::{Action, Origin, SignalPolicy, announces_end};
use super::signals::Arrival;
use super::stdio::CommandTerminal;
use super::tree::{send_to_group, send_to_own_group};
use super::wait::{Stall, wait};
use super::{Ending, Signals, Tree};

/// How often the loop wakes without a cause: to notice that effllm was stopped, and that a command in
/// the background came to the foreground (`fg` sends SIGCONT only to stopped processes).
const HEARTBEAT: Duration = Duration::from_millis(200);

/// A change in the life of the command, or of effllm beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// The command was asked to end: what is known must be saved now.
    EndAnnounced,
    /// The command was stopped at this moment, and effllm may be about to stop too.
    Suspended(Instant),
    /// The command continues.
    Resumed,
    /// effllm alone did not run for a while.
    Stalled(Duration),
}

/// Supervises a running command.
#[derive(Debug)]
pub struct Supervisor<'a> {
    signals: &'a Signals,
    /// Signals that came before there was a command.
    early: Vec<Arrival>,
    pid: Pid,
    tree: Tree,
    policy: SignalPolicy,
    terminal: Option<CommandTerminal>,
    job: JobControl,
    is_suspended: bool,
    /// When effllm woke last, and the time before that in which it did not run.
    awake_since: Instant,
    stall: Option<Stall>,
}

impl<'a> Supervisor<'a> {
    /// Takes over a command that was started at this moment.
    pub fn new(
        signals: &'a Signals,
        policy: SignalPolicy,
        started: Instant,
        pid: Pid,
        tree: Tree,
        mut terminal: Option<CommandTerminal>,
    ) -> Self {
        // Whether a signal came before the fork or after it is unknown, and before it only effllm has
        // received it. A command that has received it too sees it again just after it was executed, where a
        // second signal changes nothing.
        let early = signals.all().map(Arrival::before_the_command).collect();
        if let Some(terminal) = &mut terminal {
            terminal.keyboard.hold();
        }
        Self {
            signals,
            early,
            pid,
            tree,
            policy,
            terminal,
            job: JobControl::default(),
            is_suspended: false,
            awake_since: started,
            stall: None,
        }
    }

    /// Waits for the command to end. Returns the keyboard too, whose keys mean Ctrl-C for effllm again:
    /// dropped, it restores the user's terminal.
    pub fn supervise(mut self, on_event: impl Fn(LifecycleEvent)) -> (Ending, Option<Keyboard>) {
        let ending = self.run(&on_event);
        let keyboard = self.terminal.map(|CommandTerminal { mut keyboard, slave, leader, .. }| {
            keyboard.hand_back(&slave);
            drop(slave);
            leader.end(); // the last one has closed it: reading the command's terminal comes to an end
            keyboard
        });
        (ending, keyboard)
    }

    fn run(&mut self, on_event: &impl Fn(LifecycleEvent)) -> Ending {
        let mut kill_at: Option<Instant> = None;
        let mut arrivals = std::mem::take(&mut self.early);
        loop {
            for arrival in arrivals {
                let is_forwarded = self.handle(arrival);
                if is_forwarded && arrival.signal == libc::SIGTERM {
                    kill_at = kill_at.or(self.policy.kill_after.map(|delay| Instant::now() + delay));
                }
                if announces_end(arrival.signal) {
                    on_event(LifecycleEvent::EndAnnounced);
                }
            }
            // The children are read before the first wait: the command may have ended already.
            if let Some(ending) = self.read_children(on_event) {
                return ending;
            }
            self.report_stall(on_event);
            self.wait(kill_at);
            if kill_at.is_some_and(|at| Instant::now() >= at) {
                self.tree.kill(self.pid);
                kill_at = None;
            }
            arrivals = self.signals.all().collect();
        }
    }

    /// Carries out the consequence of a signal; true if it was sent to the command.
    fn handle(&mut self, arrival: Arrival) -> bool {
        let Arrival { signal, origin, .. } = arrival;
        if self.job.is_own_resume(signal) && !is_stopped(self.pid) {
            return false;
        }
        self.job.note(signal, origin);
        match self.policy.decide(signal, origin, self.terminal.is_some(), Instant::now()) {
            Action::Forward => {
                arrival.forward_to(self.pid);
                if let Some(terminal) = &mut self.terminal {
                    match signal {
                        // As the kernel does for a terminal that hung up, so that a stopped command ends.
                        libc::SIGHUP if origin != Origin::Process => send_to_group(self.pid, Signal::SIGCONT),
                        // `fg` of a background job.
                        libc::SIGCONT => terminal.keyboard.hold(),
                        _ => {}
                    }
                }
                return true;
            }
            Action::KillTree => self.tree.kill(self.pid),
            // The rest of a pipeline, and a script that has started effllm.
            Action::SignalOwnGroup => {
                if let Ok(signal) = Signal::try_from(signal)
                    && self.terminal.as_ref().is_some_and(|terminal| terminal.keys_are_for_command)
                {
                    send_to_own_group(signal);
                }
            }
            Action::Stop if origin != Origin::Key && handles_sigtstp(self.pid) => {
                arrival.forward_to(self.pid);
                return true;
            }
            // A group, since the command may have started others in its terminal.
            Action::Stop => send_to_group(self.pid, Signal::SIGSTOP),
            Action::Resize => drop(self.resize()),
            Action::ResizeOrForward => {
                if !self.resize() {
                    arrival.forward_to(self.pid);
                    return true;
                }
            }
            Action::ReadChildren | Action::Ignore => {}
        }
        false
    }

    /// Whether the command's own terminal has a new size now.
    fn resize(&self) -> bool {
        self.terminal.as_ref().is_some_and(|terminal| terminal.keyboard.resize_command())
    }

    /// How the command ended, if it has. Orphans of its tree are reaped as well.
    fn read_children(&mut self, on_event: &impl Fn(LifecycleEvent)) -> Option<Ending> {
        for change in changes() {
            match change {
                Change::Ended(pid, ending) if pid == self.pid => {
                    self.resume(on_event); // a suspension lasts until the end
                    self.report_stall(on_event);
                    // A signal that has ended the command too must not end effllm afterwards.
                    self.signals.all().for_each(drop);
                    return Some(ending);
                }
                Change::Stopped(pid, signal) if pid == self.pid => {
                    self.suspend(on_event);
                    let keyboard = self.terminal.as_mut().map(|terminal| &mut terminal.keyboard);
                    let has_stopped = self.job.stop_with_command(signal, self.pid, keyboard);
                    self.awake_since = Instant::now();
                    // If the command is still stopped, waitpid reports when it continues.
                    if has_stopped && !is_stopped(self.pid) {
                        self.resume(on_event);
                    }
                }
                Change::Continued(pid) if pid == self.pid => {
                    if self.stall.is_some() {
                        self.suspend(on_event); // the whole job was stopped and continued
                    }
                    self.resume(on_event);
                }
                Change::NoChildren => return Some(Ending::Unknown),
                Change::Ended(..) | Change::Stopped(..) | Change::Continued(_) => {}
            }
        }
        None
    }

    /// Reports that the command was stopped: with effllm, if effllm did not run either until now.
    fn suspend(&mut self, on_event: &impl Fn(LifecycleEvent)) {
        let since = self.stall.take().map_or_else(Instant::now, |stall| stall.since);
        if !std::mem::replace(&mut self.is_suspended, true) {
            on_event(LifecycleEvent::Suspended(since));
        }
    }

    fn resume(&mut self, on_event: &impl Fn(LifecycleEvent)) {
        if std::mem::take(&mut self.is_suspended) {
            on_event(LifecycleEvent::Resumed);
        }
    }

    fn report_stall(&mut self, on_event: &impl Fn(LifecycleEvent)) {
        if let Some(stall) = self.stall.take() {
            on_event(LifecycleEvent::Stalled(stall.duration));
        }
    }

    /// Waits for a signal, for a key, or for the time to kill.
    fn wait(&mut self, kill_at: Option<Instant>) {
        let heartbeat = self.awake_since + HEARTBEAT;
        let due = kill_at.map_or(heartbeat, |at| at.min(heartbeat));
        let mut descriptors = vec![PollFd::new(self.signals.fd(), PollFlags::POLLIN)];
        descriptors.extend(self.terminal.as_ref().and_then(|terminal| terminal.keyboard.awaited()));
        self.stall = wait(&mut descriptors, self.awake_since, due);
        self.awake_since = Instant::now();
        let is_typed = descriptors.get(1).is_some_and(|keyboard| keyboard.any() == Some(true));
        drop(descriptors);
        let Some(CommandTerminal { keyboard, keys_are_for_command, .. }) = &mut self.terminal else { return };
        if !keyboard.is_held() {
            keyboard.hold();
        }
        if is_typed {
            // Asked before the key can have ended the command.
            let is_foreground = tcgetpgrp(keyboard.command()) == Ok(self.pid);
            *keys_are_for_command = is_foreground;
            // A shell in the foreground has jobs of its own.
            let signals = keyboard.relay(|| is_foreground && !handles_sigtstp(self.pid));
            for signal in signals {
                self.handle(Arrival::by_key(signal));
            }
        }
    }
}
