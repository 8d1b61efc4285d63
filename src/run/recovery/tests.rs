//! Recovery from stores and process directories in every state. Agents that live on are the subject of `tests/it`.
//!
//! Rules: K3, W4.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{PARALLEL, Recovered};
use crate::run::manager::RunManager;
use crate::run::store::contract::{create, record};
use crate::run::store::testing::{Calls, Fault, FaultStore};
use crate::run::store::{RunChange, RunRecord, RunStore, SqliteStore, StoreError};
use crate::types::{Cause, Lease, RuleSpec, RuleVerdict, RunId, RunStatus, SessionId, Timestamp};

/// A store of an earlier server in `dir`.
fn store(dir: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(dir).unwrap())
}

async fn launch(store: &SqliteStore, lease: &Lease) {
    let change = RunChange { status: Some(RunStatus::Running), launched_at: Some(Timestamp::from_millis(2_000)), ..RunChange::default() };
    store.append(lease, vec![], change).await.unwrap();
}

/// Changes one row, as damage does: without the program's checks.
fn damage(dir: &Path, sql: &str, lease: &Lease) {
    let database = rusqlite::Connection::open(dir.join("openrunner.db")).unwrap();
    assert_eq!(database.execute(sql, [lease.run.to_string()]).unwrap(), 1, "{sql}");
}

async fn ended(store: &SqliteStore, lease: &Lease) -> RunRecord {
    let run = store.run(lease.run).await.unwrap().unwrap();
    assert!(run.ended_at.is_some(), "{run:?}");
    run
}

fn outcome(run: &RunRecord) -> (RunStatus, Cause) {
    let done = run.done.as_ref().unwrap();
    (done.status, done.cause)
}

const NODE_LOST: (RunStatus, Cause) = (RunStatus::Interrupted, Cause::NodeLost);
const STORAGE: (RunStatus, Cause) = (RunStatus::Failed, Cause::Storage);

#[tokio::test]
async fn a_run_that_was_being_stopped_before_its_agent_was_launched_ends_as_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let stopping = create(&*store, &record("ann", "demo", None)).await;
    let change = RunChange { status: Some(RunStatus::Stopping), ..RunChange::default() };
    store.append(&stopping, vec![], change).await.unwrap();
    let manager = RunManager::with_store(Arc::clone(&store), dir.path());
    assert_eq!(manager.recover().await.unwrap(), Recovered { interrupted: 1, ..Recovered::default() });
    assert_eq!(outcome(&ended(&store, &stopping).await), (RunStatus::Cancelled, Cause::Cancelled));
}

#[tokio::test]
async fn a_launched_run_without_an_agent_is_interrupted_and_one_that_was_not_launched_is_queued_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let launched = create(&*store, &record("ann", "demo", None)).await;
    launch(&store, &launched).await;
    // Its shim had been started, but was never told to start the agent.
    let queued = create(&*store, &record("ann", "demo", None)).await;
    let process_dir = dir.path().join("runs").join(queued.run.to_string());
    std::fs::create_dir_all(&process_dir).unwrap();
    std::fs::write(process_dir.join("task.json"), "{}").unwrap();
    let manager = RunManager::with_store(Arc::clone(&store), dir.path());
    let recovered = manager.recover().await.unwrap();
    assert_eq!(recovered, Recovered { requeued: 1, interrupted: 1, ..Recovered::default() });
    assert_eq!(outcome(&ended(&store, &launched).await), NODE_LOST);
    assert!(!process_dir.exists(), "the next shim of the run gets a new directory");
}

#[tokio::test]
async fn the_working_directory_of_a_run_that_was_never_stored_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let stored = create(&*store, &record("ann", "demo", None)).await.run;
    let (never_stored, with_files) = (RunId::new(), RunId::new());
    let workspace = |run: RunId| dir.path().join("workspaces").join(run.to_string());
    for run in [stored, never_stored, with_files] {
        std::fs::create_dir_all(workspace(run)).unwrap();
    }
    std::fs::write(workspace(with_files).join("file"), "x").unwrap();
    std::fs::create_dir(dir.path().join("workspaces/other")).unwrap();
    RunManager::with_store(Arc::clone(&store), dir.path()).recover().await.unwrap();
    let exist = [stored, never_stored, with_files].map(|run| workspace(run).exists());
    assert_eq!(exist, [true, false, true], "one with files is not removed unasked");
    assert!(dir.path().join("workspaces/other").exists());
}

#[tokio::test]
async fn a_recovered_run_can_no_longer_be_changed_by_an_earlier_server() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let lease = create(&*store, &record("ann", "demo", None)).await;
    let manager = RunManager::with_store(Arc::clone(&store), dir.path());
    assert_eq!(manager.recover().await.unwrap().requeued, 1);
    let late = store.append(&lease, vec![], RunChange { status: Some(RunStatus::Running), ..RunChange::default() }).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. } | StoreError::Ended { .. })), "{late:?}");
}

#[tokio::test]
async fn damage_ends_the_damaged_run_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let mut leases = Vec::new();
    for _ in 0..5 {
        let lease = create(&*store, &record("ann", "demo", None)).await;
        launch(&store, &lease).await;
        leases.push(lease);
    }
    damage(dir.path(), "UPDATE runs SET spec = 'no spec' WHERE id = ?1", &leases[0]);
    damage(dir.path(), "UPDATE event_chunks SET body = x'00' WHERE run_id = ?1", &leases[1]);
    damage(dir.path(), "UPDATE sessions SET owner = '' WHERE id = (SELECT session_id FROM runs WHERE id = ?1)", &leases[2]);
    std::fs::create_dir_all(dir.path().join("runs")).unwrap();
    std::fs::write(dir.path().join("runs").join(leases[3].run.to_string()), "not a directory").unwrap();
    let manager = RunManager::with_store(Arc::clone(&store), dir.path());
    assert_eq!(manager.recover().await.unwrap(), Recovered { interrupted: 5, ..Recovered::default() });
    for lease in &leases[1..] {
        assert_eq!(outcome(&ended(&store, lease).await), NODE_LOST);
    }
    assert_eq!(store.unfinished().await.unwrap(), []);
    let done = store.chunks(leases[0].run, 1, 1000).await.unwrap().pop().unwrap().unwrap();
    let done = std::str::from_utf8(&done.body).unwrap();
    assert!(done.contains(r#""cause":"storage""#) && done.contains("table runs is damaged"), "{done}");
}

#[tokio::test]
async fn a_run_whose_stored_rules_are_invalid_is_ended_before_its_agent_asks_anything() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let deny = |tool: &str| RuleSpec { tool: Some(tool.to_owned()), kind: None, path: None, command: None, decision: RuleVerdict::Deny };
    let mut run = record("ann", "demo", None);
    run.spec.permission_rules = vec![deny("Bash"), deny("[")];
    let queued = create(&*store, &run).await;
    let launched = create(&*store, &RunRecord { id: RunId::new(), session: SessionId::new(), ..run }).await;
    launch(&store, &launched).await;
    let manager = RunManager::with_store(Arc::clone(&store), dir.path());
    assert_eq!(manager.recover().await.unwrap(), Recovered { interrupted: 2, ..Recovered::default() });
    for lease in [&queued, &launched] {
        let run = ended(&store, lease).await;
        assert_eq!(outcome(&run), STORAGE);
        let message = run.done.unwrap().message.unwrap();
        assert!(message.contains("stored permission rule"), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_call_of_the_store_postpones_a_run_and_never_the_start() {
    for calls in ["take_lease", "run", "chunks", "append"] {
        for fault in [Fault::Before, Fault::After, Fault::Panic] {
            // A panic while a driver writes is the subject of other tests.
            if (calls, fault) == ("append", Fault::Panic) {
                continue;
            }
            for nth in 1..=3 {
                let dir = tempfile::tempdir().unwrap();
                let store = Arc::new(FaultStore::in_memory());
                let mut leases = Vec::new();
                for is_launched in [true, false, true] {
                    let lease = create(&*store, &record("ann", "demo", None)).await;
                    if is_launched {
                        launch(store.inner(), &lease).await;
                    }
                    leases.push(lease);
                }
                store.fail_nth(Calls::Named(calls), nth, fault);
                let manager = RunManager::with_store(Arc::clone(&store), dir.path());
                let Recovered { reattached, requeued, interrupted, postponed } = manager.recover().await.unwrap();
                let case = format!("{calls} {nth} {fault:?}");
                assert_eq!((reattached, requeued + interrupted + postponed), (0, 3), "{case}");
                // The run that is queued again ends as well: its agent does not exist.
                while !store.unfinished().await.unwrap().is_empty() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                assert!(!store.has_faults_left(), "{case}");
                for lease in leases {
                    let chunks = store.chunks(lease.run, 0, usize::MAX).await.unwrap();
                    let text: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.unwrap().body.to_vec()).collect();
                    let ends = memchr::memmem::find_iter(&text, br#""type":"done""#).count();
                    assert_eq!(ends, 1, "{case}: {}", String::from_utf8_lossy(&text));
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_number_of_runs_is_recovered_a_few_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(FaultStore::in_memory());
    for _ in 0..3 * PARALLEL {
        let lease = create(&*store, &record("ann", "demo", None)).await;
        launch(store.inner(), &lease).await;
    }
    let manager = RunManager::with_store(Arc::clone(&store), dir.path());
    let mut gate = store.gate();
    let observing = async move {
        let mut held = Vec::new();
        // Ends when no call has come although time has passed.
        while let Ok(call) = tokio::time::timeout(Duration::from_secs(1), gate.next()).await {
            if call.call == "take_lease" && held.len() < 2 * PARALLEL {
                held.push(call);
            }
        }
        held.len()
    };
    let (recovered, held) = tokio::join!(manager.recover(), observing);
    assert_eq!((recovered.unwrap().interrupted, held), (3 * PARALLEL, PARALLEL));
}
