//! Finds what an earlier server left of a run: its shim, or the records that the shim wrote.

use std::time::Duration;

use rustix::process::Signal;

use super::{CommandSender, ExitRecord, Greeting, ProcessDir, ProcessRecord, ReportReceiver, client};
use crate::process::cgroup::Group;
use crate::process::{Leftovers, Marker, Survivors};

/// State of a run's program.
#[derive(Debug)]
pub enum Found {
    /// Its shim is alive, and listens to this server only. The agent may have exited; the next report says so.
    Alive {
        /// Sends commands to the shim.
        commands: CommandSender,
        /// Receives its reports.
        reports: ReportReceiver,
        /// Its greeting.
        greeting: Greeting,
    },
    /// It ended while no server was running, and its shim has exited.
    Ended(Box<ExitRecord>),
    /// Its shim is dead and took it along. What was left of it has been killed.
    Lost(Survivors),
}

/// Looks for the program of a run. Returns `None` if none was ever started; then none can be started later, because the directory is
/// removed.
///
/// Nothing is signalled by pid alone: a shim is identified by pid and start time, its leftovers by the marker of the run.
pub async fn find(dir: &ProcessDir, marker: &Marker) -> Option<Found> {
    // Before the exit record: the shim may still be waiting with its handover.
    let error = match client::reattach(dir).await {
        Ok((commands, reports, greeting)) => return Some(Found::Alive { commands, reports, greeting }),
        Err(error) => error,
    };
    if let Some(record) = exit_record(dir) {
        return Some(Found::Ended(record));
    }
    let record: Option<ProcessRecord> = read(&dir.identity());
    if let Some(record) = &record {
        tracing::warn!(run.id = marker.value(), %error, "the shim of a run does not answer; what is left of the run is killed");
        // A shim that does not respond is useless; its agent dies with it.
        record.shim.signal(Signal::KILL);
    } else {
        // A shim that is only starting cannot start anything without its directory.
        let _ = std::fs::remove_dir_all(dir.path());
    }
    let is_known = record.is_some();
    let survivors = kill_all(marker, record).await;
    is_known.then_some(Found::Lost(survivors))
}

/// Kills what a dead shim left of its run.
pub async fn kill_leftovers(dir: &ProcessDir, marker: &Marker) -> Survivors {
    kill_all(marker, read(&dir.identity())).await
}

async fn kill_all(marker: &Marker, record: Option<ProcessRecord>) -> Survivors {
    let group = record.and_then(|record| record.group).map(Group::at);
    Leftovers::of_dead_shim(marker.clone(), group).kill(Duration::ZERO).await
}

/// How the program of a run ended, if it has. The file is written atomically.
pub fn exit_record(dir: &ProcessDir) -> Option<Box<ExitRecord>> {
    read(&dir.exit()).map(Box::new)
}

fn read<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
