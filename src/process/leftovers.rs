//! Processes that a run left behind, and how a server kills them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Marker;
use super::cgroup::Group;
use super::kill_sequence::{KillSequence, POLL_INTERVAL, Survivors};
use super::process_set::ProcessSet;

/// Processes that a run left behind, in a server that is not their ancestor. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct Leftovers {
    process_set: Arc<Mutex<ProcessSet>>,
}

impl Leftovers {
    /// Leftovers of an earlier server. Only the marker is known, and nothing else is trusted.
    pub fn of_earlier_server(marker: Marker) -> Self {
        Self::new(ProcessSet::marked(marker))
    }

    /// Leftovers of a dead shim, with the members of the run's control group, if there is one. An empty group is removed.
    pub(super) fn of_dead_shim(marker: Marker, group: Option<Group>) -> Self {
        Self::new(ProcessSet::marked(marker).within(group))
    }

    fn new(process_set: ProcessSet) -> Self {
        Self { process_set: Arc::new(Mutex::new(process_set)) }
    }

    /// Sends TERM (and CONT, for stopped processes) to all, waits up to `grace`, then kills the rest and what it starts meanwhile. Returns
    /// as soon as nothing is left.
    pub async fn kill(&self, grace: Duration) -> Survivors {
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
