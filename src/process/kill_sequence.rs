//! The way down for a run's processes: asked first, then killed. One step at a time, so that whoever climbs it can do other things
//! between two steps; the clock is the caller's.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::process_set::ProcessSet;

/// How often a family is looked at again while it is being ended: there is no event for the end of a process that is not our child.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long KILL is repeated before what is left is declared lost. KILL cannot be ignored; only the kernel can delay it.
const KILL_FOR: Duration = Duration::from_secs(5);

/// What was left when processes had been told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivors {
    /// Processes that could not be ended, such as one that hangs in the kernel.
    pub left: usize,
}

/// TERM to everyone, and CONT for stopped ones; after the grace KILL to what is left and to what that starts meanwhile.
#[derive(Debug)]
pub(super) struct KillSequence {
    phase: Phase,
    kill_at: Instant,
}

#[derive(Debug)]
enum Phase {
    Ask,
    Wait,
    Kill { until: Instant },
}

impl KillSequence {
    /// A ladder with this much time between TERM and KILL; without any, KILL is the first step.
    pub(super) fn new(now: Instant, grace: Duration) -> Self {
        let phase = if grace.is_zero() { Phase::Wait } else { Phase::Ask };
        // A grace beyond what the clock can hold is nobody's wish: such a one is none.
        Self { phase, kill_at: now.checked_add(grace).unwrap_or(now) }
    }

    /// A second wish to end: the earlier KILL counts.
    pub(super) fn hurry(&mut self, now: Instant, grace: Duration) {
        self.kill_at = self.kill_at.min(now.checked_add(grace).unwrap_or(now));
    }

    /// The next step, to be taken again after [`POLL_INTERVAL`] until it tells what remains.
    pub(super) fn step(&mut self, now: Instant, process_set: &mut ProcessSet) -> Option<Survivors> {
        let left = process_set.scan().len();
        if left == 0 && !process_set.has_newcomers() {
            return Some(Survivors { left: 0 });
        }
        match self.phase {
            Phase::Ask => {
                signal(process_set, Signal::TERM);
                signal(process_set, Signal::CONT);
                self.phase = Phase::Wait;
            }
            Phase::Wait if now >= self.kill_at => {
                kill(process_set);
                self.phase = Phase::Kill { until: now + KILL_FOR };
            }
            Phase::Wait => {}
            Phase::Kill { until } => {
                kill(process_set);
                return (now >= until).then_some(Survivors { left: left.max(1) });
            }
        }
        None
    }
}

/// To everyone whom the last look has found.
fn signal(process_set: &ProcessSet, signal: Signal) {
    for member in process_set.seen() {
        member.signal(signal);
    }
}

/// At once where there is a control group; then nobody can fork faster than we kill.
fn kill(process_set: &ProcessSet) {
    if let Some(group) = process_set.group() {
        group.kill();
    }
    signal(process_set, Signal::KILL);
}
