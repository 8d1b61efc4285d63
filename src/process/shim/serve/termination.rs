//! How an agent comes to its end: its exit, the end of its output and the end of what it started are three facts, and all three are
//! waited for.
//!
//! ```text
//! living ──exit──▶ drain 2 s ──still open──▶ KILL to all ──▶ drain 2 s ──▶ pipes given up ─┐
//!    │                └────────pipes ended────────────────────────────────────────────────┼─▶ leftovers: TERM, 2 s, KILL ─▶ over
//!    └──stop──▶ TERM, grace, KILL to all ──▶ drain 2 s ────────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use crate::process::Exit;
use crate::process::cgroup::Group;
use crate::process::kill_sequence::{KillSequence, POLL_INTERVAL};
use crate::process::process_set::ProcessSet;
use crate::process::shim::protocol::StoppedBy;

/// How long pipes may stay open after the exit, or after everyone was killed (R6 of the threat model).
const DRAIN: Duration = Duration::from_secs(2);

/// How long what an agent leaves running may take to end after TERM.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);

/// What is known of the agent's end, and what is done for it.
#[derive(Debug)]
pub(super) struct Termination {
    process_set: ProcessSet,
    kill_sequence: Option<KillSequence>,
    next_step: Instant,
    /// Until when open pipes are waited for.
    drain_until: Option<Instant>,
    signalled: Signalled,
    exit: Option<Exit>,
    /// KILL did not end it: it hangs in the kernel and is not waited for.
    lost: bool,
    stopped_by: Option<StoppedBy>,
    leaked_pipe: bool,
    left_behind: usize,
}

/// Who has been told to end, and has had the time for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signalled {
    NoProcess,
    /// All: so whoever holds a pipe now cannot be reached.
    AllProcesses,
    /// What the agent left, when its output was over. Nothing comes after that.
    Leftovers,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing until something happens, or until then.
    Wait(Option<Instant>),
    /// The pipes are to be waited for no longer. Then this is asked again.
    AbandonPipes,
    /// Nothing of the agent is left, or what is left is declared lost.
    Over,
}

impl Termination {
    /// The end of this family, not begun.
    pub(super) fn new(process_set: ProcessSet, now: Instant) -> Self {
        Self {
            process_set,
            kill_sequence: None,
            next_step: now,
            drain_until: None,
            signalled: Signalled::NoProcess,
            exit: None,
            lost: false,
            stopped_by: None,
            leaked_pipe: false,
            left_behind: 0,
        }
    }

    /// The agent's process has ended.
    pub(super) fn exited(&mut self, now: Instant, exit: Exit) {
        self.exit = Some(exit);
        self.drain_until = Some(now + DRAIN);
    }

    /// How it has ended.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// Why it is being ended, or was. The first reason stands.
    pub(super) fn stopped_by(&self) -> Option<StoppedBy> {
        self.stopped_by
    }

    /// Something held its output open after its exit, and was killed.
    pub(super) fn leaked_pipe(&self) -> bool {
        self.leaked_pipe
    }

    /// How many processes could not be ended.
    pub(super) fn left_behind(&self) -> usize {
        self.left_behind
    }

    /// Whether the kernel has killed something of it for want of memory, as far as its control group tells.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.process_set.group().is_some_and(Group::ran_out_of_memory)
    }

    /// Everything is over: its control group goes, unless somebody in it could not be ended.
    pub(super) fn remove_group(&self) {
        if let Some(group) = self.process_set.group() {
            group.remove();
        }
    }

    /// The agent goes on: it neither has ended nor is being ended.
    pub(super) fn is_running(&self) -> bool {
        self.exit.is_none() && self.stopped_by.is_none()
    }

    /// Begins to end everyone, or hastens it if the grace is shorter.
    pub(super) fn stop(&mut self, now: Instant, by: StoppedBy, grace: Duration) {
        // An agent that has ended was not stopped, whatever becomes of what it left.
        if self.exit.is_none() {
            self.stopped_by.get_or_insert(by);
        }
        match &mut self.kill_sequence {
            Some(kill_sequence) => kill_sequence.shorten(now, grace),
            None => self.start_kill_sequence(now, grace),
        }
    }

    fn start_kill_sequence(&mut self, now: Instant, grace: Duration) {
        self.kill_sequence = Some(KillSequence::new(now, grace));
        self.next_step = now;
    }

    /// Does what is due. To be asked after everything that happens.
    pub(super) fn advance(&mut self, now: Instant, pipes_are_open: bool) -> Next {
        loop {
            if let Some(kill_sequence) = &mut self.kill_sequence {
                if now < self.next_step {
                    return Next::Wait(Some(self.next_step));
                }
                self.next_step = now + POLL_INTERVAL;
                let Some(survivors) = kill_sequence.step(now, &mut self.process_set) else { return Next::Wait(Some(self.next_step)) };
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
    use super::*;
    use crate::process::{Identity, Marker};

    /// The end of an agent of which no process is there any more.
    fn termination(now: Instant) -> Termination {
        let nobody = Identity { pid: i32::MAX, started: 0 };
        Termination::new(ProcessSet::own_descendants(nobody, Marker::new("nobody")), now)
    }

    #[test]
    fn r6_an_exit_is_not_the_end_while_output_may_come() {
        let now = Instant::now();
        let mut termination = termination(now);
        assert_eq!(termination.advance(now, true), Next::Wait(None));
        termination.exited(now, Exit::Code(0));
        assert_eq!(termination.advance(now, true), Next::Wait(Some(now + DRAIN)));
        assert_eq!(termination.advance(now, false), Next::Over);
        assert!(!termination.leaked_pipe());
    }

    #[test]
    fn r6_pipes_that_stay_open_are_given_up() {
        let now = Instant::now();
        let mut termination = termination(now);
        termination.exited(now, Exit::Code(0));
        let later = now + DRAIN;
        assert_eq!(termination.advance(later, true), Next::Wait(Some(later + DRAIN)), "who held them was killed");
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
    fn an_agent_that_does_not_end_at_all_is_declared_lost() {
        let now = Instant::now();
        let mut termination = termination(now);
        termination.stop(now, StoppedBy::Limit, Duration::ZERO);
        termination.stop(now, StoppedBy::Command, Duration::ZERO);
        assert_eq!(termination.advance(now, false), Next::Wait(Some(now + DRAIN)));
        assert_eq!(termination.advance(now + DRAIN, false), Next::Over);
        assert_eq!((termination.exit(), termination.stopped_by()), (None, Some(StoppedBy::Limit)), "the first reason stands");
    }

    #[test]
    fn an_agent_that_has_ended_by_itself_was_not_stopped() {
        let now = Instant::now();
        let mut termination = termination(now);
        termination.exited(now, Exit::Signal(9));
        termination.stop(now, StoppedBy::Command, Duration::ZERO);
        assert_eq!(termination.stopped_by(), None);
    }
}
