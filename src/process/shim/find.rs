//! Finds what an earlier server left of a run: its shim, or the records that the shim wrote.

use std::time::Duration;

use rustix::process::Signal;

use super::{CommandSender, ExitRecord, Greeting, ProcessDir, ProcessRecord, ReportReceiver, client};
use crate::process::cgroup::Group;
use crate::process::identity::is_earlier_boot;
use crate::process::{Identity, Leftovers, Marker, Survivors};

/// Delay before the next attempt to connect to a living shim. It doubles with each attempt.
const MIN_DELAY: Duration = Duration::from_millis(10);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// How long a server that has just started looks for a shim that does not answer: it cannot take over its other runs meanwhile.
const FIND_TIMEOUT: Duration = Duration::from_secs(10);

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
        greeting: Box<Greeting>,
    },
    /// It ended while no server was running, and its shim has exited.
    Ended(Box<ExitRecord>),
    /// Its shim is dead and took it along. What was left of it has been killed.
    Lost(Survivors),
}

/// Looks for the program of a run. Returns `None` if there is no trace of one. None can be started later, because the directory is then
/// removed.
///
/// Nothing is signalled by pid alone: a shim is identified by pid and start time, its leftovers by the marker of the run.
pub async fn find(dir: &ProcessDir, marker: &Marker) -> Option<Found> {
    let found = tokio::time::timeout(FIND_TIMEOUT, search(dir, marker)).await;
    // A shim that does not respond is useless to a server that knows nothing of its run.
    let found = match found {
        Ok(found) => found,
        Err(_) => Some(kill(dir, marker).await),
    };
    if found.is_none() {
        // A shim that is only starting cannot start anything without its directory.
        if let Err(error) = dir.remove() {
            tracing::warn!(run.id = marker.value(), %error, "could not remove the directory of a process that was not started");
        }
        kill_all(marker, None).await;
    }
    found
}

/// Looks for the living shim of a run after a connection to it broke. Returns when it answers or when it is dead; what is left of its run
/// has been killed then. Waits as long as it is alive.
pub async fn reconnect(dir: &ProcessDir, marker: &Marker) -> Found {
    match search(dir, marker).await {
        Some(found) => found,
        None => Found::Lost(kill_all(marker, None).await),
    }
}

/// Kills the shim of a run, its agent, and what is left of them.
pub async fn kill(dir: &ProcessDir, marker: &Marker) -> Found {
    let record = process_record(dir).ok().flatten();
    if let Some(record) = &record {
        tracing::warn!(run.id = marker.value(), "the shim of a run does not answer; the run is killed");
        if is_alive(record) {
            record.shim.signal(Signal::KILL);
        }
    }
    let survivors = kill_all(marker, record).await;
    exit_record(dir).map_or(Found::Lost(survivors), Found::Ended)
}

/// Connects to the shim, in growing intervals while it is alive and does not answer. `None` if there is no trace of one.
async fn search(dir: &ProcessDir, marker: &Marker) -> Option<Found> {
    let mut delay = MIN_DELAY;
    loop {
        // Before the exit record: the shim may still be waiting with its handover.
        let error = match client::reattach(dir).await {
            Ok((commands, reports, greeting)) => return Some(Found::Alive { commands, reports, greeting: Box::new(greeting) }),
            Err(error) => error,
        };
        // Before the exit record, too: a shim writes it before it exits.
        let process = process_record(dir);
        let is_dead = matches!(&process, Ok(process) if process.as_ref().is_none_or(|process| !is_alive(process)));
        if let Some(record) = exit_record(dir) {
            return Some(Found::Ended(record));
        }
        match process {
            Ok(None) => return None,
            Ok(Some(record)) if is_dead => {
                tracing::warn!(run.id = marker.value(), %error, "the shim of a run is dead; what is left of the run is killed");
                return Some(Found::Lost(kill_all(marker, Some(record)).await));
            }
            // The shim is alive, or the server has no descriptors left to find out.
            Ok(Some(_)) | Err(_) => tracing::debug!(run.id = marker.value(), %error, "could not connect to a shim; trying again"),
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(MAX_DELAY);
    }
}

fn is_alive(process: &ProcessRecord) -> bool {
    !is_earlier_boot(process.boot.as_deref()) && Identity::of(process.shim.pid) == Some(process.shim)
}

/// The record of a shim that has started its agent; `None` if there is none, or if it is damaged.
fn process_record(dir: &ProcessDir) -> std::io::Result<Option<ProcessRecord>> {
    match std::fs::read(dir.identity()) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Kills what a dead shim left of its run.
pub async fn kill_leftovers(dir: &ProcessDir, marker: &Marker) -> Survivors {
    kill_all(marker, process_record(dir).ok().flatten()).await
}

async fn kill_all(marker: &Marker, record: Option<ProcessRecord>) -> Survivors {
    // No process outlives its boot.
    if record.as_ref().is_some_and(|record| is_earlier_boot(record.boot.as_deref())) {
        return Survivors { count: 0 };
    }
    let group = record.and_then(|record| record.group).map(Group::at);
    Leftovers::of_dead_shim(marker.clone(), group).kill(Duration::ZERO).await
}

/// How the program of a run ended, if it has. The file is written atomically.
///
/// Without its promise of durability a record of an earlier boot does not count: the crash of the machine may have kept the record and lost
/// output that it covers.
pub fn exit_record(dir: &ProcessDir) -> Option<Box<ExitRecord>> {
    let record: Box<ExitRecord> = serde_json::from_slice(&std::fs::read(dir.exit()).ok()?).ok()?;
    (record.durable || !is_earlier_boot(record.boot.as_deref())).then_some(record)
}
