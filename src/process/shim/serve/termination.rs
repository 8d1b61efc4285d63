//! Termination of an agent. Its exit, the end of its output and the end of its descendants are separate facts, and the shim waits for all
//! three.
//!
//! ```text
//!   running ──exit──▶ drain 2 s ──still open──▶ KILL to all ──▶ drain 2 s ──▶ pipes abandoned ┐
//!      │                └────────pipes ended────────────────────────────────────────────────┼─▶ leftovers: TERM, 2 s, KILL ─▶ over
//!      └──stop──▶ TERM, grace, KILL to all ──▶ drain 2 s ────────────────────────────────────┘
//! ```

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::process::Exit;
use crate::process::cgroup::Group;
use crate::process::exit_watch::ExitWatch;
use crate::process::kill_sequence::{KillSequence, Step};
use crate::process::process_set::ProcessSet;
use crate::process::process_table::ProcessTable;
use crate::process::shim::protocol::StoppedBy;

/// How long pipes may stay open after the exit, or after all processes were killed (rule R6).
const DRAIN: Duration = Duration::from_secs(2);

/// Time between TERM and KILL for processes that the agent left running.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);

/// State of the termination of one agent.
#[derive(Debug)]
pub(super) struct Termination {
    process_set: ProcessSet,
    kill_sequence: Option<KillSequence>,
    /// The times for its next step: with and without the exit of all known members.
    next_step: (Instant, Instant),
    /// The members that the last step found.
    watch: ExitWatch,
    /// Until when the shim waits for open pipes.
    drain_until: Option<Instant>,
    signalled: Signalled,
    exit: Option<Exit>,
    /// The agent survived KILL: it is blocked in the kernel and is no longer waited for.
    lost: bool,
    stopped_by: Option<StoppedBy>,
    leaked_pipe: bool,
    left_behind: usize,
}

/// Which processes have been killed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signalled {
    NoProcess,
    /// All members: a process that holds a pipe now cannot be reached.
    AllProcesses,
    /// What the agent left behind at the end of its output. This is the last step.
    Leftovers,
}

/// What the event loop does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for events, until this time.
    Wait(Option<Instant>),
    /// Stop waiting for the pipes, then call again.
    AbandonPipes,
    /// Nothing of the agent is left, or the rest is declared lost.
    Over,
}

impl Termination {
    /// A termination that has not begun.
    pub(super) fn new(process_set: ProcessSet, now: Instant) -> Self {
        Self {
            process_set,
            kill_sequence: None,
            next_step: (now, now),
            watch: ExitWatch::default(),
            drain_until: None,
            signalled: Signalled::NoProcess,
            exit: None,
            lost: false,
            stopped_by: None,
            leaked_pipe: false,
            left_behind: 0,
        }
    }

    /// Records the exit of the agent's process.
    pub(super) fn exited(&mut self, now: Instant, exit: Exit) {
        self.exit = Some(exit);
        self.drain_until = Some(now + DRAIN);
    }

    /// How the agent's process exited.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// Why it was killed. The first reason stands.
    pub(super) fn stopped_by(&self) -> Option<StoppedBy> {
        self.stopped_by
    }

    /// Whether a process held its output open after its exit, and was killed.
    pub(super) fn leaked_pipe(&self) -> bool {
        self.leaked_pipe
    }

    /// Number of processes that could not be killed.
    pub(super) fn left_behind(&self) -> usize {
        self.left_behind
    }

    /// Whether the kernel killed one of the processes for lack of memory, as reported by the control group.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.process_set.group().is_some_and(Group::ran_out_of_memory)
    }

    /// Removes the control group, unless a process in it survived.
    pub(super) fn remove_group(&self) {
        if let Some(group) = self.process_set.group() {
            group.remove();
        }
    }

    /// Whether the agent has neither exited nor is being killed.
    pub(super) fn is_running(&self) -> bool {
        self.exit.is_none() && self.stopped_by.is_none()
    }

    /// Starts killing all processes, or shortens the grace period.
    pub(super) fn stop(&mut self, now: Instant, by: StoppedBy, grace: Duration) {
        // An agent that had exited was not stopped, regardless of what it left behind.
        if self.exit.is_none() {
            self.stopped_by.get_or_insert(by);
        }
        match &mut self.kill_sequence {
            Some(kill_sequence) => {
                kill_sequence.shorten(now, grace);
                self.next_step = (now, now);
            }
            None => self.start_kill_sequence(now, grace),
        }
    }

    fn start_kill_sequence(&mut self, now: Instant, grace: Duration) {
        self.kill_sequence = Some(KillSequence::new(now, grace));
        self.next_step = (now, now);
    }

    /// Becomes readable when a step may be due because of exits.
    pub(super) fn exits(&self) -> Option<BorrowedFd<'_>> {
        self.kill_sequence.as_ref().and_then(|_| self.watch.handle())
    }

    /// Until when the next step can wait; `None` if it is due.
    fn wait_for_step(&mut self, now: Instant) -> Option<Instant> {
        let (earliest, latest) = self.next_step;
        let until = if self.watch.is_over() { earliest } else { latest };
        (now < until).then_some(until)
    }

    /// Takes the steps that are due. To be called after every event.
    pub(super) fn advance(&mut self, now: Instant, pipes_are_open: bool) -> Next {
        loop {
            if self.kill_sequence.is_some()
                && let Some(until) = self.wait_for_step(now)
            {
                return Next::Wait(Some(until));
            }
            if let Some(kill_sequence) = &mut self.kill_sequence {
                let survivors = match kill_sequence.step(now, &mut self.process_set, &ProcessTable::read()) {
                    Step::Over(survivors) => survivors,
                    Step::Next { earliest, latest } => {
                        (self.next_step, self.watch) = ((earliest, latest), ExitWatch::new(self.process_set.members()));
                        return Next::Wait(self.wait_for_step(now).or(Some(earliest)));
                    }
                };
                self.kill_sequence = None;
                if self.signalled == Signalled::NoProcess {
                    self.signalled = Signalled::AllProcesses;
                }
                self.left_behind = survivors.count;
                self.drain_until = Some(now + DRAIN);
            } else if !pipes_are_open && (self.exit.is_some() || self.lost) {
                if self.signalled == Signalled::Leftovers {
                    return Next::Over;
                }
                self.signalled = Signalled::Leftovers;
                self.start_kill_sequence(now, LEFTOVER_GRACE);
            } else if let Some(until) = self.drain_until.filter(|until| now < *until) {
                return Next::Wait(Some(until));
            } else if self.drain_until.is_none() {
                return Next::Wait(None);
            } else if self.signalled == Signalled::AllProcesses {
                self.lost = self.exit.is_none();
                if pipes_are_open {
                    return Next::AbandonPipes;
                }
            } else {
                self.leaked_pipe = true;
                self.start_kill_sequence(now, Duration::ZERO);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: R6.

    use super::*;
    use crate::process::{Identity, Marker};

    /// The termination of an agent without living processes.
    fn termination(now: Instant) -> Termination {
        let gone = Identity { pid: i32::MAX, started: 0 };
        Termination::new(ProcessSet::own_descendants(gone, Marker::new("gone")), now)
    }

    #[test]
    fn an_exit_is_not_the_end_while_output_may_follow() {
        let now = Instant::now();
        let mut termination = termination(now);
        assert_eq!(termination.advance(now, true), Next::Wait(None));
        termination.exited(now, Exit::Code(0));
        assert_eq!(termination.advance(now, true), Next::Wait(Some(now + DRAIN)));
        assert_eq!(termination.advance(now, false), Next::Over);
        assert!(!termination.leaked_pipe());
    }

    #[test]
    fn pipes_that_stay_open_are_abandoned() {
        let now = Instant::now();
        let mut termination = termination(now);
        termination.exited(now, Exit::Code(0));
        let later = now + DRAIN;
        assert_eq!(termination.advance(later, true), Next::Wait(Some(later + DRAIN)), "the holders were killed");
        assert!(termination.leaked_pipe());
        let last = later + DRAIN;
        assert_eq!(termination.advance(last, true), Next::AbandonPipes);
        assert_eq!(termination.advance(last, false), Next::Over);
        assert_eq!(termination.exit(), Some(Exit::Code(0)));
    }

    #[test]
    fn the_end_of_output_is_not_the_end_of_the_agent() {
        let now = Instant::now();
        let mut termination = termination(now);
        assert_eq!(termination.advance(now, false), Next::Wait(None));
    }

    #[test]
    fn an_agent_that_survives_kill_is_declared_lost() {
        let now = Instant::now();
        let mut termination = termination(now);
        termination.stop(now, StoppedBy::Limit, Duration::ZERO);
        termination.stop(now, StoppedBy::Command, Duration::ZERO);
        assert_eq!(termination.advance(now, false), Next::Wait(Some(now + DRAIN)));
        assert_eq!(termination.advance(now + DRAIN, false), Next::Over);
        assert_eq!((termination.exit(), termination.stopped_by()), (None, Some(StoppedBy::Limit)), "the first reason stands");
    }

    #[test]
    fn an_agent_that_exited_by_itself_was_not_stopped() {
        let now = Instant::now();
        let mut termination = termination(now);
        termination.exited(now, Exit::Signal(9));
        termination.stop(now, StoppedBy::Command, Duration::ZERO);
        assert_eq!(termination.stopped_by(), None);
    }
}
