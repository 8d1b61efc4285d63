//! A process with everything that descends from it, and how a server ends all of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::cgroup::Group;
use super::kill_sequence::{KillSequence, POLL_INTERVAL, Survivors};
use super::process_set::{Marker, ProcessSet};

/// The processes of one run.
#[derive(Clone, Debug)]
pub struct ProcessTree {
    process_set: Arc<Mutex<ProcessSet>>,
}

impl ProcessTree {
    /// What an earlier server may have left of a run: only the marker is known, and only it is believed.
    pub fn left_by_earlier_server(marker: Marker) -> Self {
        Self::of(ProcessSet::marked(marker))
    }

    /// The same with all that is in the run's control group, if it had one. The group is removed when nobody is in it any more.
    pub(super) fn left_by_dead_shim(marker: Marker, group: Option<Group>) -> Self {
        Self::of(ProcessSet::marked(marker).within(group))
    }

    fn of(process_set: ProcessSet) -> Self {
        Self { process_set: Arc::new(Mutex::new(process_set)) }
    }

    /// Asks every process to end (TERM, and CONT for stopped ones), waits up to `grace`, then kills what is left, and what that
    /// starts meanwhile. Returns as soon as nothing is left.
    pub async fn end(&self, grace: Duration) -> Survivors {
        let mut kill_sequence = KillSequence::new(Instant::now().into_std(), grace);
        loop {
            let survivors = {
                let mut process_set = self.process_set.lock().unwrap_or_else(PoisonError::into_inner);
                let survivors = kill_sequence.step(Instant::now().into_std(), &mut process_set);
                if let (Some(_), Some(group)) = (survivors, process_set.group()) {
                    group.remove();
                }
                survivors
            };
            if let Some(survivors) = survivors {
                return survivors;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}
