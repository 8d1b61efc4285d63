//! The sequence from TERM to KILL for the processes of a run. The caller takes one step at a time, passes the clock, and can do other work
//! between two steps.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::process_set::ProcessSet;

/// Interval between two scans during the sequence. No event reports the exit of a process that is not a child.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long KILL is repeated before survivors are declared lost. A process cannot ignore KILL; only the kernel can delay it.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// Result of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivors {
    /// Processes that could not be killed, such as one that is blocked in the kernel.
    pub count: usize,
}

/// TERM to all members, with CONT for stopped ones; after the grace period KILL to the rest and to what it starts meanwhile.
#[derive(Debug)]
pub(super) struct KillSequence {
    phase: Phase,
    kill_at: Instant,
}

#[derive(Debug)]
enum Phase {
    Term,
    Wait,
    Kill { until: Instant },
}

impl KillSequence {
    /// A sequence with this much time between TERM and KILL. Without any, KILL is the first step.
    pub(super) fn new(now: Instant, grace: Duration) -> Self {
        let phase = if grace.is_zero() { Phase::Wait } else { Phase::Term };
        // Treat an overflowing grace period as zero.
        Self { phase, kill_at: now.checked_add(grace).unwrap_or(now) }
    }

    /// Shortens the grace period, if this one ends earlier.
    pub(super) fn shorten(&mut self, now: Instant, grace: Duration) {
        self.kill_at = self.kill_at.min(now.checked_add(grace).unwrap_or(now));
    }

    /// Takes the next step. To be repeated every [`POLL_INTERVAL`] until it returns the survivors.
    pub(super) fn step(&mut self, now: Instant, process_set: &mut ProcessSet) -> Option<Survivors> {
        let count = process_set.scan().len();
        if count == 0 && !process_set.has_unseen_members() {
            return Some(Survivors { count: 0 });
        }
        match self.phase {
            Phase::Term => {
                signal(process_set, Signal::TERM);
                signal(process_set, Signal::CONT);
                self.phase = Phase::Wait;
            }
            Phase::Wait if now >= self.kill_at => {
                kill(process_set);
                self.phase = Phase::Kill { until: now + KILL_TIMEOUT };
            }
            Phase::Wait => {}
            Phase::Kill { until } => {
                kill(process_set);
                return (now >= until).then_some(Survivors { count: count.max(1) });
            }
        }
        None
    }
}

/// Signals every member that the last scan found.
fn signal(process_set: &ProcessSet, signal: Signal) {
    for member in process_set.members() {
        member.signal(signal);
    }
}

/// Kills all members. The control group, if there is one, is killed atomically, so that no process can fork faster than it is killed.
fn kill(process_set: &ProcessSet) {
    if let Some(group) = process_set.group() {
        group.kill();
    }
    signal(process_set, Signal::KILL);
}
