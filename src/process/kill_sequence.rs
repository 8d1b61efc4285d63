//! The sequence from TERM to KILL for the processes of a run. The caller takes one step at a time, passes the clock and the processes, and
//! can do other work between two steps.
//!
//! Only a look at all processes shows that none is left, and each look is expensive. So the next step is taken when all known members have
//! exited ([`ExitWatch`](super::exit_watch::ExitWatch)), or when members may have started others, in growing intervals.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::process_set::ProcessSet;
use super::process_table::ProcessTable;

/// Time until the first step that no exit has caused, after each round of signals. It doubles with every step.
const MIN_INTERVAL: Duration = Duration::from_millis(20);
const MAX_INTERVAL: Duration = Duration::from_secs(1);

/// The same for steps that exits have caused: processes may exit as fast as others are started.
const MIN_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(20);

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
    /// Steps since the last round of signals.
    steps: u32,
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// No member is left, or the rest is declared lost.
    Over(Survivors),
    /// The next step.
    Next {
        /// The earliest time for it, when all known members have exited.
        earliest: Instant,
        /// The time for it if they have not.
        latest: Instant,
    },
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
        Self { phase, kill_at: now.checked_add(grace).unwrap_or(now), steps: 0 }
    }

    /// Shortens the grace period, if this one ends earlier.
    pub(super) fn shorten(&mut self, now: Instant, grace: Duration) {
        self.kill_at = self.kill_at.min(now.checked_add(grace).unwrap_or(now));
    }

    /// Takes the next step with the processes that are alive now.
    pub(super) fn step(&mut self, now: Instant, process_set: &mut ProcessSet, table: &ProcessTable) -> Step {
        let count = process_set.update(table).len();
        if count == 0 && !process_set.has_unseen_members() {
            return Step::Over(Survivors { count: 0 });
        }
        match self.phase {
            Phase::Term => {
                for signal in [Signal::TERM, Signal::CONT] {
                    for member in process_set.working_members() {
                        member.signal(signal);
                    }
                }
                (self.phase, self.steps) = (Phase::Wait, 0);
            }
            Phase::Wait if now >= self.kill_at => {
                kill(process_set);
                (self.phase, self.steps) = (Phase::Kill { until: now + KILL_TIMEOUT }, 0);
            }
            Phase::Wait => {}
            Phase::Kill { until } => {
                kill(process_set);
                if now >= until {
                    return Step::Over(Survivors { count: count.max(1) });
                }
            }
        }
        let factor = 2_u32.saturating_pow(self.steps);
        self.steps += 1;
        let latest = now + MIN_INTERVAL.saturating_mul(factor).min(MAX_INTERVAL);
        Step::Next {
            earliest: now + MIN_PAUSE.saturating_mul(factor).min(MAX_PAUSE),
            latest: self.next_signal().map_or(latest, |at| latest.min(at)),
        }
    }

    /// When members that are still alive are to be killed, or given up.
    fn next_signal(&self) -> Option<Instant> {
        match self.phase {
            Phase::Term => None,
            Phase::Wait => Some(self.kill_at),
            Phase::Kill { until } => Some(until),
        }
    }
}

/// Kills all members. The control group, if there is one, is killed atomically, so that no process can fork faster than it is killed.
fn kill(process_set: &ProcessSet) {
    if let Some(group) = process_set.group() {
        group.kill();
    }
    for member in process_set.members() {
        member.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Identity, Marker};

    #[cfg(target_os = "linux")]
    #[test]
    fn a_long_grace_period_takes_few_steps_and_ends_with_kill_at_its_time() {
        use std::collections::HashMap;

        // A process that does not exist, so that signals reach nothing.
        let gone = Identity { pid: i32::MAX, started: 7 };
        let stat = super::super::identity::Stat::of(std::process::id().cast_signed()).unwrap();
        let stat = super::super::identity::Stat { parent: 1, session: gone.pid, started: gone.started, ..stat };
        let table = ProcessTable { stats: HashMap::from([(gone.pid, stat)]), ..ProcessTable::default() };
        let mut process_set = ProcessSet::own_descendants(gone, Marker::new("no process"));
        let began = Instant::now();
        let mut kill_sequence = KillSequence::new(began, Duration::from_mins(10));
        let (mut now, mut steps) = (began, 0);
        let survivors = loop {
            match kill_sequence.step(now, &mut process_set, &table) {
                Step::Over(survivors) => break survivors,
                Step::Next { earliest, latest } => {
                    assert!(now < earliest && earliest < latest && latest <= now + MAX_INTERVAL);
                    now = latest;
                }
            }
            steps += 1;
        };
        assert_eq!((survivors.count, now), (1, began + Duration::from_secs(605)), "killed after 600 s, given up 5 s later");
        assert!(steps < 650, "{steps} looks at all processes, where 20 ms between them would be 30,000");
    }

    #[test]
    fn a_set_without_members_is_over_at_the_first_step() {
        let mut process_set = ProcessSet::marked(Marker::new("no process"));
        let mut kill_sequence = KillSequence::new(Instant::now(), Duration::from_mins(10));
        assert_eq!(kill_sequence.step(Instant::now(), &mut process_set, &ProcessTable::read()), Step::Over(Survivors { count: 0 }));
    }
}
