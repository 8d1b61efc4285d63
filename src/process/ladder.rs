//! The way down for a run's processes: asked first, then killed. One step at a time, so that whoever climbs it can do other things
//! between two steps; the clock is the caller's.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::family::Family;

/// How often a family is looked at again while it is being ended: there is no event for the end of a process that is not our child.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long KILL is repeated before what is left is declared lost. KILL cannot be ignored; only the kernel can delay it.
const KILL_FOR: Duration = Duration::from_secs(5);

/// What was left when processes had been told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remains {
    /// Processes that could not be ended, such as one that hangs in the kernel.
    pub left: usize,
}

/// TERM to everyone, and CONT for stopped ones; after the grace KILL to what is left and to what that starts meanwhile.
#[derive(Debug)]
pub(super) struct Ladder {
    rung: Rung,
    kill_at: Instant,
}

#[derive(Debug)]
enum Rung {
    Ask,
    Wait,
    Kill { until: Instant },
}

impl Ladder {
    /// A ladder with this much time between TERM and KILL; without any, KILL is the first step.
    pub(super) fn new(now: Instant, grace: Duration) -> Self {
        let rung = if grace.is_zero() { Rung::Wait } else { Rung::Ask };
        // A grace beyond what the clock can hold is nobody's wish: such a one is none.
        Self { rung, kill_at: now.checked_add(grace).unwrap_or(now) }
    }

    /// A second wish to end: the earlier KILL counts.
    pub(super) fn hurry(&mut self, now: Instant, grace: Duration) {
        self.kill_at = self.kill_at.min(now.checked_add(grace).unwrap_or(now));
    }

    /// The next step, to be taken again after [`LOOK_AGAIN`] until it tells what remains.
    pub(super) fn step(&mut self, now: Instant, family: &mut Family) -> Option<Remains> {
        let left = family.look().len();
        if left == 0 && !family.has_newcomers() {
            return Some(Remains { left: 0 });
        }
        match self.rung {
            Rung::Ask => {
                signal(family, Signal::TERM);
                signal(family, Signal::CONT);
                self.rung = Rung::Wait;
            }
            Rung::Wait if now >= self.kill_at => {
                kill(family);
                self.rung = Rung::Kill { until: now + KILL_FOR };
            }
            Rung::Wait => {}
            Rung::Kill { until } => {
                kill(family);
                return (now >= until).then_some(Remains { left: left.max(1) });
            }
        }
        None
    }
}

/// To everyone whom the last look has found.
fn signal(family: &Family, signal: Signal) {
    for member in family.seen() {
        member.signal(signal);
    }
}

/// At once where there is a control group; then nobody can fork faster than we kill.
fn kill(family: &Family) {
    if let Some(group) = family.group() {
        group.kill();
    }
    signal(family, Signal::KILL);
}
