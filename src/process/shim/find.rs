//! Finds what an earlier server has left of a run: its shim, or what that has written down.

use std::time::Duration;

use rustix::process::Signal;

use super::{CommandSender, ExitRecord, Greeting, ProcessDir, ProcessRecord, ReportReceiver, client};
use crate::process::cgroup::Group;
use crate::process::{Leftovers, Marker, Survivors};

/// What has become of a run's program.
#[derive(Debug)]
pub enum Found {
    /// Its shim lives, and listens to us and to no earlier server. The agent may have ended, which is its next word then.
    Alive {
        /// What we say to it.
        orders: CommandSender,
        /// What it says.
        reports: ReportReceiver,
        /// Its first word.
        greeting: Greeting,
    },
    /// It has ended while no server was there, and its shim has gone.
    Ended(Box<ExitRecord>),
    /// Its shim is dead, and so is it; what was left of it was killed.
    Lost(Survivors),
}

/// Looks for the program of a run. `None` if none was ever started; then none will be, since the folder is gone.
///
/// Nothing is signalled by its number alone: a shim is known by its number and its start, what it has left by the run's marker.
pub async fn find(dir: &ProcessDir, marker: &Marker) -> Option<Found> {
    // Asked first, also where the end is written down: it may be there still, with what only it knows.
    let error = match client::reattach(dir).await {
        Ok((orders, reports, greeting)) => return Some(Found::Alive { orders, reports, greeting }),
        Err(error) => error,
    };
    if let Some(record) = exit_record(dir) {
        return Some(Found::Ended(record));
    }
    let record: Option<ProcessRecord> = read(&dir.identity());
    if let Some(record) = &record {
        tracing::warn!(run.id = marker.value(), %error, "the shim of a run does not answer; what is left of the run is killed");
        // One that hangs is no use to anybody, and its agent dies with it.
        record.shim.signal(Signal::KILL);
    } else {
        // Without its folder a shim that is only now beginning starts nothing.
        let _ = std::fs::remove_dir_all(dir.path());
    }
    let is_known = record.is_some();
    let survivors = kill_all(marker, record).await;
    is_known.then_some(Found::Lost(survivors))
}

/// Kills what a shim that is dead has left of its run, wherever that is.
pub async fn kill_leftovers(dir: &ProcessDir, marker: &Marker) -> Survivors {
    kill_all(marker, read(&dir.identity())).await
}

async fn kill_all(marker: &Marker, record: Option<ProcessRecord>) -> Survivors {
    let group = record.and_then(|record| record.group).map(Group::at);
    Leftovers::of_dead_shim(marker.clone(), group).kill(Duration::ZERO).await
}

/// How the program of a run ended, if it has. Written whole or not at all.
pub fn exit_record(dir: &ProcessDir) -> Option<Box<ExitRecord>> {
    read(&dir.exit()).map(Box::new)
}

fn read<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
