//! Processes that a run left behind, and how a server kills them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::Marker;
use super::cgroup::Group;
use super::exit_watch::ExitWatch;
use super::kill_sequence::{KillSequence, Step, Survivors};
use super::process_set::ProcessSet;
use super::process_table::SharedTable;

/// The processes of the machine, read for all runs that end at the same time.
static PROCESSES: SharedTable = SharedTable::new();

/// Steps that are taken at the same time. Each occupies a thread, and the first one to need a table reads it for the others.
static STEPS: Semaphore = Semaphore::const_new(4);

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
    /// as soon as nothing is left. Processes are listed on threads for blocking work, for all runs together.
    pub async fn kill(&self, grace: Duration) -> Survivors {
        let mut kill_sequence = KillSequence::new(Instant::now(), grace);
        loop {
            let requested = Instant::now();
            // Never closed.
            let permit = STEPS.acquire().await;
            let this = self.clone();
            let step = tokio::task::spawn_blocking(move || {
                let table = PROCESSES.read_after(requested);
                let mut process_set = this.process_set.lock().unwrap_or_else(PoisonError::into_inner);
                let step = kill_sequence.step(Instant::now(), &mut process_set, &table);
                if let (Step::Over(_), Some(group)) = (step, process_set.group()) {
                    group.remove();
                }
                (step, kill_sequence, ExitWatch::new(process_set.members()))
            });
            let watch;
            let step = match step.await {
                Ok((step, sequence, members)) => {
                    (kill_sequence, watch) = (sequence, members);
                    step
                }
                Err(error) => {
                    tracing::error!(%error, "could not look for the processes of a run");
                    return Survivors { count: 1 };
                }
            };
            drop(permit);
            match step {
                Step::Over(survivors) => return survivors,
                Step::Next { earliest, latest } => {
                    let exits = async {
                        tokio::time::sleep_until(earliest.into()).await;
                        watch.over().await;
                    };
                    let _ = tokio::time::timeout_at(latest.into(), exits).await;
                }
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    //! Rules: K1.

    use super::*;
    use crate::process::Identity;
    use crate::process::testing::sleeper;

    #[tokio::test]
    async fn many_runs_are_killed_at_once_and_no_process_of_another_run_is() {
        let runs: Vec<String> = (0..40).map(|run| format!("leftovers {run}")).collect();
        let mut children: Vec<_> = runs.iter().map(|run| sleeper(run).0).collect();
        let (mut other, identity) = sleeper("leftovers other");
        // A child has its environment once it has executed its program.
        let started = || {
            let table = PROCESSES.read_after(Instant::now());
            runs.iter().all(|run| table.marked.contains_key(run.as_bytes()))
        };
        while !started() {}
        let killed = runs.iter().map(|run| async {
            let leftovers = Leftovers::of_earlier_server(Marker::new(run.clone()));
            leftovers.kill(Duration::from_mins(10)).await
        });
        let survivors = futures_util::future::join_all(killed).await;
        assert!(survivors.iter().all(|survivors| survivors.count == 0));
        for child in &mut children {
            assert!(!child.wait().unwrap().success());
        }
        assert_eq!(Identity::of(identity.pid), Some(identity));
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
