//! A process with everything that descends from it, and how a server ends all of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::cgroup::Group;
use super::family::{Family, Marker};
use super::ladder::{LOOK_AGAIN, Ladder, Remains};

/// The processes of one run.
#[derive(Clone, Debug)]
pub struct Tree {
    family: Arc<Mutex<Family>>,
}

impl Tree {
    /// What an earlier server may have left of a run: only the marker is known, and only it is believed.
    pub fn left_by_earlier_server(marker: Marker) -> Self {
        Self::of(Family::marked(marker))
    }

    /// The same with all that is in the run's control group, if it had one. The group is removed when nobody is in it any more.
    pub(super) fn left_by_dead_shim(marker: Marker, group: Option<Group>) -> Self {
        Self::of(Family::marked(marker).within(group))
    }

    fn of(family: Family) -> Self {
        Self { family: Arc::new(Mutex::new(family)) }
    }

    /// Asks every process to end (TERM, and CONT for stopped ones), waits up to `grace`, then kills what is left, and what that
    /// starts meanwhile. Returns as soon as nothing is left.
    pub async fn end(&self, grace: Duration) -> Remains {
        let mut ladder = Ladder::new(Instant::now().into_std(), grace);
        loop {
            let remains = {
                let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
                let remains = ladder.step(Instant::now().into_std(), &mut family);
                if let (Some(_), Some(group)) = (remains, family.group()) {
                    group.remove();
                }
                remains
            };
            if let Some(remains) = remains {
                return remains;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
